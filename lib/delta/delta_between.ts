import { deltaBytes } from "./delta.ts";
import { DeltaReader } from "./delta_reader.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { signBytes } from "./sign.ts";

/** The size in bytes of the blocks for which the differing part is searched. */
const BLOCK = 256;
/**
 * The minimum length in bytes of a copy between two changed ranges. A shorter
 * range is stored as a literal, even though it is unchanged.
 */
const MIN_COPY_BYTES = 16;
/**
 * The maximum share of the differing part that may have changed for the changes
 * to count as overwritten in place. At least 256 changed bytes are allowed. If
 * more has changed, the old content may have moved.
 */
const MAX_OVERWRITTEN_SHARE = 0.125;

/**
 * Returns the delta between two states of a small file that are both in memory.
 * The common beginning and end are copied exactly. The part between them is
 * stored in one of three ways:
 *
 * - If it has the same length in both states and few of its bytes have changed,
 *   the unchanged ranges of at least 16 bytes are copied, and the rest is
 *   literals.
 * - If it is shorter than 256 bytes in one of the states, it is a literal.
 * - Otherwise, it is searched for blocks of the same part of the old state.
 *
 * @param old The old state.
 * @param now The new state.
 */
export function deltaBetween(old: Uint8Array, now: Uint8Array): Uint8Array {
  const most = Math.min(old.length, now.length);
  let start = 0;
  while (start < most && old[start] === now[start]) start++;
  let end = 0;
  while (
    end < most - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) end++;
  const writer = new DeltaWriter();
  if (start > 0) writer.copy(0, start);
  const oldMiddle = old.subarray(start, old.length - end);
  const middle = now.subarray(start, now.length - end);
  const places = overwritten(oldMiddle, middle);
  if (places !== undefined) {
    let at = 0;
    for (const { from, to } of places) {
      if (from > at) writer.copy(start + at, from - at);
      writer.literal(middle.subarray(from, to));
      at = to;
    }
  } else if (oldMiddle.length < BLOCK || middle.length < BLOCK) {
    if (middle.length > 0) writer.literal(middle);
  } else {
    const delta = deltaBytes(
      signBytes(oldMiddle, { blockSize: BLOCK }),
      middle,
    );
    for (const command of new DeltaReader().read(delta)) {
      if (command.kind === "literal") writer.literal(command.bytes);
      else writer.copy(start + command.offset, command.length);
    }
  }
  if (end > 0) writer.copy(old.length - end, end);
  writer.end();
  return writer.take().slice();
}

/**
 * Returns the ranges that were overwritten in place, or `undefined` if the
 * lengths differ or too many bytes have changed. The first bytes of `old` and
 * `now` differ, and so do the last ones.
 */
function overwritten(
  old: Uint8Array,
  now: Uint8Array,
): { from: number; to: number }[] | undefined {
  if (old.length !== now.length) return undefined;
  const most = Math.max(BLOCK, now.length * MAX_OVERWRITTEN_SHARE);
  const places: { from: number; to: number }[] = [];
  let last = { from: 0, to: 0 };
  let left = most;
  for (let at = 0; at < now.length; at++) {
    if (old[at] === now[at]) continue;
    if (places.length > 0 && at - last.to < MIN_COPY_BYTES) {
      left -= at + 1 - last.to;
      last.to = at + 1;
    } else {
      last = { from: at, to: at + 1 };
      left -= 1;
      places.push(last);
    }
    if (left < 0) return undefined;
  }
  return places;
}
