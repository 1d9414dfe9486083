import type { ByteSource } from "../bytes/source.ts";
import { toStream } from "../bytes/source.ts";
import { delta, type DeltaOptions } from "./delta.ts";
import { patch, type PatchOptions } from "./patch.ts";
import type { RandomAccess } from "./random_access.ts";
import { sign, type SignOptions } from "./sign.ts";
import type { Signature } from "./signature.ts";

/**
 * Returns a writable stream and a readable stream. `work` is called with the
 * bytes that are written to the writable stream. The result of `work` is the
 * readable stream.
 */
function connect(
  work: (source: ByteSource) => ReadableStream<Uint8Array>,
): TransformStream<Uint8Array, Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  return { readable: work(readable), writable };
}

/**
 * A transform stream that takes the content of a file and yields its encoded
 * signature after the last byte. Only the signature and small parts of the file
 * are kept in memory.
 *
 * @example Make the signature of a file from a stream
 * ```ts
 * import { sign, SignatureStream } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const file = new TextEncoder().encode("0123456789".repeat(10_000));
 * const size = file.length;
 * const stream = new Blob([file]).stream().pipeThrough(
 *   new SignatureStream({ size }),
 * );
 * const signature = await new Response(stream).bytes();
 * assert.deepEqual(signature, (await sign(file, { size })).encode());
 * ```
 */
export class SignatureStream
  implements TransformStream<Uint8Array, Uint8Array> {
  /** The stream of the encoded signature. */
  readonly readable: ReadableStream<Uint8Array>;
  /** The stream to which the content of the file is written. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Makes a transform stream.
   *
   * @param options Options, as for {@linkcode sign}. If `size` is not set, the
   *   defaults of `blockSize` and `strongLength` are those for a file of
   *   512 MiB. The readable stream fails with the errors of `sign`. It also
   *   fails with a `TypeError` if `strongKind` is `blake2b`, because
   *   {@linkcode Signature.encode} does not encode BLAKE2b sums.
   */
  constructor(options: SignOptions = {}) {
    const encoded = async function* (source: ByteSource) {
      yield (await sign(source, options)).encode();
    };
    const ends = connect((source) => toStream(encoded(source)));
    this.readable = ends.readable;
    this.writable = ends.writable;
  }
}

/**
 * A transform stream that takes the content of a file and yields its delta
 * against a basis, in librsync's format. The delta is made in bounded memory.
 *
 * @example Make the delta of a file from a stream
 * ```ts
 * import { DeltaStream, sign } from "@deltar/deltar";
 * import { patchBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("0123456789".repeat(10_000));
 * const after = before.slice(5);
 * const stream = new Blob([after]).stream().pipeThrough(
 *   new DeltaStream(await sign(before)),
 * );
 * const delta = await new Response(stream).bytes();
 * assert.deepEqual(patchBytes(before, delta), after);
 * ```
 */
export class DeltaStream implements TransformStream<Uint8Array, Uint8Array> {
  /** The stream of the delta. */
  readonly readable: ReadableStream<Uint8Array>;
  /** The stream to which the content of the file is written. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Makes a transform stream.
   *
   * @param basis The signature of the basis.
   * @param options Options, as for {@linkcode delta}. The readable stream fails
   *   with the errors of `delta`.
   */
  constructor(basis: Signature, options: DeltaOptions = {}) {
    const ends = connect((source) => delta(basis, source, options));
    this.readable = ends.readable;
    this.writable = ends.writable;
  }
}

/**
 * A transform stream that takes a delta and yields the file, in bounded memory.
 * The readable stream fails with the errors of {@linkcode patch}. Check the
 * SHA-256 of the result before you overwrite a file with it.
 *
 * @example Make a file from its basis and a delta
 * ```ts
 * import { bytesAccess, delta, PatchStream, sign } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("0123456789".repeat(10_000));
 * const after = before.slice(5);
 * const stream = delta(await sign(before), after).pipeThrough(
 *   new PatchStream(bytesAccess(before)),
 * );
 * assert.deepEqual(await new Response(stream).bytes(), after);
 * ```
 */
export class PatchStream implements TransformStream<Uint8Array, Uint8Array> {
  /** The stream of the content of the file. */
  readonly readable: ReadableStream<Uint8Array>;
  /** The stream to which the delta is written. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Makes a transform stream.
   *
   * @param basis The basis of the delta.
   * @param options Options, as for {@linkcode patch}.
   */
  constructor(basis: RandomAccess, options: PatchOptions = {}) {
    const ends = connect((source) => patch(basis, source, options));
    this.readable = ends.readable;
    this.writable = ends.writable;
  }
}
