import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaReader } from "./delta_reader.ts";
import type { RandomAccess } from "./random_access.ts";
import { Segments } from "./segments.ts";

/** The maximum number of bytes of the delta that are parsed at a time. */
const MAX_READ_BYTES = 2 ** 16;

/**
 * Reads a delta, and returns the source of each byte of its result.
 *
 * @param delta The delta. The segments refer to literals by their offsets in
 *   the delta.
 * @param options The name of the delta for error messages, and the signal.
 * @throws {DeltarError} `corrupt` if the delta is invalid, `truncated` if it
 *   ends early, `limit` if the result has more than 2^22 parts or 2^53 - 1
 *   bytes, `aborted` if the signal fired, and the errors of `delta`.
 */
export async function readSegments(
  delta: RandomAccess,
  { object, signal }: { object?: string; signal?: AbortSignal } = {},
): Promise<Segments> {
  const segments = new Segments(object);
  const reader = new DeltaReader(object);
  for (let at = 0; at < delta.size; at += MAX_READ_BYTES) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    checkAborted(signal);
    const piece = await delta.read(
      at,
      Math.min(MAX_READ_BYTES, delta.size - at),
    );
    for (const command of reader.read(piece)) {
      const origin = command.kind === "copy" ? command.offset : -1 - command.at;
      segments.add(segments.size, origin, command.length);
    }
  }
  reader.finish();
  return segments;
}
