import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { isSpecial, type Skipped } from "../../tree/entry.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
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
import type { XattrSelection } from "../../tree/xattrs.ts";
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
   * Called with the plan before anything is changed. If the callback throws an
   * error, nothing is changed and the call fails with this error.
   */
  onPlan?: (plan: RestorePlan) => void | Promise<void>;
  /**
   * Whether to trust a repository that belongs to somebody else: to another
   * user of this machine who is not root, or to the operator of an HTTP server.
   * If not, owners, set-user-ID bits, set-group-ID bits, devices, and the
   * extended attributes `trusted.*` and `security.*` from such a repository are
   * not restored. Paths for which any of these would have to be restored are
   * listed in `failed`. Default: `false`.
   */
  trust?: boolean;
  /** Called after each step with the progress. */
  onProgress?: (progress: RestoreProgress) => void;
  /**
   * The signal that ends the work with an error of code `aborted`. Finished
   * steps are not reverted. Another call with the same options completes the
   * work.
   */
  signal?: AbortSignal;
}

/** Options for an undo or redo. */
export interface RevertOptions extends WorkOptions {
  /**
   * The direction of the operation: `undo` undoes the last restore or redo, and
   * `redo` redoes the last undo. Default: `undo`.
   */
  direction?: "undo" | "redo";
  /**
   * The absolute paths that the directory had before it was moved. With these
   * paths, restores from before the move can be undone, too. Default: none.
   */
  former?: readonly string[];
  /**
   * The files and folders to which the undo or redo is limited. Other paths can
   * be undone or redone later. Default: all.
   */
  paths?: readonly string[];
}

/** Options for a restore. */
export interface RestoreOptions extends WorkOptions {
  /**
   * The path of a folder of the snapshot. The content of this folder is
   * restored into the target, and `paths` are relative to this folder. `from`
   * cannot be combined with `delete`. Default: the root of the snapshot.
   */
  from?: string;
  /** The files and folders to restore, with all their content. Default: all. */
  paths?: readonly string[];
  /**
   * Whether to delete paths that the snapshot does not have. If `paths` is set,
   * only paths in these files and folders are deleted. Paths are kept if the
   * snapshot's rules or the ignore files that are now in the target exclude
   * them, or if they could not be read for the snapshot. Default: `false`.
   */
  delete?: boolean;
  /**
   * Whether an existing target gets the mode, owner, time and extended
   * attributes of the snapshot's root or, if `from` is set, of the folder
   * `from`. A new target gets them even without this option. If `paths` is set,
   * the target never gets them. Default: `false`.
   */
  rootAttributes?: boolean;
  /**
   * Whether owners and groups are restored by their numbers in the snapshot. If
   * not, an owner or group whose name exists on this system is restored by the
   * name, and any other by its number. Default: `false`.
   */
  numericOwner?: boolean;
  /**
   * Whether everything that the restore replaces or deletes is saved to a
   * safety snapshot first. If not, the replaced and deleted content is lost,
   * and a restore into a directory that is not empty cannot be undone. Default:
   * `true`.
   */
  safety?: boolean;
  /**
   * The extended attributes and ACLs to restore. Other attributes are neither
   * compared nor removed. `false` means that none are restored. Default: all
   * that the snapshot has.
   */
  xattrs?: false | XattrOptions;
  /**
   * The absolute paths of files and folders that are never deleted. If the
   * repository is in a local folder, this folder is never deleted, either.
   */
  neverTouch?: readonly string[];
}

/**
 * Patterns for the names of extended attributes, in gitignore's syntax, such as
 * `user.*`. An attribute is restored if its name matches a pattern of `include`
 * and no pattern of `exclude`. If `include` is absent, every name counts as
 * included.
 */
export interface XattrOptions {
  /** The patterns of the attributes to restore. Default: all. */
  include?: readonly string[];
  /** The patterns of the attributes not to restore. Default: none. */
  exclude?: readonly string[];
}

/** Options for undoing changes. */
export interface UndoChangesOptions extends WorkOptions {
  /**
   * Whether to restore paths even if they also changed between two of the given
   * spans or after the last one. If not, these paths stay as they are and are
   * listed in `failed`. Default: `false`.
   */
  force?: boolean;
  /**
   * The files and folders whose changes are undone. Changes to other paths
   * stay. Default: all.
   */
  paths?: readonly string[];
  /**
   * The label of the safety snapshot. Default: a label with the id of the first
   * snapshot of the first span.
   */
  label?: string;
}

/** The progress of a restore. */
export interface RestoreProgress {
  /** The number of steps that have succeeded or failed so far. */
  entries: number;
  /** The total number of steps. */
  allEntries: number;
  /** The number of bytes of the files written so far. */
  bytes: number;
  /** The number of bytes of all files to write. */
  allBytes: number;
  /** The path of the step that was just finished. */
  path: string;
}

/** The result of a restore. */
export interface RestoreResult {
  /**
   * The number of files that were written. A file with hard links counts once.
   */
  files: number;
  /** The number of directories that were created. */
  directories: number;
  /**
   * The number of symlinks and hard links that were created. The first name of
   * a file with hard links does not count.
   */
  links: number;
  /** The number of named pipes and devices that were created. */
  special: number;
  /** The number of bytes of the files that were written. */
  bytes: number;
  /**
   * The number of entries for which only the mode, time, owner, extended
   * attributes or spelling of the name changed.
   */
  touched: number;
  /** The number of deleted paths. */
  deleted: number;
  /** The number of entries that needed no change. */
  kept: number;
  /**
   * The number of entries whose owner or group was not set, because the process
   * does not run as root.
   */
  ownersUnset: number;
  /**
   * The paths that a restore with `delete`, an undo or a redo did not delete,
   * and the reasons.
   */
  left: RestoreLeft[];
  /**
   * The paths that failed, with the errors. If `restored` of a failure is
   * `true`, the entry was restored except for a part of its mode, time, owner
   * or extended attributes.
   */
  failed: RestoreFailure[];
  /**
   * The safety snapshot that an undo of the restore uses. Absent if nothing had
   * to be changed, if the option `safety` was `false`, or if the target was new
   * or empty. In the last case, a note allows `revert` to undo the restore,
   * unless the storage refused the note.
   */
  safety?: SnapshotRecord;
}

/** Returns the initial result of a restore. */
function resultOf(
  { kept, ownersUnset, left, failed }: RestorePlan,
): RestoreResult {
  return {
    files: 0,
    directories: 0,
    links: 0,
    special: 0,
    bytes: 0,
    touched: 0,
    deleted: 0,
    kept,
    ownersUnset,
    left,
    failed: [...failed],
  };
}

/** Returns a function that counts a finished step and reports the progress. */
function progressOf(
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
    else if (isSpecial(entry)) result.special++;
    else result.links++;
    result.bytes += entry.size;
  }
}

/** Hooks for tests. */
export interface RestoreHooks {
  /** Called before each change to the disk, with the name of the change. */
  onStep?: (step: string) => void;
}

/** A planned restore, undo or redo. */
export interface RestoreJob {
  onDisk: TargetDirectory;
  plan: RestorePlan;
  work: SafetyRecord["before"];
  /**
   * For a restore, the id of the snapshot. For an undo or redo, the id of the
   * first safety snapshot, or of the note, of the operation that is reverted.
   */
  of: string;
  label: string;
  /**
   * The attributes to set on the directory itself; `undefined` if the directory
   * keeps its attributes.
   */
  root: SnapshotRecord["root"] | undefined;
  /**
   * The present attributes of the directory or, if the directory does not
   * exist, the attributes in the record of the snapshot.
   */
  rootBefore: SnapshotRecord["root"];
  /**
   * Called with the name of each extended attribute. Returns whether the
   * attribute is restored. Default: all are restored.
   */
  selectsXattr?: XattrSelection;
  /** The paths to which an undo or redo is limited. */
  paths?: readonly string[];
  /**
   * Whether the plan is carried out without a safety snapshot. Default:
   * `false`.
   */
  isUnsaved?: boolean;
  /**
   * The options `from` and `paths` of a restore, for the note that is stored if
   * the target is new or empty.
   */
  fresh?: { from?: string; paths?: readonly string[] };
  /**
   * The parameters of the call, for the journal. If the call is interrupted, a
   * later call with equal parameters continues it.
   */
  request: JournalData;
  left: LeftJournal[];
  /** The recorded restores, undos and redos of the target, newest first. */
  history: readonly PastWork[];
  /**
   * The id of the snapshot from which `basisOf` chooses the basis of the safety
   * snapshot. Set only for an undo of a restore into a new or empty directory.
   * Default: `of`.
   */
  basis?: string;
  /** Whether the directory itself is deleted if it is empty after all steps. */
  removesRoot?: boolean;
}

/**
 * Carries out a plan. First takes a safety snapshot of everything that the plan
 * changes, unless `job.isUnsaved` is `true` or no safety snapshot is needed.
 */
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

/**
 * Returns whether a job changes nothing and need not be recorded for a later
 * undo or redo.
 */
function hasNothingToDo(
  { plan, work, left, basis, removesRoot }: RestoreJob,
): boolean {
  return plan.steps.length === 0 && !plan.touchesRoot && left.length === 0 &&
    !removesRoot && (work === "restore" || basis !== undefined);
}

/**
 * Facts about the unfinished restore, undo or redo, if any, that a job
 * continues.
 */
interface Resumption {
  /**
   * Whether the job continues an unfinished call, because both have the same
   * parameters.
   */
  isSame: boolean;
  /**
   * Whether the job continues a call that began in a new or empty directory.
   */
  wasFresh: boolean;
  /**
   * The id of the first safety snapshot of the unfinished call; `undefined` if
   * the call took none, or if the job does not continue a call.
   */
  safetyId: string | undefined;
}

/**
 * Returns whether and how a job continues the call that the last journal in the
 * target describes.
 */
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
 * Carries out the plan of a job. A journal is in the target from `begin` to
 * `finish`, so that the work can be continued if the process is killed.
 */
class RestoreSession {
  readonly #store: Store;
  readonly #job: RestoreJob;
  readonly #options: WorkOptions;
  readonly #hooks: RestoreHooks;
  readonly #earlier: Resumption;
  /** Whether this session creates the directory. */
  readonly #isMade: boolean;
  readonly #applier: PlanApplier;
  readonly #result: RestoreResult;
  #safety: Safety | undefined;
  #journal: WorkJournal | undefined;

  /**
   * Creates the target if it does not exist, and prepares to carry out the
   * plan.
   */
  constructor(
    store: Store,
    job: RestoreJob,
    options: WorkOptions,
    hooks: RestoreHooks,
  ) {
    const { onDisk, plan } = job;
    this.#store = store;
    this.#job = job;
    this.#options = options;
    this.#hooks = hooks;
    this.#earlier = resumptionOf(job);
    this.#result = resultOf(plan);
    this.#isMade = onDisk.at("") === undefined;
    this.#applier = new PlanApplier(onDisk, plan, {
      reader: new ContentReader(store.storage),
      onDone: progressOf(plan, this.#result, options),
      isUnsaved: job.isUnsaved,
      selectsXattr: job.selectsXattr,
      onStep: hooks.onStep,
      signal: options.signal,
    });
  }

  /**
   * Takes the safety snapshot, unless `isUnsaved` is `true` or no safety
   * snapshot is needed. For a restore into a new or empty directory, stores a
   * note about the restore instead. Then writes the journal.
   */
  async begin(): Promise<void> {
    const { onDisk, plan, work, request, root, isUnsaved } = this.#job;
    const isFresh = onDisk.isVacant || this.#earlier.wasFresh;
    const needsNone = work === "restore" && isFresh && losesNothing(plan);
    const isSaved = !needsNone && !isUnsaved;
    this.#hooks.onStep?.("begin journal");
    this.#applier.prefetch();
    if (isSaved) await this.#save();
    else if (needsNone && !this.#earlier.isSame) await this.#noteRestore();
    this.#result.failed = [...plan.failed];
    this.#journal = await WorkJournal.begin(this.#folder, {
      ...request,
      root: root !== undefined,
      ...(isSaved &&
        { safety: this.#earlier.safetyId ?? this.#safety?.record.id }),
      fresh: needsNone,
    });
  }

  /**
   * Carries out all steps, and flushes the written files and folders to the
   * disk.
   */
  async apply(): Promise<void> {
    const { root, left } = this.#job;
    const { signal } = this.#options;
    if (left.length > 0) await clearAbandoned(this.#folder, signal);
    await this.#applier.apply(this.#safety);
    if (root !== undefined) this.#writer.directory("", root);
    // Everything is flushed before `finish` deletes the journal, so that after
    // a crash the journal is missing only if all data is on the disk.
    await this.#applier.sync(left.length > 0);
  }

  /**
   * Sets the mode, time and owner of the written folders, and deletes the
   * journals. Then deletes the target itself if `removesRoot` is `true` and the
   * target is empty. Returns the result.
   */
  finish(): RestoreResult {
    const { onDisk, left, removesRoot } = this.#job;
    this.#writer.finish(() => {
      this.#hooks.onStep?.("end journal");
      for (const { name } of left) WorkJournal.remove(this.#folder, name);
      this.#journal?.end();
    });
    this.#result.failed.push(...this.#applier.failed);
    if (this.#safety !== undefined) this.#result.safety = this.#safety.record;
    if (removesRoot) {
      this.#hooks.onStep?.("remove directory");
      removeEmptyFolder(onDisk.root);
    }
    return this.#result;
  }

  /**
   * Ends the work after a failure. The journal stays in the target, so that a
   * later call can continue the work.
   */
  abandon(): void {
    try {
      this.#writer.finish(() => this.#journal?.abandon());
    } catch {
      // This error is ignored, because `carryOut` throws the error that made
      // the work fail.
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
    const { onDisk, of, fresh } = this.#job;
    this.#hooks.onStep?.("note restore");
    await noteFreshRestore(this.#store.storage, of, {
      directory: onDisk.root,
      made: this.#isMade,
      ...fresh,
    }, this.#options.signal);
  }
}

/**
 * Takes the safety snapshot, and removes from the plan the steps for entries
 * that could not be saved.
 */
async function saveFirst(
  store: Store,
  job: RestoreJob,
  options: { after: string | undefined; first?: string; signal?: AbortSignal },
): Promise<Safety> {
  const { onDisk, plan, work, of, label, history, basis = of } = job;
  const { after, first, signal } = options;
  const isKnown = history.some(({ id }) => id === first);
  const safety = await takeSafety(store, onDisk, plan, {
    purpose: {
      before: work,
      of,
      ...(isKnown && { continues: first }),
      ...(work !== "restore" && job.paths && { paths: [...job.paths] }),
    },
    label,
    root: job.rootBefore,
    basis: await basisOf(store, onDisk.root, basis, signal),
    after,
    onSkip: ({ path, reason, detail }: Skipped) =>
      withhold(
        plan,
        path,
        new DeltarError(
          "changed",
          `left unchanged, because saving the existing entry failed: ${
            detail ?? reason
          }`,
          { path },
        ),
      ),
    signal,
  });
  return safety;
}

/**
 * Returns whether the journal `cut` describes an interrupted call with the same
 * parameters as `request`.
 */
export function isSameWork(cut: JournalData, request: JournalData): boolean {
  return Object.entries(request).every(([key, value]) =>
    JSON.stringify(cut[key] ?? null) === JSON.stringify(value)
  );
}

/**
 * Returns the snapshot that probably contains most of the content to be saved,
 * with its tree. If the snapshot with the id `of` belongs to the directory, the
 * last snapshot of the directory is returned. Otherwise the snapshot with the
 * id `of` itself is returned, because finding a snapshot of the directory could
 * require reading all records. Returns `undefined` if a record or layer is
 * missing or damaged.
 */
async function basisOf(
  store: Store,
  directory: string,
  of: string,
  signal: AbortSignal | undefined,
): Promise<(ReadRecord & { tree: Tree }) | undefined> {
  try {
    const found = await store.record(of, { signal });
    const read = found.record.directory === directory
      ? await store.parentOf(directory, { signal }) ?? found
      : found;
    return { ...read, tree: await store.tree(read.record, { signal }) };
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/**
 * Returns whether a plan leaves all existing entries unchanged, except for the
 * mode, time or owner of folders.
 */
function losesNothing({ steps }: RestorePlan): boolean {
  return steps.every(({ action, was }) =>
    action === "create" || action === "touch" && was === "directory"
  );
}
