import { formatBytes, formatDuration } from "./text.ts";

/** How far long work is, in bytes. */
export interface Meter {
  /** Bytes so far. */
  bytes: number;
  /** All bytes there will be, if that is known. */
  allBytes?: number;
}

/** How much of the work, the last of it, tells the rate, in milliseconds. */
const WINDOW = 10_000;

/** Before this a rate means nothing, in milliseconds. */
const SHORTEST = 500;

/** Below this it is not the bytes that take the time, in bytes a second. */
const SLOWEST = 1000;

/** How fast long work is of late: it may have begun with what is no reading. */
export class Rate {
  readonly #samples: { at: number; bytes: number }[] = [];

  /**
   * Takes note of how far the work is.
   *
   * @param now The time, in milliseconds.
   * @param meter How far it is.
   * @returns The rate, and the time left if all is known, to go after other
   * words; nothing as long as it would mean nothing.
   */
  tell(now: number, { bytes, allBytes }: Meter): string {
    const samples = this.#samples;
    samples.push({ at: now, bytes });
    while (samples.length > 2 && now - samples[1].at >= WINDOW) samples.shift();
    const elapsed = now - samples[0].at;
    if (elapsed < SHORTEST) return "";
    const rate = 1000 * (bytes - samples[0].bytes) / elapsed;
    if (rate < SLOWEST) return "";
    const text = `, ${formatBytes(rate)}/s`;
    if (allBytes === undefined) return text;
    const left = 1000 * (allBytes - bytes) / rate;
    return `${text}, ${formatDuration(Math.max(1000, left))} left`;
  }
}
