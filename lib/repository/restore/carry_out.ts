import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Skipped } from "../../tree/entry.ts";
import type { Survey } from "../../tree/survey.ts";
import { removeEmptyFolder } from "../../tree/remove_tree.ts";
import { rootOf } from "../../tree/tree_writer.ts";
import {
  clearAbandoned,
  type JournalData,
  type LeftJournal,
  WorkJournal,
} from "../../tree/work_journal.ts";
import { ContentReader } from "../content/content.ts";
import type { Tree } from "../layers/tree.ts";
import type {
  ReadRecord,
  SafetyRecord,
  SnapshotRecord,
} from "../format/snapshot_record.ts";
import type { Store } from "../store/store.ts";
import { PlanApplier } from "./apply_steps.ts";
import { noteFreshRestore } from "../store/fresh_restore.ts";
import type { WorkOptions } from "./restore_options.ts";
import type { RestorePlan } from "./restore_plan.ts";
import { progressOf, type RestoreResult, resultOf } from "./restore_result.ts";
import { type Safety, takeSafety, withhold } from "./restore_safety.ts";
import type { PastWork } from "./restore_undo.ts";

/** Hooks for tests. */
export interface RestoreHooks {
  /** Called before each change of the disk. */
  onStep?: (step: string) => void;
}

/** A restore, an undo or a redo, planned. */
export interface RestoreJob {
  survey: Survey;
  plan: RestorePlan;
  work: SafetyRecord["before"];
  /** The snapshot to restore, or the safety snapshot to go back by. */
  of: string;
  label: string;
  /**
   * The attributes that the directory itself gets; absent if it keeps its own.
   */
  root: SnapshotRecord["root"] | undefined;
  /** Its attributes now, or those to create it with. */
  rootBefore: SnapshotRecord["root"];
  /** The only paths that an undo or redo is for. */
  paths?: readonly string[];
  /** The part of the snapshot that a restore is for. */
  fresh?: { from?: string; paths?: readonly string[] };
  /** The request, by which the same work is recognised when it starts again. */
  request: JournalData;
  left: LeftJournal[];
  /** The work that can be undone in the target, the newest first. */
  history: readonly PastWork[];
  /**
   * The snapshot whose content need not be saved again, if an undo is of a
   * restore into a new or empty directory. Default: `of`.
   */
  basis?: string;
  /** Whether the directory goes in the end if nothing is left in it. */
  removesRoot?: boolean;
}

/** Carries out a plan, after a safety snapshot of what it would lose. */
export async function carryOut(
  store: Store,
  job: RestoreJob,
  options: WorkOptions,
  hooks: RestoreHooks,
): Promise<RestoreResult> {
  const { survey, plan, work, left, request } = job;
  await options.onPlan?.(plan);
  const isDone = plan.steps.length === 0 && !plan.touchesRoot;
  const isNothing = isDone && left.length === 0 && !job.removesRoot;
  if (isNothing && (work === "restore" || job.basis !== undefined)) {
    return resultOf(plan);
  }
  const cut = left.at(-1)?.data;
  const continues = cut !== undefined && isSameWork(cut, request);
  const fresh = survey.isVacant || continues && cut.fresh === true;
  const first = continues && typeof cut.safety === "string"
    ? cut.safety
    : undefined;
  const result = resultOf(plan);
  const made = survey.at("") === undefined;
  const applier = new PlanApplier(survey, plan, {
    reader: new ContentReader(store.storage),
    onDone: progressOf(plan, result, options),
    onStep: hooks.onStep,
    signal: options.signal,
  });
  const { writer } = applier;
  const folder = rootOf(writer);
  let journal: WorkJournal | undefined;
  let begun = false;
  try {
    const needed = work !== "restore" || !(fresh && losesNothing(plan));
    const after = job.history[0]?.id;
    hooks.onStep?.("begin journal");
    const safety = needed
      ? await saveFirst(store, job, {
        after,
        first,
        signal: options.signal,
      })
      : undefined;
    if (!needed && !continues) {
      hooks.onStep?.("note restore");
      await noteFreshRestore(store.storage, job.of, {
        directory: survey.root,
        made,
        ...job.fresh,
      }, options.signal);
    }
    result.failed = [...plan.failed];
    journal = await WorkJournal.begin(folder, {
      ...request,
      root: job.root !== undefined,
      ...(needed && { safety: first ?? safety!.record.id }),
      fresh: !needed,
    });
    begun = true;
    if (left.length > 0) await clearAbandoned(folder, options.signal);
    await applier.apply(safety);
    if (job.root !== undefined) writer.directory("", job.root);
    // The journal tells of what is not on the disk yet: it goes last.
    await applier.sync(left.length > 0);
    writer.finish(() => {
      hooks.onStep?.("end journal");
      for (const { name } of left) WorkJournal.remove(folder, name);
      journal?.end();
    });
    result.failed.push(...applier.failed);
    if (safety !== undefined) result.safety = safety.record;
    if (job.removesRoot) {
      hooks.onStep?.("remove directory");
      removeEmptyFolder(survey.root);
    }
    return result;
  } catch (error) {
    try {
      writer.finish(() => {
        if (begun) journal?.abandon();
        else journal?.end();
      });
    } catch {
      // What went wrong first is what counts.
    } finally {
      journal?.abandon();
    }
    throw error;
  }
}

/** Takes the safety snapshot; what it cannot hold is not touched. */
async function saveFirst(
  store: Store,
  job: RestoreJob,
  options: { after: string | undefined; first?: string; signal?: AbortSignal },
): Promise<Safety> {
  const { survey, plan, work, of, label, history, basis = of } = job;
  const { after, first, signal } = options;
  const isKnown = history.some(({ id }) => id === first);
  const safety = await takeSafety(store, survey, plan, {
    purpose: {
      before: work,
      of,
      ...(isKnown && { continues: first }),
      ...(work !== "restore" && job.paths && { paths: [...job.paths] }),
    },
    label,
    root: job.rootBefore,
    basis: await basisOf(store, survey.root, basis, signal),
    after,
    onSkip: ({ path, reason, detail }: Skipped) =>
      withhold(
        plan,
        path,
        new DeltarError(
          "changed",
          `it could not be saved first, so it stays: ${detail ?? reason}`,
          { path },
        ),
      ),
    signal,
  });
  return safety;
}

/** Whether a journal tells of the same work. */
export function isSameWork(cut: JournalData, request: JournalData): boolean {
  return Object.entries(request).every(([key, value]) =>
    JSON.stringify(cut[key] ?? null) === JSON.stringify(value)
  );
}

/** A snapshot that has much of what is to be saved. */
async function basisOf(
  store: Store,
  directory: string,
  of: string,
  signal: AbortSignal | undefined,
): Promise<(ReadRecord & { tree: Tree }) | undefined> {
  try {
    const read = await store.parentOf(directory, { signal }) ??
      await store.record(of, { signal });
    return { ...read, tree: await store.tree(read.record, { signal }) };
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Whether nothing that is there is overwritten or removed. */
function losesNothing({ steps }: RestorePlan): boolean {
  return steps.every(({ action, was }) =>
    action === "create" || action === "touch" && was === "directory"
  );
}
