import { checkAborted } from "../bytes/abort.ts";
import type { Storage, StoredObject } from "./storage.ts";

/**
 * A storage for work that a signal ends: whatever is read or listed through it
 * ends with an error of code `aborted`, without the signal being handed to each
 * function that reads. What cleans up after the work must not go through it.
 *
 * @param storage The storage.
 * @param signal What ends the work; without one it is the storage itself.
 */
export function untilAborted(
  storage: Storage,
  signal: AbortSignal | undefined,
): Storage {
  if (signal === undefined) return storage;
  return {
    location: storage.location,
    localPath: storage.localPath,
    get: (name, options) =>
      storage.get(name, { ...options, signal: options?.signal ?? signal }),
    put: (name, source, options) =>
      storage.put(name, source, {
        ...options,
        signal: options?.signal ?? signal,
      }),
    list: (prefix) => listUntil(storage.list(prefix), signal),
    async delete(name) {
      checkAborted(signal);
      await storage.delete(name);
    },
    tidy: storage.tidy?.bind(storage),
  };
}

/** Lists until the signal fires, also while the storage does not answer. */
async function* listUntil(
  list: AsyncIterable<StoredObject>,
  signal: AbortSignal,
): AsyncGenerator<StoredObject> {
  const iterator = list[Symbol.asyncIterator]();
  let stop = () => {};
  const onAbort = () => stop();
  signal.addEventListener("abort", onAbort, { once: true });
  let isOver = false;
  try {
    while (true) {
      checkAborted(signal);
      const next = await new Promise<IteratorResult<StoredObject> | undefined>(
        (resolve, reject) => {
          stop = () => resolve(undefined);
          iterator.next().then(resolve, reject);
        },
      );
      if (next?.done) {
        isOver = true;
        return;
      }
      if (next !== undefined) yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // One that does not answer is not waited for.
    if (!isOver) iterator.return?.()?.catch(() => {});
  }
}
