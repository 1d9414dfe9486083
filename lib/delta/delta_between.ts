import { deltaBytes } from "./delta.ts";
import { DeltaReader } from "./delta_reader.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { signBytes } from "./sign.ts";

/** Blocks of what differs, in bytes. */
const BLOCK = 256;

/**
 * The delta between two states of a small file that are both at hand: what
 * they begin and end with in common is copied to the byte, and only what lies
 * between is searched.
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
  if (oldMiddle.length < BLOCK || middle.length < BLOCK) {
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
