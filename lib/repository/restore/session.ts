import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Skipped } from "../../tree/entry.ts";
import type { Survey } from "../../tree/survey.ts";
import { removeEmptyFolder } from "../../tree/remove_tree.ts";
import { rootOf, type TreeWriter } from "../../tree/tree_writer.ts";
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
import { PlanApplier } from "./apply.ts";
import { noteFreshRestore } from "../store/fresh_restore.ts";
import type {
  RestoreFailure,
  RestoreLeft,
  RestorePlan,
  RestoreStep,
} from "./plan.ts";
import { type Safety, takeSafety, withhold } from "./safety_snapshot.ts";
import type { PastWork } from "./undo.ts";

/** Options for carrying out a restore, an undo or a redo. */
export interface WorkOptions {
  /**
   * Given the plan before anything is done; what it throws ends the work, with
   * nothing changed.
   */
  onPlan?: (plan: RestorePlan) => void | Promise<void>;
  /**
   * Whether owners, and the bits that run a program as its owner or group, are
   * restored although the repository belongs to somebody else: to another user
   * of this machine that is not root, or to whoever serves it over HTTP. If not,
   * they are named in `failed`. Default: `false`.
   */
  trust?: boolean;
  /** Called after each step with the progress. */
  onProgress?: (progress: RestoreProgress) => void;
  /**
   * Ends the work with an error of code `aborted`; what was done stays, and
   * the same call finishes it.
   */
  signal?: AbortSignal;
}

/** Options for an undo or redo. */
export interface RevertOptions extends WorkOptions {
  /**
   * The only files and folders to bring back, with all that is in them; the
   * rest can be brought back later. Default: all.
   */
  paths?: readonly string[];
}

/** Options for a restore. */
export interface RestoreOptions extends WorkOptions {
  /**
   * The folder of the snapshot that takes the place of its root: what is in it
   * is restored into the target, and paths are below it. It cannot be combined
   * with `delete`. Default: the root.
   */
  from?: string;
  /** Files and folders to restore, with all that is in them. Default: all. */
  paths?: readonly string[];
  /**
   * Whether to remove what the snapshot lacks, apart from what it did not look
   * at: what its rules leave out, and what it could not read. Default: `false`.
   */
  delete?: boolean;
  /**
   * Whether a directory that is there gets the mode, owner and time of the
   * snapshot's own. One that is made gets them always. Default: `false`.
   */
  rootAttributes?: boolean;
  /**
   * Files and folders of the operating system that are never removed. A
   * repository in a local folder is always spared.
   */
  apart?: readonly string[];
}

/** The progress of a restore. */
export interface RestoreProgress {
  /** Steps so far. */
  entries: number;
  /** All steps there will be. */
  allEntries: number;
  /** Bytes of files so far. */
  bytes: number;
  /** All bytes there will be. */
  allBytes: number;
  /** The path just done. */
  path: string;
}

/** The result of a restore. */
export interface RestoreResult {
  /** Files that were written, hard links counted once. */
  files: number;
  /** Directories that were made. */
  directories: number;
  /** Symlinks and further names of hard links that were made. */
  links: number;
  /** Bytes of files that were written. */
  bytes: number;
  /** Entries of which only mode, time or owner were set. */
  touched: number;
  /** The number of removed paths. */
  deleted: number;
  /** Entries that were there already as they should be. */
  kept: number;
  /** The paths that the snapshot lacks and that were kept. */
  left: RestoreLeft[];
  /**
   * The paths that failed, and why. What was at these paths stays, unless
   * `restored` says that only a part of the mode, time or owner is missing.
   */
  failed: RestoreFailure[];
  /**
   * The snapshot of what was there before, by which this is undone; none if
   * the target was new or empty, which a note tells `undoRestore`, or nothing
   * was to be done.
   */
  safety?: SnapshotRecord;
}

/** The result of a restore that has done nothing yet. */
export function resultOf({ kept, left, failed }: RestorePlan): RestoreResult {
  return {
    files: 0,
    directories: 0,
    links: 0,
    bytes: 0,
    touched: 0,
    deleted: 0,
    kept,
    left,
    failed: [...failed],
  };
}

/** Counts what is done, and tells how far it is. */
export function progressOf(
  plan: RestorePlan,
  result: RestoreResult,
  options: RevertOptions,
): (step: RestoreStep, error?: Error) => void {
  let done = 0;
  return (step, error) => {
    if (error === undefined) tally(result, step);
    options.onProgress?.({
      entries: ++done,
      allEntries: plan.steps.length,
      bytes: result.bytes,
      allBytes: plan.bytes,
      path: step.path,
    });
  };
}

function tally(result: RestoreResult, step: RestoreStep): void {
  if (step.action === "delete") result.deleted++;
  else if (step.action === "touch") result.touched++;
  else {
    const { entry } = step;
    if (entry.kind === "file") result.files++;
    else if (entry.kind === "directory") result.directories++;
    else result.links++;
    result.bytes += entry.size;
  }
}

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
  await options.onPlan?.(job.plan);
  if (hasNothingToDo(job)) return resultOf(job.plan);
  const session = new RestoreSession(store, job, options, hooks);
  try {
    await session.begin();
    await session.apply();
    return session.finish();
  } catch (error) {
    session.abandon();
    throw error;
  }
}

/** Returns whether nothing is to be done, not even for an undo to go back by. */
function hasNothingToDo(
  { plan, work, left, basis, removesRoot }: RestoreJob,
): boolean {
  return plan.steps.length === 0 && !plan.touchesRoot && left.length === 0 &&
    !removesRoot && (work === "restore" || basis !== undefined);
}

/** The work that an earlier process began and did not finish. */
interface Resumption {
  /** Whether it is the same work, which goes on now. */
  isSame: boolean;
  /** Whether it began in a new or empty directory. */
  wasFresh: boolean;
  /** The first safety snapshot of the same work, if it needed one. */
  safetyId: string | undefined;
}

/** Returns what a journal in the target tells of earlier work. */
function resumptionOf({ left, request }: RestoreJob): Resumption {
  const data = left.at(-1)?.data;
  const isSame = data !== undefined && isSameWork(data, request);
  return {
    isSame,
    wasFresh: isSame && data.fresh === true,
    safetyId: isSame && typeof data.safety === "string"
      ? data.safety
      : undefined,
  };
}

/**
 * A plan that is being carried out. The journal in the target stands for it from
 * `begin` to `finish`, so that a process that dies in between leaves word.
 */
class RestoreSession {
  readonly #store: Store;
  readonly #job: RestoreJob;
  readonly #options: WorkOptions;
  readonly #hooks: RestoreHooks;
  readonly #earlier: Resumption;
  /** Whether the directory was not there. */
  readonly #isMade: boolean;
  readonly #applier: PlanApplier;
  readonly #result: RestoreResult;
  #safety: Safety | undefined;
  #journal: WorkJournal | undefined;

  /** Prepares the work, and makes the directory if it is not there. */
  constructor(
    store: Store,
    job: RestoreJob,
    options: WorkOptions,
    hooks: RestoreHooks,
  ) {
    const { survey, plan } = job;
    this.#store = store;
    this.#job = job;
    this.#options = options;
    this.#hooks = hooks;
    this.#earlier = resumptionOf(job);
    this.#result = resultOf(plan);
    this.#isMade = survey.at("") === undefined;
    this.#applier = new PlanApplier(survey, plan, {
      reader: new ContentReader(store.storage),
      onDone: progressOf(plan, this.#result, options),
      onStep: hooks.onStep,
      signal: options.signal,
    });
  }

  /**
   * Saves what the plan would lose, or notes that it loses nothing, and puts the
   * journal.
   */
  async begin(): Promise<void> {
    const { survey, plan, work, request, root } = this.#job;
    const isFresh = survey.isVacant || this.#earlier.wasFresh;
    const isSaved = work !== "restore" || !isFresh || !losesNothing(plan);
    this.#hooks.onStep?.("begin journal");
    if (isSaved) await this.#save();
    else if (!this.#earlier.isSame) await this.#noteRestore();
    this.#result.failed = [...plan.failed];
    this.#journal = await WorkJournal.begin(this.#folder, {
      ...request,
      root: root !== undefined,
      ...(isSaved &&
        { safety: this.#earlier.safetyId ?? this.#safety?.record.id }),
      fresh: !isSaved,
    });
  }

  /** Does all steps, and flushes what was written. */
  async apply(): Promise<void> {
    const { root, left } = this.#job;
    const { signal } = this.#options;
    if (left.length > 0) await clearAbandoned(this.#folder, signal);
    await this.#applier.apply(this.#safety);
    if (root !== undefined) this.#writer.directory("", root);
    // The journal tells of what is not on the disk yet: it goes last.
    await this.#applier.sync(left.length > 0);
  }

  /** Ends the work: the journals go, and the directory opens to others. */
  finish(): RestoreResult {
    const { survey, left, removesRoot } = this.#job;
    this.#writer.finish(() => {
      this.#hooks.onStep?.("end journal");
      for (const { name } of left) WorkJournal.remove(this.#folder, name);
      this.#journal?.end();
    });
    this.#result.failed.push(...this.#applier.failed);
    if (this.#safety !== undefined) this.#result.safety = this.#safety.record;
    if (removesRoot) {
      this.#hooks.onStep?.("remove directory");
      removeEmptyFolder(survey.root);
    }
    return this.#result;
  }

  /** Gives up after a failure; the journal stays, so that the work can go on. */
  abandon(): void {
    try {
      this.#writer.finish(() => this.#journal?.abandon());
    } catch {
      // What went wrong first is what counts.
    } finally {
      this.#journal?.abandon();
    }
  }

  get #writer(): TreeWriter {
    return this.#applier.writer;
  }

  get #folder(): ReturnType<typeof rootOf> {
    return rootOf(this.#writer);
  }

  async #save(): Promise<void> {
    this.#safety = await saveFirst(this.#store, this.#job, {
      after: this.#job.history[0]?.id,
      first: this.#earlier.safetyId,
      signal: this.#options.signal,
    });
  }

  async #noteRestore(): Promise<void> {
    const { survey, of, fresh } = this.#job;
    this.#hooks.onStep?.("note restore");
    await noteFreshRestore(this.#store.storage, of, {
      directory: survey.root,
      made: this.#isMade,
      ...fresh,
    }, this.#options.signal);
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
