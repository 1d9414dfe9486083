import { formatBytes } from "../shared/text.ts";
import { formatDuration } from "./text.ts";

/** The progress of a long operation, in bytes. */
export interface Meter {
  /** The number of bytes processed so far. */
  bytes: number;
  /** The total number of bytes, if known. */
  allBytes?: number;
}

/** The approximate time over which the rate is measured, in milliseconds. */
const WINDOW_MS = 10_000;

/** The minimum time over which a rate is measured, in milliseconds. */
const MIN_ELAPSED_MS = 500;

/** The minimum rate that is shown, in bytes per second. */
const MIN_BYTES_PER_SECOND = 1000;

/** Measures the recent rate of a long operation. */
export class Rate {
  readonly #samples: { at: number; bytes: number }[] = [];

  /**
   * Records the progress of the operation, and describes it.
   *
   * @param now The current time, in milliseconds.
   * @param meter The progress.
   * @returns The percentage and the remaining time, if the total is known, and
   *   the rate, each in words. A value that cannot be estimated is omitted.
   */
  tell(now: number, { bytes, allBytes }: Meter): string[] {
    const samples = this.#samples;
    samples.push({ at: now, bytes });
    while (samples.length > 2 && now - samples[1].at >= WINDOW_MS) {
      samples.shift();
    }
    const part = allBytes ? [percentage(bytes, allBytes)] : [];
    const elapsed = now - samples[0].at;
    const rate = 1000 * (bytes - samples[0].bytes) / elapsed;
    if (elapsed < MIN_ELAPSED_MS || rate < MIN_BYTES_PER_SECOND) return part;
    const speed = `${formatBytes(rate)}/s`;
    if (allBytes === undefined) return [speed];
    const left = 1000 * (allBytes - bytes) / rate;
    return [...part, `${formatDuration(Math.max(1000, left))} left`, speed];
  }
}

/**
 * Returns the percentage of bytes or steps that are done, at most 99%, because
 * some work remains after the last byte or step.
 */
export function percentage(done: number, all: number): string {
  return `${Math.min(99, Math.floor(100 * done / all))}%`;
}
