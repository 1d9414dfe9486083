import { formatBytes } from "../shared/text.ts";
import { formatDuration } from "./text.ts";

/** The progress of long work, in bytes. */
export interface Meter {
  /** Bytes so far. */
  bytes: number;
  /** All bytes there will be, if that is known. */
  allBytes?: number;
}

/** The time over which the rate is measured, in milliseconds. */
const WINDOW = 10_000;

/** Before this a rate means nothing, in milliseconds. */
const SHORTEST = 500;

/** Below this it is not the bytes that take the time, in bytes a second. */
const SLOWEST = 1000;

/**
 * The recent rate of long work, which may have begun with something else than
 * reading.
 */
export class Rate {
  readonly #samples: { at: number; bytes: number }[] = [];

  /**
   * Takes note of how far the work is.
   *
   * @param now The time, in milliseconds.
   * @param meter How far it is.
   * @returns The part that is done and the time left, if all is known, and the
   * rate, the shortest first; nothing as long as it would mean nothing.
   */
  tell(now: number, { bytes, allBytes }: Meter): string[] {
    const samples = this.#samples;
    samples.push({ at: now, bytes });
    while (samples.length > 2 && now - samples[1].at >= WINDOW) samples.shift();
    const part = allBytes ? [percentage(bytes, allBytes)] : [];
    const elapsed = now - samples[0].at;
    const rate = 1000 * (bytes - samples[0].bytes) / elapsed;
    if (elapsed < SHORTEST || rate < SLOWEST) return part;
    const speed = `${formatBytes(rate)}/s`;
    if (allBytes === undefined) return [speed];
    const left = 1000 * (allBytes - bytes) / rate;
    return [...part, `${formatDuration(Math.max(1000, left))} left`, speed];
  }
}

/** Returns the share that is done, never 100 % before the end. */
function percentage(bytes: number, allBytes: number): string {
  return `${Math.min(99, Math.floor(100 * bytes / allBytes))}%`;
}
