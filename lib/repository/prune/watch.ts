import { checkAborted } from "../../bytes/abort.ts";

/** How often what is watched is looked at while one waits. */
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
