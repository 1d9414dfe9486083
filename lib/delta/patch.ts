import { type ByteSource, chunks, toStream } from "../bytes/source.ts";
import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaReader } from "./delta_reader.ts";
import { DeltaValidator } from "./delta_validator.ts";
import type { RandomAccess } from "./random_access.ts";

/** The maximum number of bytes of a copied range that are read at a time. */
const MAX_READ_BYTES = 2 ** 18;

/** Options for applying a delta in memory. */
export interface PatchBytesOptions {
  /** The maximum size of the result in bytes. Default: 2^30. */
  maxSize?: number;
  /** The name of the delta, for error messages. */
  object?: string;
}

/** Options for applying a delta. */
export interface PatchOptions {
  /** The maximum size of the result in bytes. Default: no limit. */
  maxSize?: number;
  /** The name of the delta, for error messages. */
  object?: string;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Applies a delta, as written by {@linkcode delta} or `rdiff delta`, to its
 * basis in memory.
 *
 * @param basis The whole basis.
 * @param delta The whole delta.
 * @param options The maximum size of the result, and the name of the delta, for
 *   error messages.
 * @returns The result.
 * @throws {DeltarError} `corrupt` if the delta is invalid, `truncated` if it
 *   ends early, `mismatch` if it copies from beyond the end of the basis,
 *   `limit` if the result would be larger than `maxSize`.
 *
 * @example
 * ```ts
 * import { deltaBytes, patchBytes, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("a line\n".repeat(1000));
 * const delta = deltaBytes(signBytes(before), before.slice(7));
 * assert.deepEqual(patchBytes(before, delta), before.slice(7));
 * assert.throws(() => patchBytes(new Uint8Array(), delta), { code: "mismatch" });
 * ```
 */
export function patchBytes(
  basis: Uint8Array,
  delta: Uint8Array,
  options: PatchBytesOptions = {},
): Uint8Array {
  const { maxSize = 2 ** 30, object } = options;
  // Every command is checked before memory for the result is allocated.
  const validator = new DeltaValidator(basis.length, maxSize, object);
  const reader = new DeltaReader(object);
  for (const command of reader.read(delta)) validator.check(command);
  reader.finish();
  const result = new Uint8Array(validator.size);
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
 * Applies a delta, as written by {@linkcode delta} or `rdiff delta`, to its
 * basis, in bounded memory. A delta contains no checksum of its basis or of its
 * own bytes, so check the SHA-256 of the result before it replaces anything.
 *
 * The returned stream fails with {@linkcode DeltarError}: `corrupt` if the
 * delta is invalid, `truncated` if it ends early, `mismatch` if it copies from
 * beyond the end of the basis, `limit` if the result would be larger than
 * `maxSize`, `aborted` if the signal fires. The stream also fails with the
 * errors of `basis` and of the source of the delta. The bytes that `basis.read`
 * returns are passed on without being copied.
 *
 * @param basis The basis of the delta.
 * @param delta The delta, which is read once.
 * @param options The maximum size of the result, the name of the delta for
 *   error messages, and the signal.
 * @returns The result.
 *
 * @example
 * ```ts
 * import { bytesAccess, deltaBytes, patch, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("a line\n".repeat(1000));
 * const delta = deltaBytes(signBytes(before), before.slice(7));
 * const result = new Response(patch(bytesAccess(before), delta));
 * assert.deepEqual(await result.bytes(), before.slice(7));
 * ```
 */
export function patch(
  basis: RandomAccess,
  delta: ByteSource,
  options: PatchOptions = {},
): ReadableStream<Uint8Array> {
  return toStream(patchParts(basis, delta, options));
}

/** Yields the chunks of the stream that {@linkcode patch} returns. */
export async function* patchParts(
  basis: RandomAccess,
  delta: ByteSource,
  options: PatchOptions = {},
): AsyncGenerator<Uint8Array> {
  const { maxSize = Number.MAX_SAFE_INTEGER, object, signal } = options;
  const validator = new DeltaValidator(basis.size, maxSize, object);
  const reader = new DeltaReader(object);
  for await (const piece of chunks(delta)) {
    for (const command of reader.read(piece)) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      validator.check(command);
      if (command.kind === "literal") {
        checkAborted(signal);
        yield command.bytes;
        continue;
      }
      const end = command.offset + command.length;
      for (let at = command.offset; at < end; at += MAX_READ_BYTES) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(signal);
        yield await basis.read(at, Math.min(MAX_READ_BYTES, end - at));
      }
    }
  }
  reader.finish();
}
