import { RACY_NANOSECONDS } from "../../tree/racy.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256, sha256 } from "../../bytes/sha256.ts";
import type { Skipped } from "../../tree/entry.ts";
import { readFileBytes, removeFile, writeFileAtomic } from "../../tree/file.ts";
import type { EntryList } from "../../tree/entry_list.ts";
import type { StoredEntries } from "../../tree/entry_rows.ts";
import { KnownEntries } from "../../tree/known_entries.ts";
import {
  type CompareOptions,
  findUnchangedFolders,
} from "../../tree/unchanged_folders.ts";
import type { Line } from "../../bytes/listing.ts";
import { decodeSkipped, encodeSkipped } from "../../tree/skipped_line.ts";
import { StateWriter } from "../../tree/state_writer.ts";
import { TreeState } from "../../tree/tree_state.ts";
import type { WalkStates } from "../../tree/walk_tree.ts";
import type { Walker } from "../../tree/walker.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { SealedFiles } from "../store/sealed_files.ts";
import type { Store } from "../store/store.ts";

const FORMAT = "deltar-state";
/**
 * The version of the format. Version 2 had no creation times. Version 1 also
 * listed named pipes and devices as skipped.
 */
const VERSION = 3;
const NEWLINE = 10;
/** The number of bytes written at a time. */
const WRITE_BYTES = 1 << 20;
const SUM_BYTES = 32;

/**
 * The maximum number of bytes of a remembered state for each entry, in addition
 * to `MIN_STATE_BYTES`. The state includes the names of excluded paths.
 */
const MAX_BYTES_PER_ENTRY = 2048;
const MIN_STATE_BYTES = 2 ** 26;

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
  stored: StoredEntries;
}

/**
 * The state of a directory that a machine remembers between snapshots. It
 * contains the state of each file, so that unchanged files are not read, and an
 * unchanged directory is not compared with the repository. If the state is lost
 * or damaged, the next snapshot reads all files.
 */
export class StateCache {
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
   * @param folder The folder of the state caches; `undefined` to remember
   * nothing.
   * @param store The repository. If it is encrypted, the state is encrypted,
   * too.
   * @param directory The name of the directory in the repository, and the
   * directory on this machine.
   * @param options The parent of the next snapshot, the current time in
   * milliseconds since 1970, and whether `write` and `drop` do nothing.
   */
  static async read(
    folder: string | undefined,
    store: Store,
    { name, walker }: { name: string; walker: Walker },
    { before, now, isReadOnly = false }: {
      before: Pick<SnapshotRecord, "id" | "counts"> | undefined;
      now: number;
      isReadOnly?: boolean;
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
    try {
      const bytes = await readFileBytes(file, undefined, most);
      // An encrypted file is authenticated, so it has no SHA-256 at its end.
      const plain = sealed === undefined
        ? withoutSum(bytes, file)
        : await sealed.open(bytes, file);
      const memory = decode(plain, file);
      if (memory.snapshot === before.id) cache.#memory = memory;
    } catch {
      // A missing or damaged state is ignored.
    }
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

  /** The paths that the snapshot skipped or excluded. */
  get skipped(): readonly Skipped[] {
    return this.#memory?.skipped ?? [];
  }

  /**
   * Returns the remembered entries of the snapshot; `undefined` if there are
   * none.
   */
  entries(): KnownEntries | undefined {
    const memory = this.#memory;
    if (memory === undefined) return undefined;
    try {
      this.#known ??= KnownEntries.decode(memory.stored, memory.state);
    } catch {
      this.#memory = undefined;
    }
    return this.#known;
  }

  /**
   * Returns the paths that the snapshot skipped or excluded, or `undefined` if
   * the directory has changed since the snapshot, or if the remembered state is
   * missing or incomplete. The directory is walked once.
   */
  async skippedIfUnchanged(
    options: CompareOptions,
  ): Promise<readonly Skipped[] | undefined> {
    const memory = this.#memory;
    if (memory === undefined || !this.#hasXattrs) return undefined;
    const { isAll, blocks } = await findUnchangedFolders(
      this.#walker,
      memory.state,
      options,
    );
    this.#unchanged = blocks;
    return isAll ? memory.skipped : undefined;
  }

  /**
   * Whether the extended attributes are remembered. Also `true` if the walk
   * does not read any.
   */
  get #hasXattrs(): boolean {
    return !this.#walker.readsXattrs || this.#memory?.hasXattrs === true;
  }

  /** Deletes the remembered state of the directory. */
  async drop(): Promise<void> {
    if (this.#file !== undefined) await removeFile(this.#file);
  }

  /**
   * Stores the state that the walk found, as the state of a snapshot. Errors
   * are ignored, because they do not affect the snapshot.
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
 * Yields the bytes of a remembered state: a line of JSON that is padded with
 * spaces to a multiple of four bytes, then the result of `StateWriter.finish`,
 * and then the entries.
 *
 * @param snapshot The id of the snapshot.
 * @param entries The entries of the snapshot.
 * @param skipped The paths that the snapshot skipped or excluded.
 * @param blocks The result of `StateWriter.finish`: the states of all folders.
 * @param hasXattrs Whether the extended attributes of all entries were read.
 * @returns The bytes, in parts.
 */
export function* encodeState(
  snapshot: string,
  entries: EntryList,
  skipped: readonly Skipped[],
  blocks: Uint8Array,
  hasXattrs = false,
): Generator<Uint8Array> {
  const { bytes, odd } = entries.encode();
  const json = JSON.stringify({
    format: FORMAT,
    version: VERSION,
    snapshot,
    blocks: blocks.length,
    skipped: skipped.map(encodeSkipped),
    xattrs: hasXattrs,
    odd,
  });
  const line = new TextEncoder().encode(json);
  const head = new Uint8Array(line.length + 4 & ~3).fill(0x20);
  head.set(line);
  head[head.length - 1] = NEWLINE;
  for (const part of [head, blocks, bytes]) {
    for (let at = 0; at < part.length; at += WRITE_BYTES) {
      // The bytes are copied, because some functions do not accept shared
      // memory.
      yield part.slice(at, at + WRITE_BYTES);
    }
  }
}

/** Yields the parts of a file, and then their SHA-256. */
export function* withSum(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  const sum = createSha256();
  for (const part of parts) {
    sum.update(part);
    yield part;
  }
  yield sum.digest();
}

/** Checks the SHA-256 at the end of a file, and returns the bytes before it. */
function withoutSum(bytes: Uint8Array, object: string): Uint8Array {
  const content = bytes.subarray(0, -SUM_BYTES);
  const sum = toHex(bytes.subarray(content.length));
  if (toHex(sha256(content)) !== sum) throw invalid(object);
  return content;
}

function invalid(object: string): DeltarError {
  return new DeltarError("corrupt", "the state cache is invalid", { object });
}

function decode(bytes: Uint8Array, object: string): Memory {
  const start = bytes.indexOf(NEWLINE) + 1;
  if (start === 0 || start % 4 !== 0) throw invalid(object);
  const text = new TextDecoder().decode(bytes.subarray(0, start));
  const line = JSON.parse(text);
  const { format, version, snapshot, blocks, skipped, odd } = line;
  if (format !== FORMAT || version !== VERSION) throw invalid(object);
  const middle = start + blocks;
  return {
    snapshot,
    skipped: skipped.map((line: Line) => decodeSkipped(line, object, 0)),
    hasXattrs: line.xattrs === true,
    state: new TreeState(aligned(bytes.subarray(start, middle))),
    stored: { bytes: aligned(bytes.subarray(middle)), odd },
  };
}

/**
 * Returns bytes at an offset in their buffer that is a multiple of four. Copies
 * the bytes only if necessary.
 */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
}
