import { DeltarError } from "../../bytes/errors.ts";
import type { Skipped } from "../../tree/entry.ts";
import { Survey } from "../../tree/survey.ts";
import {
  clearAbandoned,
  type JournalData,
  type LeftJournal,
  WorkJournal,
} from "../../tree/work_journal.ts";
import { LocalStorage } from "../../storage/local.ts";
import type { Storage } from "../../storage/storage.ts";
import { ContentReader } from "../content/content.ts";
import { isDamage } from "../damage.ts";
import type { ReadRecord } from "../read_record.ts";
import type { Repository } from "../repository.ts";
import { PlanApplier } from "./restore_apply.ts";
import type { RestoreOptions, RevertOptions } from "./restore_options.ts";
import {
  planSteps,
  type RestoreLeft,
  type RestorePlan,
} from "./restore_plan.ts";
import { progressOf, type RestoreResult, resultOf } from "./restore_result.ts";
import { removalFor, removalOf } from "./restore_removal.ts";
import { type Safety, takeSafety, withhold } from "./restore_safety.ts";
import {
  groupOf,
  groupToRevert,
  nothingTo,
  stateBefore,
} from "./restore_undo.ts";
import { type Wanted, wantedOf } from "./restore_wanted.ts";
import type { SafetyRecord, SnapshotRecord } from "../snapshot_record.ts";
import type { Tree } from "../layers/tree.ts";
import { readPart } from "../layers/tree_reader.ts";

/** What only tests need. */
export interface RestoreHooks {
  /** Called before each change of the disk. */
  onStep?: (step: string) => void;
}

/** A restore, an undo or a redo, planned. */
interface Job {
  survey: Survey;
  plan: RestorePlan;
  work: SafetyRecord["before"];
  /** The snapshot to restore, or the safety snapshot to go back by. */
  of: string;
  label: string;
  root: RestoreRoot;
  /** What tells the same work when it is begun again. */
  request: JournalData;
  left: LeftJournal[];
  /** The safety snapshots of the target, the newest first. */
  history: SnapshotRecord[];
}

type RestoreRoot = SnapshotRecord["root"] | undefined;

/** What a restore would do; nothing is changed. */
export async function planRestore(
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
): Promise<RestorePlan> {
  return (await prepare(repository, record, target, options)).plan;
}

/** Restores a snapshot; each file is checked before it gets its name. */
export async function restoreTree(
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  const { survey, plan, root } = await prepare(
    repository,
    record,
    target,
    options,
  );
  const left = leftIn(survey);
  const request = {
    work: "restore",
    of: record.id,
    paths: options.paths ?? null,
    delete: options.delete ?? false,
  };
  return await carryOut(
    repository,
    {
      survey,
      plan,
      work: "restore",
      of: record.id,
      label: `before restoring ${record.id}`,
      root,
      request,
      left,
      history: survey.isVacant
        ? []
        : await repository.safetySnapshots(survey.root),
    },
    options,
    hooks,
  );
}

/** What undoing or redoing the last restore would do. */
export async function planRevert(
  repository: Repository,
  target: string,
  way: "undo" | "redo",
  { signal }: RevertOptions,
): Promise<RestorePlan> {
  return (await prepareRevert(repository, target, way, signal)).plan;
}

/** Brings back what was there before the last restore, or undo of it. */
export async function revertRestore(
  repository: Repository,
  target: string,
  way: "undo" | "redo",
  options: RevertOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  const job = await prepareRevert(repository, target, way, options.signal);
  return await carryOut(repository, job, options, hooks);
}

async function prepare(
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
): Promise<Pick<Job, "survey" | "plan" | "root">> {
  const { paths, signal } = options;
  const { storage } = repository;
  const survey = new Survey(target);
  // Where nothing is, nobody asks what else the snapshot has.
  const tree = paths !== undefined && survey.isVacant
    ? await readPart(storage, record, paths, signal)
    : await repository.tree(record);
  const wanted = wantedOf(tree, record, paths);
  refuseOverRepository(storage, survey, wanted);
  const left: RestoreLeft[] = [];
  const removal = await removalFor(repository, survey, tree, record, {
    delete: options.delete ?? false,
    paths,
    apart: [
      ...options.apart ?? [],
      ...storage instanceof LocalStorage ? [storage.location] : [],
    ],
    onLeft: (one) => left.push(one),
  });
  const plan = planSteps(survey, wanted, removal, signal);
  plan.left.push(...left);
  return { survey, plan, root: wanted.root };
}

/** A repository that is written over cannot bring back what was there. */
function refuseOverRepository(
  storage: Storage,
  survey: Survey,
  { entries }: Wanted,
): void {
  if (!(storage instanceof LocalStorage)) return;
  const way = survey.wayTo(storage.location);
  if (way === "" || /^\.\.(\/\.\.)*$/.test(way)) {
    throw new DeltarError(
      "unsafe",
      "this is the repository itself; restore into another directory",
      { object: survey.root },
    );
  }
  const over = entries.find(({ path }) => path.startsWith(`${way}/`));
  if (over === undefined) return;
  throw new DeltarError(
    "unsafe",
    "it would be written into the repository itself; restore into another " +
      "directory, or only the paths that you need",
    { object: survey.root, path: over.path },
  );
}

async function prepareRevert(
  repository: Repository,
  target: string,
  way: "undo" | "redo",
  signal: AbortSignal | undefined,
): Promise<Job> {
  const survey = new Survey(target);
  const history = await repository.safetySnapshots(survey.root);
  const left = leftIn(survey);
  const cut = left.at(-1)?.data;
  // The same that was cut short is finished first.
  const group = cut?.work === way && typeof cut.of === "string"
    ? groupOf(history, cut.of)
    : groupToRevert(history, way);
  if (group === undefined) throw nothingTo(way, survey.root);
  const { wanted, gone } = await stateBefore(repository, group);
  refuseOverRepository(repository.storage, survey, wanted);
  const plan = planSteps(survey, wanted, removalOf(survey, gone), signal);
  const of = group[0].id;
  return {
    survey,
    plan,
    work: way,
    of,
    label: way === "undo"
      ? `before undoing the restore of ${group[0].safety?.of}`
      : "before redoing a restore",
    root: wanted.root,
    request: { work: way, of, paths: null, delete: true },
    left,
    history,
  };
}

function leftIn(survey: Survey): LeftJournal[] {
  return survey.at("") === undefined ? [] : WorkJournal.left(survey.root);
}

async function carryOut(
  repository: Repository,
  job: Job,
  options: RevertOptions,
  hooks: RestoreHooks,
): Promise<RestoreResult> {
  const { survey, plan, work, left, request } = job;
  await options.onPlan?.(plan);
  const before = survey.at("");
  const isDone = plan.steps.length === 0 && !plan.touchesRoot;
  if (work === "restore" && isDone && left.length === 0) {
    return resultOf(plan);
  }
  const cut = left.at(-1)?.data;
  const continues = cut !== undefined &&
    Object.entries(request).every(([key, value]) =>
      JSON.stringify(cut[key]) === JSON.stringify(value)
    );
  const fresh = survey.isVacant || continues && cut.fresh === true;
  const first = continues && typeof cut.safety === "string"
    ? cut.safety
    : undefined;
  const result = resultOf(plan);
  const applier = new PlanApplier(survey, plan, {
    reader: new ContentReader(repository.storage),
    onDone: progressOf(plan, result, options),
    onStep: hooks.onStep,
    signal: options.signal,
  });
  const { writer } = applier;
  let journal: WorkJournal | undefined;
  let begun = false;
  try {
    const needed = work !== "restore" || !(fresh && losesNothing(plan));
    const after = job.history[0]?.time ?? 0;
    hooks.onStep?.("begin journal");
    const safety = needed
      ? await saveFirst(repository, job, before ?? job.root!, {
        after,
        first,
        signal: options.signal,
      })
      : undefined;
    result.failed = [...plan.failed];
    journal = WorkJournal.begin(writer.root, {
      ...request,
      ...(needed && { safety: first ?? safety!.record.id }),
      fresh: !needed,
    });
    begun = true;
    if (left.length > 0) clearAbandoned(writer.root);
    const failed = await applier.apply(safety);
    result.failed.push(...failed);
    if (job.root !== undefined) writer.directory("", job.root);
    // The journal tells of what is not on the disk yet: it goes last.
    await applier.sync(left.length > 0);
    writer.finish(() => {
      hooks.onStep?.("end journal");
      for (const { place } of left) WorkJournal.remove(place);
      journal!.end();
    });
    if (safety !== undefined) result.safety = safety.record;
    return result;
  } catch (error) {
    try {
      writer.finish(() => {
        if (begun) journal!.abandon();
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
  repository: Repository,
  job: Job,
  root: SnapshotRecord["root"],
  options: { after: number; first?: string; signal?: AbortSignal },
): Promise<Safety> {
  const { survey, plan, work, of, label, history } = job;
  const { after, first, signal } = options;
  const isKnown = history.some(({ id }) => id === first);
  const safety = await takeSafety(repository, survey, plan, {
    purpose: { before: work, of, ...(isKnown && { continues: first }) },
    label,
    root,
    basis: await basisOf(repository, survey.root, of),
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

/** A snapshot that has much of what is to be saved. */
async function basisOf(
  repository: Repository,
  directory: string,
  of: string,
): Promise<(ReadRecord & { tree: Tree }) | undefined> {
  try {
    const read = await repository.parentFor(directory) ??
      await repository.readRecord(of);
    return { ...read, tree: await repository.tree(read.record) };
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
