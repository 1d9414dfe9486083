import { type ByteSource, chunks, concat, toStream } from "../bytes/source.ts";
import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaBuilder } from "./delta_builder.ts";
import type { Signature } from "./signature.ts";

/** Options for making a delta of a stream. */
export interface DeltaOptions {
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Returns the delta of a file in memory against its basis, in librsync's
 * format.
 *
 * @param basis The signature of the basis.
 * @param bytes The content of the file.
 *
 * @example
 * ```ts
 * import { deltaBytes, patchBytes, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("a line\n".repeat(1000));
 * const after = new TextEncoder().encode("a line\n".repeat(1001));
 * const delta = deltaBytes(signBytes(before), after);
 * assert.deepEqual(patchBytes(before, delta), after);
 * ```
 */
export function deltaBytes(basis: Signature, bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  const builder = new DeltaBuilder(
    basis,
    (part) => void parts.push(part.slice()),
    { size: bytes.length },
  );
  builder.push(bytes);
  builder.finish();
  return concat(parts);
}

/**
 * Returns the delta of a stream against its basis, in librsync's format. The
 * delta is made in bounded memory. `rdiff patch` and {@linkcode patch} can
 * apply the delta to the basis. The returned stream fails with a `DeltarError`
 * of code `aborted` if the signal fired, and with the errors of the source.
 *
 * @param basis The signature of the basis.
 * @param source The content of the file.
 * @param options The signal that aborts the work.
 *
 * @example
 * ```ts
 * import { delta, patch, bytesAccess, sign } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("0123456789".repeat(10_000));
 * const after = before.slice(5);
 * const stream = delta(await sign(before), after);
 * const result = await new Response(patch(bytesAccess(before), stream)).bytes();
 * assert.deepEqual(result, after);
 * ```
 */
export function delta(
  basis: Signature,
  source: ByteSource,
  options: DeltaOptions = {},
): ReadableStream<Uint8Array> {
  return toStream(deltaParts(basis, source, options));
}

async function* deltaParts(
  basis: Signature,
  source: ByteSource,
  options: DeltaOptions,
): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  const builder = new DeltaBuilder(basis, (part) => {
    if (part.length > 0) parts.push(part.slice());
  });
  for await (const chunk of chunks(source)) {
    // A large chunk is processed in parts, so that little output is collected
    // before it is yielded.
    for (let at = 0; at < chunk.length; at += MAX_SEARCH_BYTES) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(options.signal);
      builder.push(chunk.subarray(at, at + MAX_SEARCH_BYTES));
      yield* parts;
      parts = [];
    }
  }
  builder.finish();
  yield* parts;
}

/** The maximum number of bytes that are searched before output is yielded. */
const MAX_SEARCH_BYTES = 2 ** 20;
