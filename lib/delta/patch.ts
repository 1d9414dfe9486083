import { type ByteSource, chunks, toStream } from "../bytes/source.ts";
import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaReader } from "./delta_reader.ts";
import { Guard } from "./guard.ts";
import type { RandomAccess } from "./random_access.ts";

/** Bytes of a copy that are read in one go. */
const PIECE = 2 ** 18;

/** Options for applying a delta in memory. */
export interface PatchBytesOptions {
  /** The most bytes the result may have; by default 2^30 in memory. */
  maxSize?: number;
  /** The name of the delta, for error messages. */
  object?: string;
}

/** Options for applying a delta. */
export interface PatchOptions {
  /** The most bytes the result may have; by default no limit. */
  maxSize?: number;
  /** The name of the delta, for error messages. */
  object?: string;
  /** Stops the work with its reason. */
  signal?: AbortSignal;
}

/**
 * Applies a delta, as {@linkcode delta} or `rdiff delta` wrote it, to its
 * basis in memory.
 *
 * @param basis The basis, whole.
 * @param delta The delta, whole.
 * @throws {DeltarError} `corrupt` or `truncated` if the delta is damaged,
 * `mismatch` if it copies from beyond the basis, `limit` if the result would
 * be larger than `maxSize`.
 */
export function patchBytes(
  basis: Uint8Array,
  delta: Uint8Array,
  options: PatchBytesOptions = {},
): Uint8Array {
  const { maxSize = 2 ** 30, object } = options;
  // Nothing is allocated before every command is known to be good.
  const guard = new Guard(basis.length, maxSize, object);
  const reader = new DeltaReader(object);
  for (const command of reader.read(delta)) guard.check(command);
  reader.finish();
  const result = new Uint8Array(guard.size);
  let at = 0;
  for (const command of new DeltaReader(object).read(delta)) {
    result.set(
      command.kind === "literal"
        ? command.bytes
        : basis.subarray(command.offset, command.offset + command.length),
      at,
    );
    at += command.length;
  }
  return result;
}

/**
 * Applies a delta, as {@linkcode delta} or `rdiff delta` wrote it, to its
 * basis, in bounded memory. Nothing in the delta tells whether the basis is the
 * right one: compare the result's SHA-256 before it replaces anything.
 *
 * The stream fails with {@linkcode DeltarError}: `corrupt` or `truncated` if the
 * delta is damaged, `mismatch` if it copies from beyond the basis, `limit` if
 * the result would be larger than `maxSize`, `aborted` if the signal fired.
 * What `basis.read` returns is passed on uncopied.
 *
 * @param basis The basis.
 * @param delta The delta.
 */
export function patch(
  basis: RandomAccess,
  delta: ByteSource,
  options: PatchOptions = {},
): ReadableStream<Uint8Array> {
  return toStream(patchParts(basis, delta, options));
}

/** {@linkcode patch} as a generator. */
export async function* patchParts(
  basis: RandomAccess,
  delta: ByteSource,
  options: PatchOptions = {},
): AsyncGenerator<Uint8Array> {
  const { maxSize = Number.MAX_SAFE_INTEGER, object, signal } = options;
  const guard = new Guard(basis.size, maxSize, object);
  const reader = new DeltaReader(object);
  for await (const piece of chunks(delta)) {
    for (const command of reader.read(piece)) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      guard.check(command);
      if (command.kind === "literal") {
        checkAborted(signal);
        yield command.bytes;
        continue;
      }
      const end = command.offset + command.length;
      for (let at = command.offset; at < end; at += PIECE) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(signal);
        yield await basis.read(at, Math.min(PIECE, end - at));
      }
    }
  }
  reader.finish();
}
