import * as vscode from "vscode";
import { type CallOptions, type Engine, EngineError } from "./engine.ts";
import { explain } from "./explain.ts";
import type { Keys } from "./keys.ts";
import type {
  LeftOut,
  Place,
  SnapshotInfo,
  SnapshotReport,
} from "./protocol.ts";
import { placeOf } from "./settings.ts";

/** The protection of a folder. */
export type Protection = "protected" | "partial" | "off";

/** The parts that a guard works with. */
export interface GuardParts {
  /** Where the extension keeps what it keeps. */
  storage: vscode.Uri;
  /** The keys of S3. */
  keys: Keys;
  /** The engine that takes snapshots and restores. */
  writer: Engine;
  /** The engine that reads, which is free while the other works. */
  reader: Engine;
}

/** A workspace folder, with what is known of it and the work on it. */
export class Guard implements vscode.Disposable {
  /** The folder. */
  readonly folder: vscode.WorkspaceFolder;
  /** The paths that the last snapshot could not store. */
  faults: readonly LeftOut[] = [];
  /** Why the last snapshot failed, if it did. */
  failure: string | undefined;
  /** Whether a snapshot or a restore is under way. */
  isBusy = false;
  /**
   * Whether the last snapshot holds no file although the folder is not empty.
   */
  isHollow = false;
  /** Fires when any of this or the list of snapshots is another. */
  readonly onDidChange: vscode.Event<void>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #storage: vscode.Uri;
  readonly #keys: Keys;
  readonly #engine: Engine;
  readonly #reader: Engine;
  #snapshots: Promise<SnapshotInfo[]> | undefined;
  #known: readonly SnapshotInfo[] = [];
  /** The number of files that differ between two compared snapshots. */
  readonly #counted = new Map<string, number>();
  #unseen: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** The number of times that the location of its snapshots changed. */
  #moves = 0;

  constructor(
    folder: vscode.WorkspaceFolder,
    { storage, keys, writer, reader }: GuardParts,
  ) {
    this.folder = folder;
    this.#storage = storage;
    this.#keys = keys;
    this.#engine = writer;
    this.#reader = reader;
    this.onDidChange = this.#changed.event;
  }

  /** Where its snapshots are, and what they leave out. */
  get place(): Place {
    return placeOf(this.folder, this.#storage, this.#keys);
  }

  /** The last snapshot, as far as has been asked. */
  get last(): SnapshotInfo | undefined {
    return this.#known[0];
  }

  /** Why the snapshots could not be listed, if that failed last. */
  get unseen(): string | undefined {
    return this.#unseen;
  }

  /** Its protection, as far as this folder alone can tell. */
  get protection(): Protection {
    if (this.failure !== undefined) return "off";
    if (this.last === undefined) return "off";
    return this.faults.length > 0 || this.last.counts.faults > 0 ||
        this.isHollow
      ? "partial"
      : "protected";
  }

  /** All snapshots, the newest first. */
  snapshots(): Promise<SnapshotInfo[]> {
    return this.#snapshots ??= this.#list();
  }

  /** The snapshot that one is compared with, in the list as it is now. */
  async before({ id }: { id: string }): Promise<string | undefined> {
    const snapshots = await this.snapshots();
    const same = snapshots.find((one) => one.id === id);
    return same ? same.before : snapshots.find((one) => one.id < id)?.id;
  }

  /** Remembers how many files differ between a snapshot and that before it. */
  counted({ id, before, since }: SnapshotInfo, changed: number): void {
    const key = `${id} ${before}`;
    if (since === undefined || this.#counted.get(key) === changed) return;
    this.#counted.set(key, changed);
    this.refresh();
  }

  /** Asks again for the snapshots when somebody wants them. */
  refresh(): void {
    this.#snapshots = undefined;
    this.#changed.fire();
  }

  /** Forgets what it knew: its snapshots are kept elsewhere now. */
  async move(): Promise<void> {
    this.#moves++;
    this.#snapshots = undefined;
    this.#known = [];
    this.failure = this.#unseen = undefined;
    this.faults = [];
    this.isHollow = false;
    await this.snapshots().catch(() => {});
    this.#changed.fire();
  }

  /** Takes a snapshot, after whatever is under way. */
  snapshot(
    label: string | undefined,
    { measure = false, ...options }: CallOptions & { measure?: boolean } = {},
  ): Promise<SnapshotReport> {
    return this.exclusive(async () => {
      try {
        const report = await this.#engine.call("snapshot", {
          place: this.place,
          ...(label !== undefined && { label }),
          measure,
        }, options);
        this.failure = undefined;
        this.faults = report.skipped.filter(({ isFault }) => isFault);
        this.isHollow = report.snapshot.counts.files === 0 &&
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

  /** Does work on the folder, one after the other, and then looks again. */
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

  /** The engine that reads, which is free while the other writes. */
  get reader(): Engine {
    return this.#reader;
  }

  /** The engine that writes. */
  get writer(): Engine {
    return this.#engine;
  }

  dispose(): void {
    this.#changed.dispose();
  }

  async #list(): Promise<SnapshotInfo[]> {
    const place = this.place;
    const moves = this.#moves;
    try {
      const listed = await this.#reader.call("list", { place });
      const snapshots = listed.map((info) => {
        const changed = this.#counted.get(`${info.id} ${info.before}`);
        return changed === undefined ? info : { ...info, changed };
      });
      if (moves !== this.#moves) return await this.snapshots();
      if (snapshots[0]?.id !== this.last?.id && snapshots[0] !== undefined) {
        const { id } = snapshots[0];
        if (snapshots[0].counts.faults > 0) {
          const skipped = await this.#reader.call("skipped", { place, id });
          this.faults = skipped.filter(({ isFault }) => isFault);
        } else this.faults = [];
      }
      this.#known = snapshots;
      // What failed was only the looking, and that works again.
      if (this.failure === this.#unseen) this.failure = undefined;
      this.#unseen = undefined;
      return snapshots;
    } catch (error) {
      if (moves !== this.#moves) return await this.snapshots();
      this.#snapshots = undefined;
      this.#unseen = explain(error);
      this.failure ??= this.#unseen;
      throw error;
    }
  }
}
