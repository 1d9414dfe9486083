import { type ByteSource, chunks, toStream } from "../bytes/source.ts";
import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaReader } from "./delta_reader.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { DeltaValidator } from "./delta_validator.ts";
import type { RandomAccess } from "./random_access.ts";
import { readSegments } from "./read_segments.ts";
import type { DeltaSources } from "./segments.ts";

/**
 * The maximum number of literal bytes that are read at a time, and the minimum
 * size in bytes of each yielded chunk except the last one.
 */
const PART_BYTES = 2 ** 16;

/** Options for composing two deltas. */
export interface ComposeOptions {
  /** The name of the first delta, for error messages. */
  firstObject?: string;
  /** The name of the second delta, for error messages. */
  secondObject?: string;
  /**
   * The maximum size in bytes of the composed delta's result. Default: no
   * limit.
   */
  maxSize?: number;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Composes two deltas into one that has the same result as applying `first` and
 * then `second`. Neither the basis nor the result of `first` is needed. Memory
 * holds the first delta's commands (16 bytes each, at most 2^22), not its
 * literals.
 *
 * The returned stream fails with {@linkcode DeltarError}: `corrupt` if a delta
 * is invalid, `truncated` if a delta ends early, `mismatch` if the second delta
 * copies from beyond the end of the first delta's result, `limit` if the
 * composed delta's result is larger than `maxSize` or the first delta's result
 * has more than 2^22 parts or 2^53 - 1 bytes, `aborted` if the signal fired.
 * Errors of `first` and `second` also make the stream fail.
 *
 * @param first The delta from the basis. The whole delta is read once. Its
 *   literals are read again when they are needed.
 * @param second The delta from the result of `first`. It is read once.
 * @param options The names of the deltas, for messages, the maximum size of the
 *   result, and the signal.
 * @returns The composed delta.
 *
 * @example
 * ```ts
 * import { bytesAccess, compose } from "@deltar/deltar";
 * import { deltaBytes, patchBytes, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const text = (lines: number) => new TextEncoder().encode("some line\n".repeat(lines));
 * const [one, two, three] = [text(300), text(310), text(305)];
 * const first = deltaBytes(signBytes(one), two);
 * const second = deltaBytes(signBytes(two), three);
 * const both = await new Response(compose(bytesAccess(first), second)).bytes();
 * assert.deepEqual(patchBytes(one, both), three);
 * ```
 */
export function compose(
  first: RandomAccess,
  second: ByteSource,
  options: ComposeOptions = {},
): ReadableStream<Uint8Array> {
  return toStream(composeDeltas(first, second, options));
}

async function* composeDeltas(
  first: RandomAccess,
  second: ByteSource,
  options: ComposeOptions,
): AsyncGenerator<Uint8Array> {
  const { firstObject: object, signal } = options;
  const segments = await readSegments(first, { object, signal });
  yield* composeSources({ segments, literals: first }, second, options);
}

/**
 * Composes two deltas like {@linkcode compose}, and yields the composed delta.
 * The caller passes the sources of the first delta's result instead of the
 * first delta.
 */
export async function* composeSources(
  { segments, literals }: DeltaSources,
  second: ByteSource,
  options: ComposeOptions = {},
): AsyncGenerator<Uint8Array> {
  const { maxSize = Number.MAX_SAFE_INTEGER, signal } = options;
  const reader = new DeltaReader(options.secondObject);
  const validator = new DeltaValidator(
    segments.size,
    maxSize,
    options.secondObject,
  );
  const writer = new DeltaWriter();
  for await (const piece of chunks(second)) {
    for (const command of reader.read(piece)) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      validator.check(command);
      if (command.kind === "literal") {
        writer.literal(command.bytes);
        if (writer.waiting >= PART_BYTES) yield writer.take().slice();
        continue;
      }
      for (const origin of segments.origins(command.offset, command.length)) {
        if (origin.kind === "copy") {
          writer.copy(origin.offset, origin.length);
        } else {
          const end = origin.offset + origin.length;
          for (let at = origin.offset; at < end; at += PART_BYTES) {
            writer.literal(
              await literals.read(at, Math.min(PART_BYTES, end - at)),
            );
            if (writer.waiting >= PART_BYTES) yield writer.take().slice();
          }
        }
        if (writer.waiting >= PART_BYTES) yield writer.take().slice();
      }
    }
  }
  reader.finish();
  writer.end();
  yield writer.take().slice();
}
