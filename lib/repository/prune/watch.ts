import { checkAborted } from "../../bytes/abort.ts";
import type { PruneProgress } from "./prune.ts";

/** Others that gave no sign of life, and are watched for one. */
export interface Watched {
  /** The ids of a prune or of runs; each tells when it began. */
  ids: string[];
  /** The process, if it is known to be one of this machine. */
  process?: number;
  /** For how long at most, in milliseconds. */
  most: number;
}

/** Returns the progress of a prune that waits for others. */
export function waitsFor(
  watched: Omit<Watched, "most">,
  { patience }: { patience: number },
): PruneProgress {
  const waitsFor = { ...watched, most: patience };
  return { phase: "waiting", done: 0, all: 1, waitsFor };
}

/** The number of looks at what is watched during the wait. */
const LOOKS = 4;

/**
 * Watches a value for a while, by this machine's monotonic clock.
 *
 * @param look Gives the value.
 * @param options How long, in milliseconds, and what ends the waiting.
 * @returns Whether it changed.
 * @throws {DeltarError} `aborted`.
 */
export async function watch(
  look: () => Promise<number>,
  { patience, signal }: { patience: number; signal?: AbortSignal },
): Promise<boolean> {
  const first = await look();
  for (let at = 0; at < LOOKS; at++) {
    await pause(patience / LOOKS, signal);
    if (await look() !== first) return true;
  }
  return false;
}

async function pause(
  milliseconds: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  checkAborted(signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  await new Promise<void>((resolve) => {
    stop = resolve;
    timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
  clearTimeout(timer);
  signal?.removeEventListener("abort", stop);
  checkAborted(signal);
}
