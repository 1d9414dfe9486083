import { RACY_NANOSECONDS } from "../../tree/racy.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { Skipped } from "../../tree/entry.ts";
import { removeFile, writeFileAtomic } from "../../tree/file.ts";
import { FileRange } from "../../tree/file_range.ts";
import type { EntryList } from "../../tree/entry_list.ts";
import type { StoredEntries } from "../../tree/entry_rows.ts";
import { KnownEntries } from "../../tree/known_entries.ts";
import {
  type CompareOptions,
  findUnchangedFolders,
} from "../../tree/unchanged_folders.ts";
import type { Line } from "../../bytes/listing.ts";
import { decodeSkipped, encodeSkipped } from "../../tree/skipped_line.ts";
import {
  encodeStateFile,
  invalidState,
  readStateFile,
  type StateFile,
  withSum,
} from "../../tree/state_file.ts";
import { StateWriter } from "../../tree/state_writer.ts";
import { TreeState } from "../../tree/tree_state.ts";
import type { WalkStates } from "../../tree/walk_tree.ts";
import type { Walker } from "../../tree/walker.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { SealedFiles } from "../store/sealed_files.ts";
import type { Store } from "../store/store.ts";

const FORMAT = "deltar-state";
/**
 * The version of the format. Versions 1 and 2 had no creation times. Version 1
 * listed named pipes and devices as skipped.
 */
const VERSION = 3;
/**
 * The number of bytes that each entry adds to the maximum size of a remembered
 * state. Without entries, the maximum size is `MIN_STATE_BYTES`, because the
 * state also contains the names of excluded paths.
 */
const MAX_BYTES_PER_ENTRY = 2048;
const MIN_STATE_BYTES = 2 ** 26;

/** The fields of the first line of a remembered state. */
interface Head extends Line {
  format: unknown;
  version: unknown;
  snapshot: string;
  skipped: Line[];
  odd: StoredEntries["odd"];
}

/**
 * The remembered state of a directory, and the id of the snapshot to which the
 * state belongs.
 */
interface Memory {
  snapshot: string;
  skipped: Skipped[];
  /** Whether the extended attributes of all entries were read. */
  hasXattrs: boolean;
  state: TreeState;
  blocks: Uint8Array | FileRange;
  stored: StoredEntries;
}

/**
 * The state of a directory that a machine remembers between snapshots. It
 * contains the state of each file. With this state, the next snapshot reads
 * only files that have changed. If nothing has changed, it does not read the
 * tree of the last snapshot. If the state is lost or damaged, the next snapshot
 * reads all files.
 */
export class StateCache implements Disposable {
  readonly #file: string | undefined;
  readonly #sealed: SealedFiles | undefined;
  readonly #walker: Walker;
  readonly #newest: bigint;
  readonly #writer = new StateWriter();
  #memory: Memory | undefined;
  #known: KnownEntries | undefined;
  #unchanged: ReadonlySet<number> | undefined;

  private constructor(
    file: string | undefined,
    sealed: SealedFiles | undefined,
    walker: Walker,
    now: number,
  ) {
    this.#file = file;
    this.#sealed = sealed;
    this.#walker = walker;
    this.#newest = BigInt(now) * 1_000_000n - RACY_NANOSECONDS;
  }

  /**
   * Reads the state of a directory that this machine remembers from the last
   * snapshot.
   *
   * @param folder The path of the folder with the remembered states;
   * `undefined` to remember nothing.
   * @param store The repository. If it is encrypted, the state is encrypted,
   * too.
   * @param directory The name of the directory in the repository, and the
   * directory on this machine.
   * @param options `before` is the last snapshot; if it is `undefined`, nothing
   * is read. `now` is the current time in milliseconds since 1970. With
   * `isReadOnly`, `write` and `drop` do nothing. `minPaged` is the minimum size
   * in bytes of a state that is not read into memory.
   */
  static async read(
    folder: string | undefined,
    store: Store,
    { name, walker }: { name: string; walker: Walker },
    { before, now, isReadOnly = false, minPaged }: {
      before: Pick<SnapshotRecord, "id" | "counts"> | undefined;
      now: number;
      isReadOnly?: boolean;
      minPaged?: number;
    },
  ): Promise<StateCache> {
    const sealed = await store.sealedFiles();
    const key = sealed?.nameFor(name) ??
      toHex(sha256(new TextEncoder().encode(name)));
    const file = folder && `${folder}/${store.id}-${key.slice(0, 16)}.state`;
    const written = isReadOnly ? undefined : file;
    const cache = new StateCache(written, sealed, walker, now);
    if (file === undefined || before === undefined) return cache;
    const { files, directories, links } = before.counts;
    const most = MIN_STATE_BYTES +
      MAX_BYTES_PER_ENTRY * (files + directories + links);
    let read: StateFile | undefined;
    try {
      const decrypt = sealed?.open.bind(sealed);
      read = await readStateFile(file, { decrypt, most, minPaged });
      const memory = decode(read, file);
      if (memory.snapshot === before.id) cache.#memory = memory;
    } catch {
      // A missing or damaged state is ignored.
    }
    if (cache.#memory === undefined) close(read);
    return cache;
  }

  /**
   * The states with which a walk compares the directory, and the writer of the
   * new states.
   */
  get states(): WalkStates & { writer: StateWriter } {
    return {
      known: this.#memory?.state,
      // Without their extended attributes, the remembered entries are
      // incomplete, so the walk cannot copy them.
      entries: this.#hasXattrs ? this.#known : undefined,
      unchanged: this.#unchanged,
      writer: this.#writer,
      newest: this.#newest,
    };
  }

  /**
   * Whether the file of the remembered state could not be read, or was
   * overwritten.
   */
  get isBroken(): boolean {
    const blocks = this.#memory?.blocks;
    return blocks instanceof FileRange && blocks.isBroken;
  }

  /**
   * The paths that the last snapshot skipped or excluded, with the reasons.
   * Empty if no state is remembered.
   */
  get skipped(): readonly Skipped[] {
    return this.#memory?.skipped ?? [];
  }

  /**
   * Returns the remembered entries of the last snapshot; `undefined` if no
   * state is remembered or the entries are damaged.
   */
  entries(): KnownEntries | undefined {
    const memory = this.#memory;
    if (memory === undefined) return undefined;
    try {
      this.#known ??= KnownEntries.decode(memory.stored, memory.state);
    } catch {
      this.#forget();
    }
    return this.#known;
  }

  /**
   * Compares the directory with its remembered state in one walk. Returns the
   * paths that the last snapshot skipped or excluded if the directory has not
   * changed since then. Returns `undefined` if the directory has changed, or if
   * the remembered state is missing, damaged or without extended attributes
   * that the walk reads.
   */
  async skippedIfUnchanged(
    options: CompareOptions,
  ): Promise<readonly Skipped[] | undefined> {
    const memory = this.#memory;
    if (memory === undefined || !this.#hasXattrs) return undefined;
    try {
      const { isAll, blocks } = await findUnchangedFolders(
        this.#walker,
        memory.state,
        options,
      );
      this.#unchanged = blocks;
      return isAll ? memory.skipped : undefined;
    } catch (error) {
      if (!this.isBroken) throw error;
      await this.drop();
      this.#forget();
      return undefined;
    }
  }

  /**
   * Whether the extended attributes are remembered. Also `true` if the walk
   * does not read any.
   */
  get #hasXattrs(): boolean {
    return !this.#walker.readsXattrs || this.#memory?.hasXattrs === true;
  }

  /**
   * Deletes the remembered state of the directory. If another process has
   * replaced the file since it was opened, the new file is kept. Errors are
   * ignored, because a damaged state is detected whenever it is read.
   */
  async drop(): Promise<void> {
    if (this.#file === undefined) return;
    const blocks = this.#memory?.blocks;
    if (blocks instanceof FileRange && !blocks.isAt(this.#file)) return;
    await removeFile(this.#file).catch(() => {});
  }

  /** Closes the file of the remembered state. */
  [Symbol.dispose](): void {
    close(this.#memory);
  }

  /** Closes the file of the remembered state, and continues without it. */
  #forget(): void {
    close(this.#memory);
    this.#memory = undefined;
  }

  /**
   * Stores the state that the walk found, as the state of a snapshot. First
   * closes the file of the remembered state, which the new file replaces.
   * Errors are ignored, because they do not affect the snapshot.
   *
   * @param snapshot The id of the snapshot.
   * @param entries The entries that the walk found.
   * @param skipped The paths that the snapshot skipped or excluded.
   */
  async write(
    snapshot: string,
    entries: EntryList,
    skipped: readonly Skipped[],
  ): Promise<void> {
    if (this.#file === undefined) return;
    this.#forget();
    try {
      const blocks = this.#writer.finish();
      const parts = encodeState(
        snapshot,
        entries,
        skipped,
        blocks,
        this.#walker.readsXattrs,
      );
      const sealed = this.#sealed?.seal(parts) ?? withSum(parts);
      await writeFileAtomic(this.#file, sealed, {
        inNewFolder: true,
        isPrivate: true,
        mayBeLost: true,
      });
    } catch {
      // Without the state, the next snapshot reads the files again.
    }
  }
}

/**
 * Yields the bytes of a remembered state. See `encodeStateFile`.
 *
 * @param snapshot The id of the snapshot.
 * @param entries The entries of the snapshot.
 * @param skipped The paths that the snapshot skipped or excluded.
 * @param blocks The result of `StateWriter.finish`: the states of all folders.
 * @param hasXattrs Whether the extended attributes of all entries were read.
 * @returns The bytes, in parts. Each part is valid until the next one is
 * requested.
 */
export function encodeState(
  snapshot: string,
  entries: EntryList,
  skipped: readonly Skipped[],
  blocks: Uint8Array,
  hasXattrs = false,
): Generator<Uint8Array> {
  const { bytes, odd } = entries.encode();
  const head = {
    format: FORMAT,
    version: VERSION,
    snapshot,
    skipped: skipped.map(encodeSkipped),
    xattrs: hasXattrs,
    odd,
  };
  return encodeStateFile(head, blocks, bytes);
}

function close(state: Pick<StateFile, "blocks"> | undefined): void {
  if (state?.blocks instanceof FileRange) state.blocks[Symbol.dispose]();
}

function decode({ head, blocks, rows }: StateFile, object: string): Memory {
  const { format, version, snapshot, skipped, odd } = head as Head;
  if (format !== FORMAT || version !== VERSION) throw invalidState(object);
  return {
    snapshot,
    skipped: skipped.map((line) => decodeSkipped(line, object, 0)),
    hasXattrs: head.xattrs === true,
    state: new TreeState(blocks),
    blocks,
    stored: { bytes: rows, odd },
  };
}
