import { RACY_NANOSECONDS } from "../../tree/racy.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { checkAborted, unlessAborted } from "../../bytes/abort.ts";
import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { atOnce, inTurns, turnIfDue } from "../../bytes/turns.ts";
import { deviceOf } from "../../tree/change_finder.ts";
import { canHaveLinks, type DirectoryEntry } from "../../tree/entry.ts";
import { isSameFile } from "../../tree/folder.ts";
import { comparePaths, isWithin, parentPath } from "../../tree/path.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { alikePaths } from "../../tree/spelling.ts";
import type { FileStat } from "../../tree/stat.ts";
import type { TargetDirectory } from "../../tree/target_directory.ts";
import { syncTree } from "../../tree/sync_tree.ts";
import { rootOf, TreeWriter } from "../../tree/tree_writer.ts";
import { WriterThreads } from "../../tree/writer_threads.ts";
import { hasXattrs, type XattrSelection } from "../../tree/xattrs.ts";
import { type ContentReader, isSmallWhole } from "../content/content.ts";
import { currentPathsOf } from "./current_path.ts";
import { Heirs, type LinkableEntry } from "./heirs.ts";
import {
  type ChangeStep,
  type CreateStep,
  isOfOnePath,
  type RestoreFailure,
  type RestorePlan,
  type RestoreStep,
  sameName,
} from "./plan.ts";
import type { Safety } from "./safety_snapshot.ts";
import { StepFinder } from "./step_finder.ts";
import { type SmallFileStep, ThreadedFiles } from "./threaded_files.ts";
import type { TreeEntry, TreeFileEntry } from "../layers/tree_layer.ts";

/** Options for carrying out a plan. */
export interface ApplyPlanOptions {
  /** The reader of the contents of files. */
  reader: ContentReader;
  /** Called after each step, with the error if the step failed. */
  onDone: (step: RestoreStep, error?: Error) => void;
  /**
   * Whether entries are replaced and deleted even if they were not saved in a
   * safety snapshot. Default: `false`.
   */
  isUnsaved?: boolean;
  /**
   * Called with the name of each extended attribute. Returns whether the
   * attribute is restored. Default: all are restored.
   */
  selectsXattr?: XattrSelection;
  /**
   * Called before each change of the disk, with the name of the change. Only
   * tests set this callback.
   */
  onStep?: (step: string) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * The minimum length, in UTF-16 code units, of a path that an operating system
 * might refuse. To flush a file or folder with such a path, or with a path that
 * is not valid UTF-8, the folders above it are opened one after the other.
 */
const MIN_LONG_PATH_LENGTH = 1000;
/**
 * The maximum number of steps in a plan for which each written file and folder
 * is flushed individually. If a plan has more steps and the operating system
 * allows it, the whole file system is flushed, including the data of other
 * programs.
 */
const MAX_SINGLE_FLUSHES = 8;

/**
 * The maximum number of files and folders that are flushed at the same time. If
 * there are more, they are flushed one at a time.
 */
const MAX_FLUSHES_AT_ONCE = 32;
/** The maximum number of large files that are written at the same time. */
const MAX_LARGE_AT_ONCE = 8;
/**
 * The minimum number of small files for which threads are used, because
 * starting threads takes a while.
 */
const MIN_THREADED_FILES = 256;

/**
 * Carries out the steps of a plan. Several large files can be written at the
 * same time. An existing file or link is replaced or deleted only if it is
 * still the one that was saved, or if `isUnsaved` is `true`.
 */
export class PlanApplier {
  /**
   * The writer of the target. The code that created the applier must call the
   * writer's `finish`.
   */
  readonly writer: TreeWriter;
  readonly #onDisk: TargetDirectory;
  readonly #plan: RestorePlan;
  readonly #options: ApplyPlanOptions;
  #steps = new StepFinder([]);
  #safety: Safety | undefined;
  readonly #failed = new Map<string, DeltarError>();
  readonly #heirs = new Heirs();
  /**
   * The errors from setting the mode, time or owner of restored entries, by
   * path.
   */
  readonly #unset = new Map<string, DeltarError>();
  readonly #removed = new Set<string>();
  /**
   * The paths of the folders that this restore created, including the target
   * (`""`) if the target did not exist. `#makeRoom` and the threads assume that
   * no other process creates files in these folders.
   */
  readonly #new = new Set<string>();
  /**
   * Called with the path that an entry has after the plan is carried out.
   * Returns the path that the entry had before the plan was carried out.
   */
  readonly #current: (path: string) => string;
  /**
   * The new paths that this disk might treat as the path of another new entry,
   * each with a key. All paths that might be treated as one path have the same
   * key. See `alikePaths`.
   */
  readonly #alike: ReadonlyMap<string, string>;
  /**
   * The last folder that could not be created. Nothing can be created in it.
   */
  #blocked: string | undefined;
  /**
   * The states of large files whose content was just found to equal the saved
   * content, by path.
   */
  readonly #checked = new Map<string, FileStat>();
  /** The large files that are being written, by path. */
  readonly #writing = new Map<string, Promise<void>>();

  /**
   * Prepares to carry out a plan, and creates the target if it does not exist.
   */
  constructor(
    onDisk: TargetDirectory,
    plan: RestorePlan,
    options: ApplyPlanOptions,
  ) {
    this.#onDisk = onDisk;
    this.#plan = plan;
    this.#options = options;
    const looked = onDisk.at("");
    if (looked === undefined) this.#new.add("");
    this.#current = currentPathsOf(plan.steps);
    const made = plan.steps.filter(({ action }) => action === "create");
    this.#alike = alikePaths(made.map(({ path }) => path));
    this.writer = new TreeWriter(onDisk.root, {
      durable: (path) => isDurable(this.#steps.get(path)),
      flushes: true,
      onReplace: (path) => this.#makeRoom(path),
      onUnset: (path, error) => this.#unset.set(path, error),
      selectsXattr: options.selectsXattr,
      onStep: options.onStep,
    });
    if (
      looked !== undefined && !isSameFile(looked, rootOf(this.writer).stat())
    ) {
      this.writer.close();
      throw new DeltarError(
        "unsafe",
        "the target was replaced by another directory after the plan was made; " +
          "restore again",
        {
          object: onDisk.root,
        },
      );
    }
  }

  /**
   * Requests the frames of the first file, so that `apply` need not wait for
   * them.
   */
  prefetch(): void {
    const first = this.#plan.steps.find(isWritten);
    if (first !== undefined) this.#options.reader.prefetch(first.entry);
  }

  /**
   * Carries out all steps. Deletions come last, except for deletions in a
   * folder that is replaced.
   *
   * @param safety The safety snapshot. If it is `undefined`, existing files are
   * changed only if `isUnsaved` is `true`.
   */
  async apply(safety: Safety | undefined): Promise<void> {
    const { steps } = this.#plan;
    const { reader } = this.#options;
    this.#steps = new StepFinder(steps);
    this.#safety = safety;
    const threads = this.#startThreads();
    const threaded = threads && this.#threadedFiles(threads);
    const ahead = new ReadAhead(
      steps.filter(isWritten),
      (step) =>
        threaded !== undefined && this.#isForThread(step) &&
          this.#becomesNew(parentPath(step.path))
          ? 0
          : reader.prefetch(step.entry),
    );
    try {
      for (const step of steps) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(this.#options.signal);
        if (step.action === "delete") continue;
        if (isWritten(step)) ahead.next();
        if (threaded !== undefined) {
          if (
            this.#isForThread(step) && this.#new.has(parentPath(step.path))
          ) {
            const waiting = this.#begin(threaded, step);
            if (waiting !== undefined) await waiting;
            continue;
          }
          // The first name of a file must exist before a hard link to the file
          // is made.
          const { entry: { kind, target } } = step;
          if (kind === "hardlink" && threaded.has(target)) {
            await threaded.finish();
          }
        }
        if (step.action === "replace" && step.was === "directory") {
          for (const inside of this.#deletedIn(step.path)) {
            await this.#checkLarge(inside);
          }
        }
        if (step.was === "file") await this.#checkLarge(step);
        await this.#do(step);
      }
      await threaded?.finish();
      await Promise.all(this.#writing.values());
      for (const step of steps.toReversed()) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(this.#options.signal);
        if (step.action !== "delete" || this.#removed.has(step.path)) continue;
        await this.#checkLarge(step);
        await this.#try(step, () => this.#remove(step.path));
      }
    } finally {
      await threaded?.abandon();
      threads?.close();
      await Promise.allSettled(this.#writing.values());
    }
  }

  /**
   * Starts threads and returns them. Returns `undefined` if there are too few
   * small files, or if `onStep` is set, because tests must see every step in
   * order.
   */
  #startThreads(): WriterThreads | undefined {
    if (this.#options.onStep !== undefined) return undefined;
    let files = 0;
    for (const step of this.#plan.steps) {
      if (this.#isForThread(step) && ++files >= MIN_THREADED_FILES) {
        return WriterThreads.start();
      }
    }
    return undefined;
  }

  #threadedFiles(threads: WriterThreads): ThreadedFiles {
    return new ThreadedFiles({
      threads,
      writer: this.writer,
      reader: this.#options.reader,
      onDone: (step) => this.#options.onDone(step),
      onFailed: (step) => this.#try(step, () => this.#writeFile(step.entry)),
    });
  }

  /**
   * Returns whether a thread can write the file of a step, provided that this
   * restore creates the file's folder. The file must be new, small, stored as a
   * single whole content, readable by its owner, and without extended
   * attributes. This disk must not treat the file's name as the name of another
   * new entry.
   */
  #isForThread(step: RestoreStep): step is SmallFileStep {
    const { path, action, entry } = step;
    if (action !== "create" || entry.kind !== "file") return false;
    return isSmallWhole(entry) && !isDurable(step) &&
      !hasXattrs(entry.xattrs) && !this.#alike.has(path);
  }

  /**
   * Returns whether this restore creates a folder or has already created it.
   */
  #becomesNew(path: string): boolean {
    if (this.#new.has(path)) return true;
    const step = this.#steps.get(path);
    return step?.action === "create" && step.entry.kind === "directory";
  }

  /**
   * Passes a file to the threads. Returns a promise that resolves when more
   * files can be passed; `undefined` if they can be passed now.
   */
  #begin(
    threaded: ThreadedFiles,
    step: SmallFileStep,
  ): Promise<void> | undefined {
    try {
      return threaded.add(step);
    } catch (error) {
      this.#fail(step, error);
    }
  }

  /**
   * The failures, in path order. The list is complete once the writer's
   * `finish` has been called.
   */
  get failed(): RestoreFailure[] {
    const failed: RestoreFailure[] = [];
    for (const [path, error] of this.#failed) failed.push({ path, error });
    for (const [path, error] of this.#unset) {
      if (this.#failed.has(path)) continue;
      failed.push({ path: path || ".", error, restored: true });
    }
    return failed.sort((a, b) => comparePaths(a.path, b.path));
  }

  /**
   * Flushes all written files and folders to the disk, except for the mode,
   * time and owner of folders.
   *
   * @param all Whether to flush every file and folder of the target. This is
   * necessary if an earlier process might have left data that is not flushed.
   */
  async sync(all: boolean): Promise<void> {
    this.#options.onStep?.("sync");
    this.writer.removePrivateFolders();
    await unlessAborted(this.#sync(all), this.#options.signal);
  }

  async #sync(all: boolean): Promise<void> {
    const isFew = !all && this.#plan.steps.length <= MAX_SINGLE_FLUSHES;
    if (!all && !isFew && await this.writer.syncFileSystems()) return;
    const folders = new Set([""]);
    const files = new Set<string>();
    for (const step of this.#plan.steps) {
      const { path } = step;
      // If a path could not be created, its folder might not exist.
      if (this.#failed.has(path)) continue;
      folders.add(parentPath(path));
      // The folders above the path's folder might also have been created for
      // the path.
      for (let at = parentPath(path); isFew && at !== ""; at = parentPath(at)) {
        folders.add(parentPath(at));
      }
      if (isWritten(step) && !isDurable(step)) files.add(path);
    }
    for (const { path, stat } of all ? this.#onDisk.below("") : []) {
      if (stat.kind === "directory") folders.add(path);
      if (stat.kind === "file") files.add(path);
    }
    const place = (path: string) => this.#onDisk.place(path);
    const isPlain = (path: string) =>
      place(path).length < MIN_LONG_PATH_LENGTH && path.isWellFormed();
    if (!isFew) {
      await syncTree(
        [...folders].filter(isPlain).map(place),
        [...files].filter(isPlain).map(place),
        this.#options.signal,
      );
    }
    const single = [...files, ...folders]
      .filter((path) => isFew || !isPlain(path));
    // Each file or folder is open while it is flushed. To limit the number of
    // open files, a large number of paths is flushed one at a time.
    const atOnce = single.length <= MAX_FLUSHES_AT_ONCE ? single.length : 1;
    await forEachConcurrent(single, atOnce, (path) => this.writer.sync(path));
  }

  async #do(step: CreateStep | ChangeStep): Promise<void> {
    const { path, action, entry } = step;
    const blocked = this.#blocked;
    if (blocked !== undefined && isWithin(path, blocked)) {
      return await this.#try(step, () => {
        const words = `the folder ${blocked} could not be restored`;
        throw new DeltarError("exists", words, { path });
      });
    }
    if (action === "touch") {
      return await this.#try(step, () => {
        const { kind } = entry;
        const seen = canHaveLinks(kind) ? this.#checkSaved(step) : undefined;
        this.#respell(step);
        this.writer.touch(path, entry, seen);
      });
    }
    if (entry.kind === "directory") {
      await this.#try(step, () => {
        if (step.was !== undefined) this.writer.remove(path);
        this.#makeFolder(path, entry);
      });
      if (this.#failed.has(path)) this.#blocked = path;
      return;
    }
    if (entry.kind === "file" && entry.size > MAX_WHOLE_BYTES) {
      if (this.#writing.size >= MAX_LARGE_AT_ONCE) {
        await Promise.race(this.#writing.values());
      }
      const writing = this.#try(step, () => this.#writeFile(entry))
        .finally(() => this.#writing.delete(path));
      // `apply` awaits this write later and handles the error. Until then, this
      // handler keeps the runtime from reporting an unhandled rejection.
      writing.catch(() => {});
      this.#writing.set(path, writing);
      return;
    }
    await this.#try(step, () => this.#writeSmall(entry));
  }

  #makeFolder(path: string, entry: TreeEntry): void {
    try {
      this.writer.directory(path, entry, true);
    } catch (error) {
      const isTaken = error instanceof DeltarError &&
        codeOf(error.cause) === "EEXIST";
      throw isTaken ? this.#taken(path) : error;
    }
    this.#new.add(path);
  }

  /** Changes the spelling of an existing name to that of the step's path. */
  #respell({ path, from }: RestoreStep): void {
    if (from === undefined) return;
    this.writer.respell(from, path);
    this.#onDisk.forget(path);
    this.#onDisk.forget(from);
  }

  /**
   * Returns the error for a new path that already exists, because this disk
   * treats the path as that of another new entry, or because another process
   * created the path.
   */
  #taken(path: string): DeltarError {
    const key = this.#alike.get(path);
    for (const [other, shared] of this.#alike) {
      if (shared === key && other !== path) return sameName(path, other);
    }
    const words =
      "created by another process during the restore; restore again";
    return new DeltarError("exists", words, { path });
  }

  async #writeSmall(
    entry: Exclude<TreeEntry, DirectoryEntry>,
  ): Promise<void> {
    const { path, kind, target } = entry;
    if (kind === "symlink") return this.writer.symlink(path, target, entry);
    if (kind !== "hardlink") return await this.#write(entry);
    await this.#writing.get(target);
    const made = this.#heirs.ofLink(entry);
    if (made.kind !== "hardlink") return await this.#inherit(made);
    const fault = this.#failed.get(made.target);
    if (fault !== undefined) {
      const words = `hard link to ${made.target}, which could not be restored`;
      const { cause } = fault;
      throw new DeltarError(fault.code, words, { path, cause });
    }
    this.writer.hardLink(path, made.target);
  }

  /** Writes a file, named pipe or device. */
  async #write(entry: LinkableEntry): Promise<void> {
    const { path, kind } = entry;
    if (kind === "file") return await this.#writeFile(entry);
    this.writer.special(path, kind, deviceOf(entry), entry);
  }

  /**
   * Writes a file, named pipe or device in place of a hard link to it, because
   * the first name of the entry could not be restored.
   */
  async #inherit(entry: LinkableEntry): Promise<void> {
    try {
      await this.#write(entry);
    } catch (error) {
      if (!isDamage(error)) this.#heirs.lose(entry);
      throw error;
    }
  }

  async #writeFile(entry: TreeFileEntry): Promise<void> {
    const { path, size, sha256, sparse } = entry;
    const { reader, signal } = this.#options;
    const content = await reader.read(entry, { sharesMemory: true, signal });
    await this.writer.file(path, content, entry, { size, sha256, sparse });
  }

  /**
   * Runs a step. Records an error that affects only the step's path, and throws
   * any other error.
   */
  async #try(
    step: RestoreStep,
    work: () => void | Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      return this.#fail(step, error);
    }
    this.#options.onDone(step);
  }

  /**
   * Records an error that affects only the path of a step. Any other error is
   * thrown again.
   */
  #fail(step: RestoreStep, error: unknown): void {
    if (!isOfOnePath(error)) throw error;
    this.#failed.set(step.path, error);
    // Damaged content cannot be restored under another name either, so no hard
    // link takes the place of the file.
    if (step.entry !== undefined && !isDamage(error)) {
      this.#heirs.lose(step.entry);
    }
    this.#options.onDone(step, error);
  }

  /**
   * Prepares the creation, replacement or deletion of a path: checks the
   * existing entry, corrects the spelling of its name, and deletes a folder
   * that is replaced. Throws if the existing entry is not the one that was
   * saved, or if a path that the plan creates already exists.
   */
  #makeRoom(path: string): void {
    const step = this.#steps.get(path);
    if (step === undefined) return;
    if (step.action === "create") {
      const isOurs = this.#new.has(parentPath(path)) && !this.#alike.has(path);
      if (isOurs || this.writer.at(path) === undefined) return;
      throw this.#taken(path);
    }
    if (step.was !== "directory") {
      this.#checkSaved(step);
      if (step.action === "replace") this.#respell(step);
      return;
    }
    if (step.action === "replace" && !this.#removed.has(path)) {
      this.#empty(path);
      this.#respell(step);
      this.writer.remove(path);
    }
  }

  /**
   * Deletes the content of a folder. Throws without deleting anything if a part
   * of the content was not saved.
   */
  #empty(folder: string): void {
    const inside = this.#deletedIn(folder);
    const names = new Map<string, number>([[folder, 0]]);
    for (const step of inside) {
      const above = parentPath(step.path);
      names.set(above, (names.get(above) ?? 0) + 1);
      if (step.was === "directory") {
        if (!names.has(step.path)) names.set(step.path, 0);
      } else this.#checkSaved(step);
    }
    for (const [path, count] of names) {
      if (this.#onDisk.names(path).length !== count) throw changed(path);
    }
    for (const path of names.keys()) {
      if (!this.#onDisk.clearAbandoned(path)) throw changed(path);
    }
    this.#removed.add(folder);
    for (const step of inside.reverse()) {
      this.#remove(step.path);
      this.#options.onDone(step);
    }
  }

  /** Returns the steps that delete the content of a folder. */
  #deletedIn(folder: string): RestoreStep[] {
    return this.#plan.steps.filter(({ path, action }) =>
      action === "delete" && path !== folder && isWithin(path, folder)
    );
  }

  #remove(path: string): void {
    this.writer.remove(path);
    this.#removed.add(path);
  }

  /**
   * Returns the current state of the entry that a step changes. Throws if the
   * entry is no longer the one that was saved. If `isUnsaved` is `true`, any
   * entry of the kind that the plan found is accepted.
   */
  #checkSaved(step: RestoreStep): FileStat {
    const { path } = step;
    const current = this.#current(path);
    const safety = this.#safety;
    const before = safety?.seen.get(current);
    const now = this.#onDisk.at(path);
    if (this.#options.isUnsaved && now !== undefined && now.kind === step.was) {
      return now;
    }
    if (safety === undefined || before === undefined || now === undefined) {
      throw changed(path);
    }
    if (!isSameState(before, now)) throw changed(path);
    if (now.kind !== "file") return now;
    if (isKnown(before, now, safety)) return now;
    const checked = this.#checked.get(path);
    if (checked && isSameState(checked, now) && checked.ctime === now.ctime) {
      return now;
    }
    const saved = safety.contents.get(current);
    if (saved === undefined) throw changed(path);
    if (!atOnce(this.#onDisk.hasContent(path, saved))) throw changed(path);
    return now;
  }

  /**
   * Compares a large file with its saved content, so that `#checkSaved`, which
   * is synchronous, need not read the file. A file that was changed very
   * recently is not compared here, because another change might not give the
   * file a different `ctime`. `#checkSaved` reads such a file itself.
   */
  async #checkLarge({ path, was }: RestoreStep): Promise<void> {
    const safety = this.#safety;
    if (was !== "file" || safety === undefined) return;
    const current = this.#current(path);
    const before = safety.seen.get(current);
    if (before === undefined || before.size <= MAX_WHOLE_BYTES) return;
    const { signal } = this.#options;
    try {
      const now = this.#onDisk.at(path);
      if (now === undefined || isKnown(before, now, safety)) return;
      if (!isOld(now, Date.now())) return;
      const saved = safety.contents.get(current);
      if (saved === undefined) return;
      const isSaved = this.#onDisk.hasContent(path, saved);
      if (await inTurns(isSaved, signal)) this.#checked.set(path, now);
    } catch {
      // Unless the work was aborted, the error is ignored here, because
      // `#checkSaved` reads the file again and throws the error.
      checkAborted(signal);
    }
  }
}

/**
 * Returns whether two states of an entry have the same kind, inode, device,
 * size and modification time.
 */
function isSameState(before: FileStat, now: FileStat): boolean {
  return before.kind === now.kind && before.inode === now.inode &&
    before.device === now.device && before.size === now.size &&
    before.mtime === now.mtime;
}

/**
 * Returns whether it is certain that a file has not changed since it was saved.
 */
function isKnown(before: FileStat, now: FileStat, { time }: Safety): boolean {
  // The `ctime` of a file with several names is not used, because deleting one
  // of the names changes the `ctime`.
  return before.ctime === now.ctime && before.links === 1 && isOld(now, time);
}

/**
 * Returns whether a file was last changed so long before a time that any change
 * after that time gives the file a different `ctime`.
 *
 * @param time The time in milliseconds since 1970.
 */
function isOld({ ctime }: FileStat, time: number): boolean {
  return ctime < BigInt(time) * 1_000_000n - RACY_NANOSECONDS;
}

function changed(path: string): DeltarError {
  return new DeltarError(
    "changed",
    "not overwritten or deleted, because the existing entry changed after " +
      "the plan was made; restore again",
    { path },
  );
}

/**
 * Returns whether a file is flushed before it gets its name. The result is
 * `true` for files that replace an existing entry. It is also `true` for files
 * whose mode does not allow their owner to read them, because the process might
 * be unable to open such a file later to flush it. All other files are flushed
 * after the last step. If the system crashes before this flush, repeating the
 * restore writes the lost files again.
 */
function isDurable(step: RestoreStep | undefined): boolean {
  return step?.action === "replace" || !((step?.entry?.mode ?? 0o400) & 0o400);
}

function isWritten(
  step: RestoreStep,
): step is RestoreStep & { entry: TreeFileEntry } {
  return step.entry?.kind === "file" && step.action !== "touch";
}

/**
 * The number of frames to request in advance, so that they arrive while other
 * files are written. When this number is reached, the frames of further files
 * are not requested yet. The number is less than the number of frames that the
 * reader caches.
 */
const MAX_FRAMES_AHEAD = 14;

/** Requests the frames of files before the files are restored. */
class ReadAhead<Step> {
  readonly #steps: readonly Step[];
  readonly #request: (step: Step) => number;
  /**
   * The number of frames requested for each step and all steps before it, by
   * the position of the step.
   */
  readonly #asked: number[] = [];
  #turn = 0;

  /**
   * Prepares to read ahead.
   *
   * @param steps The steps that write files, in the order in which they are
   * carried out.
   * @param request Called with each step. Requests the frames of the step, and
   * returns the number of frames that it had not requested before.
   */
  constructor(steps: readonly Step[], request: (step: Step) => number) {
    this.#steps = steps;
    this.#request = request;
  }

  /**
   * Requests the frames of the next files. Called before each file is restored.
   */
  next(): void {
    const done = this.#asked[this.#turn++] ?? 0;
    for (let at = this.#asked.length; at < this.#steps.length; at++) {
      const before = this.#asked[at - 1] ?? 0;
      if (before - done >= MAX_FRAMES_AHEAD) return;
      this.#asked.push(before + this.#request(this.#steps[at]));
    }
  }
}
