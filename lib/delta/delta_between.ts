import { ByteMatcher } from "./byte_matcher.ts";
import { DeltaWriter } from "./delta_writer.ts";

/**
 * Returns the delta between two states of a small file that are both in memory.
 * The copies of the delta can begin and end at any byte.
 *
 * @param old The old state.
 * @param now The new state.
 */
export function deltaBetween(old: Uint8Array, now: Uint8Array): Uint8Array {
  const whole = [{ offset: 0, bytes: old }];
  const writer = new DeltaWriter();
  new ByteMatcher(whole).write(writer, now, {
    parts: whole,
    start: 0,
    end: old.length,
    joinsStart: true,
    joinsEnd: true,
  });
  writer.end();
  return writer.take().slice();
}
