import { type Codec, codecFor } from "../../archive/codec.ts";
import { readContent, readRange } from "../../archive/content_reader.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import { chunks, collect, toStream } from "../../bytes/source.ts";
import { compose } from "../../delta/compose.ts";
import { patchBytes, patchParts } from "../../delta/patch.ts";
import type { Storage } from "../../storage/storage.ts";
import { WHOLE_LIMIT } from "../../tree/read_file.ts";
import { Spool } from "../../tree/spool.ts";
import { followMoves } from "./follow_moves.ts";
import type { StoredPiece, TreeEntry } from "../layers/tree_layer.ts";

/** How many decompressed frames, of 1.25 MiB, are kept for files that follow. */
const FRAMES = 24;

/** How large a small file may have been before, to be patched in memory. */
const MOST_BETWEEN = 8 << 20;

/**
 * Reads the content of files from volumes. Small files lie many to a frame;
 * the last frames are kept, so files in path order decompress each once.
 */
export class ContentReader {
  readonly #storage: Storage;
  readonly #frames = new Map<string, Promise<Uint8Array>>();

  /** Reads from a repository's storage. */
  constructor(storage: Storage) {
    this.#storage = followMoves(storage);
  }

  /**
   * Begins to read what a small file needs, so that it is there in time.
   *
   * @returns How many frames were not asked for already.
   */
  prefetch(entry: TreeEntry): number {
    if (entry.size > WHOLE_LIMIT) return 0;
    let begun = 0;
    for (const piece of entry.content ?? []) {
      if (!isSmall(piece)) continue;
      if (!this.#frames.has(keyOf(piece))) begun++;
      this.#frame(piece).catch(() => {});
    }
    return begun;
  }

  /**
   * A file's content; not yet held against its SHA-256.
   *
   * @returns One array for a small file, else pieces.
   * @throws {DeltarError} `corrupt`, `truncated`, `not-found` or `io`.
   */
  async read(
    entry: TreeEntry,
    signal?: AbortSignal,
  ): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    const [base, ...deltas] = entry.content ?? [];
    if (base === undefined) throw new TypeError(`${entry.path} is no file`);
    if (entry.size <= WHOLE_LIMIT && isSmall(base)) {
      const bytes = await this.#readSmall(entry, base, deltas, signal);
      if (bytes !== undefined) return bytes;
    }
    if (deltas.length === 0) return this.#stream(base, entry.path, signal);
    return this.#patched(entry, base, deltas, signal);
  }

  /** A small file, unless it was huge between its base and now. */
  async #readSmall(
    { path }: TreeEntry,
    base: StoredPiece,
    deltas: StoredPiece[],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    let bytes = await this.readPiece(base, path, signal);
    for (const delta of deltas) {
      const step = await this.readPiece(delta, path, signal);
      const object = delta.reference.volume;
      try {
        bytes = patchBytes(bytes, step, { maxSize: MOST_BETWEEN, object });
      } catch (error) {
        if ((error as DeltarError).code === "limit") return undefined;
        throw error;
      }
    }
    return bytes;
  }

  /** A stored piece that fits in memory. */
  async readPiece(
    piece: StoredPiece,
    path: string,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    if (!isSmall(piece)) return collect(this.#stream(piece, path, signal));
    const frame = await this.#frame(piece);
    const { skip } = piece.reference;
    if (skip + piece.size > frame.length) {
      throw new DeltarError("corrupt", "content is shorter than it should be", {
        object: piece.reference.volume,
        offset: piece.reference.offset,
        path,
      });
    }
    return frame.subarray(skip, skip + piece.size);
  }

  /** The base in a spool, and on it all deltas made into one. */
  async *#patched(
    entry: TreeEntry,
    base: StoredPiece,
    deltas: StoredPiece[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const spools: Spool[] = [];
    try {
      const { path } = entry;
      const basis = new Spool();
      spools.push(basis);
      await basis.fill(this.#stream(base, path, signal));
      const all = await this.#compose(deltas, path, spools, signal);
      yield* patchParts(basis.access(), all, {
        maxSize: entry.size,
        object: deltas.at(-1)!.reference.volume,
        signal,
      });
    } finally {
      for (const target of spools) target.dispose();
    }
  }

  /**
   * All deltas of a file made into one, which the caller disposes of.
   *
   * @throws {DeltarError} As `read` does.
   */
  async composedDelta(entry: TreeEntry, signal?: AbortSignal): Promise<Spool> {
    const spools: Spool[] = [];
    const result = new Spool();
    try {
      const deltas = entry.content!.slice(1);
      const all = await this.#compose(deltas, entry.path, spools, signal);
      await result.fill(all);
      return result;
    } catch (error) {
      result.dispose();
      throw error;
    } finally {
      for (const target of spools) target.dispose();
    }
  }

  /** Deltas made into one; `spools` gets what has to be disposed of then. */
  async #compose(
    deltas: StoredPiece[],
    path: string,
    spools: Spool[],
    signal: AbortSignal | undefined,
  ): Promise<AsyncIterable<Uint8Array>> {
    const [oldest, ...rest] = deltas.map((delta) =>
      this.#stream(delta, path, signal)
    );
    let first: AsyncIterable<Uint8Array> = oldest;
    for (const second of rest) {
      const spool = new Spool();
      spools.push(spool);
      await spool.fill(first);
      first = compose(spool.access(), second, { signal });
    }
    return first;
  }

  #stream(
    { reference, size }: StoredPiece,
    path: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const codec = codecOf(reference.volume);
    return readContent(this.#storage, reference, size, codec, { path, signal });
  }

  #frame(piece: StoredPiece): Promise<Uint8Array> {
    const { reference } = piece;
    const key = keyOf(piece);
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = readRange(this.#storage, reference, codecOf(reference.volume));
      this.#frames.set(key, frame);
      if (this.#frames.size > FRAMES) {
        this.#frames.delete(this.#frames.keys().next().value!);
      }
    }
    return frame;
  }
}

function keyOf({ reference }: StoredPiece): string {
  return `${reference.volume}:${reference.offset}:${reference.length}`;
}

/** Whether a piece shares a frame, or could. */
function isSmall(piece: StoredPiece): boolean {
  return piece.size <= WHOLE_LIMIT && piece.reference.length <= 2 * WHOLE_LIMIT;
}

/** The compression of an object, by its name. */
export function codecOf(name: string): Codec {
  return codecFor(/\.(?:tgz|gz)$/.test(name) ? "gzip" : "zstd");
}

/**
 * A file's content as a stream that fails at its end if it is not what was
 * stored.
 *
 * @param entry The file.
 * @param read Gives what `ContentReader.read` does; called when the first bytes
 * are asked for, so that there is somebody to hear of its failure.
 */
export function checkedStream(
  entry: TreeEntry,
  read: () => Promise<Uint8Array | AsyncIterable<Uint8Array>>,
): ReadableStream<Uint8Array> {
  return toStream(checked(entry, read));
}

async function* checked(
  entry: TreeEntry,
  read: () => Promise<Uint8Array | AsyncIterable<Uint8Array>>,
): AsyncGenerator<Uint8Array> {
  const sum = createSha256();
  for await (const part of chunks(await read())) {
    sum.update(part);
    yield part;
  }
  if (toHex(sum.digest()) !== entry.sha256) {
    throw new DeltarError("corrupt", "its content is not what was stored", {
      object: entry.content?.[0].reference.volume,
      path: entry.path,
    });
  }
}
