import * as vscode from "vscode";
import type {
  ChangeSummary,
  FolderConfig,
  SkippedPath,
  SnapshotInfo,
  SnapshotReport,
} from "../../shared/protocol.ts";
import { type Caller, type CallOptions, EngineError } from "../engine.ts";
import { explain } from "../ui/explain.ts";
import type { ChangeSummaries, Comparison } from "./change_summaries.ts";
import {
  folderConfig,
  type LocationSettings,
  type OwnFolders,
} from "./folder_config.ts";
import type { KeyStore } from "./key_store.ts";
import { KeyedEngine } from "./keyed_engine.ts";
import { Originals } from "./originals.ts";
import { RepositoryIdentities } from "./repository_identities.ts";
import type { S3Credentials } from "./s3_credentials.ts";
import { pathIn } from "./version_uri.ts";

/**
 * The protection of a folder:
 *
 * - `failed`: the last attempt to take or list snapshots failed;
 * - `waiting`: the folder has no snapshot yet;
 * - `partial`: the last snapshot lacks some paths, did not store some paths as
 *   they were, or has no files;
 * - `protected`: the last snapshot is complete.
 */
export type Protection = "protected" | "partial" | "waiting" | "failed";

/** Options for taking a snapshot. */
export interface SnapshotOptions extends CallOptions {
  /**
   * Whether the progress includes the total number of entries. Default:
   * `false`.
   */
  measure?: boolean;
  /**
   * Whether no snapshot is taken if only the times of folders have changed, for
   * example because another program created an excluded file in a folder.
   * Default: `false`.
   */
  ignoresFolderTimes?: boolean;
}

/** The parts of the extension that a folder uses. */
export interface FolderParts {
  /** The folders of the extension's own files. */
  own: OwnFolders;
  /** The credentials of repositories on S3. */
  credentials: S3Credentials;
  /** The user's keys of encrypted repositories. */
  keys: KeyStore;
  /** The summaries of the changes between snapshots. */
  summaries: ChangeSummaries;
  /** The engine that takes snapshots and restores files. */
  writer: Caller;
  /** The engine that reads and prunes repositories, even during a snapshot. */
  reader: Caller;
}

/**
 * A workspace folder, with its list of snapshots and the state of its
 * protection. Runs snapshots, restores, undo and redo one after the other.
 */
export class ProtectedFolder implements vscode.Disposable {
  /** The workspace folder, as VS Code represents it. */
  readonly workspaceFolder: vscode.WorkspaceFolder;
  /** The engine that takes snapshots and restores files. */
  readonly writer: Caller;
  /** The engine that reads and prunes repositories, even during a snapshot. */
  readonly reader: Caller;
  /** The user's keys of encrypted repositories. */
  readonly keys: KeyStore;
  /** The summaries of the changes between snapshots. */
  readonly summaries: ChangeSummaries;
  /** The paths that the last snapshot could not store as they were. */
  faults: readonly SkippedPath[] = [];
  /**
   * The reason why the last attempt to take or list snapshots failed, if it
   * failed.
   */
  failure: string | undefined;
  /** Whether a snapshot, restore, undo or redo is running. */
  isBusy = false;
  /**
   * Whether the last snapshot has no files, because all files were excluded or
   * skipped.
   */
  hasNoFiles = false;
  /**
   * The promise that automatic snapshots wait for while the extension searches
   * for an old history of this folder and asks the user about that history. The
   * promise resolves after the answer, or after five minutes without an answer.
   * `undefined` if there is no such search or question.
   */
  question: Promise<void> | undefined;
  /** Fires when the state or the list of snapshots changes. */
  readonly onDidChange: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #own: OwnFolders;
  readonly #credentials: S3Credentials;
  #snapshots: Promise<SnapshotInfo[]> | undefined;
  #known: readonly SnapshotInfo[] = [];
  #safety: readonly SnapshotInfo[] = [];
  #listError: string | undefined;
  #isLocked = false;
  #isListed = false;
  #isAsked = false;
  readonly #originals = new Originals();
  /**
   * Whether the copies that `keepOriginal` has made must be stored although the
   * folder has snapshots. This is the case if the copies were made before the
   * folder took over an old history.
   */
  #mustStoreOriginals = false;
  #queue: Promise<unknown> = Promise.resolve();
  /**
   * The number of calls to `move`. If the number changes while the snapshots
   * are being listed, the list is outdated and is read again.
   */
  #moves = 0;

  constructor(
    workspaceFolder: vscode.WorkspaceFolder,
    { own, credentials, keys, summaries, writer, reader }: FolderParts,
  ) {
    this.workspaceFolder = workspaceFolder;
    this.keys = keys;
    this.summaries = summaries;
    const identities = new RepositoryIdentities();
    this.writer = new KeyedEngine(writer, keys, identities);
    this.reader = new KeyedEngine(reader, keys, identities);
    this.#own = own;
    this.#credentials = credentials;
    this.onDidChange = this.#changed.event;
  }

  /** The name of the folder, as VS Code shows it. */
  get name(): string {
    return this.workspaceFolder.name;
  }

  /** The URI of the folder. */
  get uri(): vscode.Uri {
    return this.workspaceFolder.uri;
  }

  /** The configuration from the current settings. */
  get config(): FolderConfig {
    const config = this.configAt();
    const paths = new Set(this.#known.map(({ directory }) => directory));
    paths.delete(config.directory);
    return { ...config, former: [...paths] };
  }

  /**
   * Returns the configuration for a location of the repository.
   *
   * @param place The location. Default: the location in the settings.
   */
  configAt(place?: LocationSettings): FolderConfig {
    return folderConfig(
      this.workspaceFolder,
      this.#own,
      this.#credentials,
      place,
    );
  }

  /** The newest snapshot in the current list, except safety snapshots. */
  get last(): SnapshotInfo | undefined {
    return this.#known[0];
  }

  /** The reason why listing the snapshots failed, if it failed. */
  get listError(): string | undefined {
    return this.#listError;
  }

  /**
   * Whether the snapshots could not be listed because the repository is
   * encrypted and the user's key is missing or wrong.
   */
  get isLocked(): boolean {
    return this.#isLocked;
  }

  /**
   * Whether the folder has snapshots. `undefined` until the snapshots have been
   * listed.
   */
  get hasSnapshots(): boolean | undefined {
    return this.#isListed ? this.last !== undefined : undefined;
  }

  /** Whether the user is being asked about an old history of this folder. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  set isAsked(isAsked: boolean) {
    this.#isAsked = isAsked;
    this.#changed.fire();
  }

  /** The protection of the folder. */
  get protection(): Protection {
    if (this.failure !== undefined) return "failed";
    if (this.last === undefined) return "waiting";
    return this.faults.length > 0 || this.last.counts.faults > 0 ||
        this.hasNoFiles
      ? "partial"
      : "protected";
  }

  /** The current list of snapshots without safety snapshots, newest first. */
  get listed(): readonly SnapshotInfo[] {
    return this.#known;
  }

  /** The safety snapshots in the current list, the newest first. */
  get safetySnapshots(): readonly SnapshotInfo[] {
    return this.#safety;
  }

  /**
   * Waits until there is no `question` that automatic snapshots have to wait
   * for. Another question can follow the current one.
   */
  async untilAnswered(): Promise<void> {
    while (this.question !== undefined) await this.question;
  }

  /** Returns all snapshots except safety snapshots, the newest first. */
  snapshots(): Promise<SnapshotInfo[]> {
    return this.#snapshots ??= this.#list();
  }

  /**
   * Returns the id of the previous snapshot: for a snapshot in the list, its
   * `before`; for any other snapshot, the next older one in the list. Returns
   * `undefined` if there is no previous snapshot.
   */
  async before({ id }: { id: string }): Promise<string | undefined> {
    const snapshots = await this.snapshots();
    const same = snapshots.find((one) => one.id === id);
    return same ? same.before : snapshots.find((one) => one.id < id)?.id;
  }

  /** Returns the comparison of a snapshot with the snapshot before it. */
  comparisonOf({ id, before }: SnapshotInfo): Comparison {
    return { folder: this, before, after: id, within: "" };
  }

  /** Returns the summary of a snapshot's changes, if the summary is known. */
  summaryOf(info: SnapshotInfo): ChangeSummary | undefined {
    return this.summaries.of(this.comparisonOf(info));
  }

  /** Reads the list of snapshots again. */
  async refresh(): Promise<void> {
    this.#snapshots = undefined;
    await this.snapshots().catch(() => {});
    this.#changed.fire();
  }

  /**
   * Drops the list of snapshots, and reads the list from the repository that
   * the current configuration names. Called after the location, the credentials
   * or the key of the repository have changed.
   */
  async move(): Promise<void> {
    this.#moves++;
    this.#snapshots = undefined;
    this.#known = [];
    this.#safety = [];
    this.#isListed = false;
    this.failure = this.#listError = undefined;
    this.faults = [];
    this.hasNoFiles = false;
    await this.snapshots().catch(() => {});
    this.#changed.fire();
  }

  /**
   * Takes a snapshot, after all earlier calls to `exclusive` have finished.
   */
  snapshot(
    label: string | undefined,
    options: SnapshotOptions = {},
  ): Promise<SnapshotReport> {
    return this.exclusive(async () => {
      try {
        const report = await this.#take(label, options);
        this.failure = undefined;
        this.faults = report.skipped.filter(({ isFault }) => isFault);
        this.hasNoFiles = report.snapshot.counts.files === 0 &&
          report.skipped.length > 0;
        return report;
      } catch (error) {
        const isCancelled = error instanceof EngineError &&
          error.code === "aborted";
        if (!isCancelled) this.failure = explain(error);
        throw error;
      }
    });
  }

  /**
   * Keeps a copy of a file for the first snapshot, unless the folder has
   * snapshots.
   *
   * @returns Whether the current content of the file can be restored, now or
   * after the first snapshot.
   */
  async keepOriginal(uri: vscode.Uri): Promise<boolean> {
    if (this.hasSnapshots) return true;
    const { originals } = this.config;
    const path = pathIn(this, uri);
    return await this.#originals.keep(originals, uri.fsPath, path);
  }

  /**
   * Takes a snapshot of the copies that `keepOriginal` has made, if there are
   * any. Called after the folder has taken over an old history.
   */
  async storeOriginals(): Promise<void> {
    this.#mustStoreOriginals = true;
    await this.refresh();
    await this.exclusive(() => this.#storeOriginals(this.config));
  }

  /**
   * Runs a function after all earlier calls to `exclusive` have finished, and
   * then reads the list of snapshots again.
   */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = async () => {
      this.isBusy = true;
      this.#changed.fire();
      try {
        return await work();
      } finally {
        this.isBusy = false;
        this.#snapshots = undefined;
        await this.snapshots().catch(() => {});
        this.#changed.fire();
      }
    };
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => {});
    return result;
  }

  dispose(): void {
    this.#changed.dispose();
  }

  /**
   * Takes a snapshot. If the folder has no snapshots and `keepOriginal` has
   * made copies of files, takes two snapshots. The first one stores these
   * copies in place of the changed files. The second one stores the current
   * files.
   */
  async #take(
    label: string | undefined,
    { measure = false, ignoresFolderTimes = false, ...options }:
      SnapshotOptions,
  ): Promise<SnapshotReport> {
    const { config } = this;
    const take = (isFirst: boolean, label: string | undefined) =>
      this.writer.call("snapshot", {
        config,
        ...(label !== undefined && { label }),
        measure,
        isFirst,
        ignoresFolderTimes,
        ...this.#continues(config),
      }, options);
    const known = await this.snapshots().catch(() => undefined);
    if (known?.length !== 0) {
      if (known) await this.#storeOriginals(config);
      return await take(false, label);
    }
    const hasOriginals = await this.#originals.exist(config.originals);
    const first = await take(true, hasOriginals ? undefined : label);
    // From now on, `keepOriginal` makes no copies, because the folder has a
    // snapshot.
    this.#known = [first.snapshot];
    const needsSecond = hasOriginals ||
      await this.#originals.exist(config.originals);
    if (!needsSecond) return first;
    await this.#originals.delete(config.originals);
    const second = await take(false, hasOriginals ? label : undefined);
    return second.isNew ? second : first;
  }

  /**
   * Deletes the copies of files of a folder that has snapshots. If the copies
   * were made before the folder took over an old history, first stores them in
   * a snapshot. Copies that a crash after the first snapshot has left behind
   * are not stored.
   */
  async #storeOriginals(config: FolderConfig): Promise<void> {
    const mustStore = this.#mustStoreOriginals || this.question !== undefined;
    if (mustStore && await this.#originals.exist(config.originals)) {
      await this.writer.call("snapshot", {
        config,
        measure: false,
        isFirst: true,
        ignoresFolderTimes: false,
        ...this.#continues(config),
      });
    }
    await this.#originals.delete(config.originals);
    this.#mustStoreOriginals = false;
  }

  /**
   * Returns the parameter `continues` of a snapshot: the former path of the
   * folder, if the last snapshot was taken at that path.
   */
  #continues({ directory }: FolderConfig): { continues?: string } {
    const last = this.last?.directory;
    return last === undefined || last === directory ? {} : { continues: last };
  }

  async #list(): Promise<SnapshotInfo[]> {
    const config = this.config;
    const moves = this.#moves;
    try {
      const listed = await this.reader.call("list", { config });
      const snapshots = listed.filter(({ isSafety }) => !isSafety);
      if (moves !== this.#moves) return await this.snapshots();
      if (snapshots[0]?.id !== this.last?.id && snapshots[0] !== undefined) {
        const { id } = snapshots[0];
        if (snapshots[0].counts.faults > 0) {
          const skipped = await this.reader.call("skipped", { config, id });
          this.faults = skipped.filter(({ isFault }) => isFault);
        } else this.faults = [];
      }
      // Files are copied before it is known whether the folder has snapshots.
      // If it has some, the copies are not needed, except during a first
      // snapshot or if the folder is about to take over an old history.
      const hasNeedlessCopies = this.last === undefined &&
        snapshots.length > 0 && this.question === undefined &&
        !this.#mustStoreOriginals;
      if (hasNeedlessCopies && !this.isBusy) {
        void this.#originals.delete(config.originals).catch(() => {});
      }
      this.#known = snapshots;
      this.#safety = listed.filter(({ isSafety }) => isSafety);
      this.#isListed = true;
      // Listing works again. A failure with the same text as the last listing
      // error is therefore resolved, even if `snapshot` has set that failure.
      if (this.failure === this.#listError) this.failure = undefined;
      this.#listError = undefined;
      this.#isLocked = false;
      return snapshots;
    } catch (error) {
      if (moves !== this.#moves) return await this.snapshots();
      this.#snapshots = undefined;
      this.#listError = explain(error);
      this.#isLocked = error instanceof EngineError && error.code === "key";
      this.failure ??= this.#listError;
      throw error;
    }
  }
}
