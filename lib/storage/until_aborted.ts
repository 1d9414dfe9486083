import { checkAborted } from "../bytes/abort.ts";
import type { Storage, StoredObject } from "./storage.ts";

/**
 * Returns a storage with `get`, `put` and `list` methods that end with an error
 * of code `aborted` when a signal fires, so that the signal need not be passed
 * to each function that uses the storage. After the signal has fired, `delete`
 * also throws this error, so cleanup after an abort must use the original
 * storage. A call that passes its own signal uses only that signal.
 *
 * @param storage The original storage.
 * @param signal The signal. If it is `undefined`, the storage itself is
 *   returned.
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
    prepare: storage.prepare?.bind(storage),
    clearAbandoned: storage.clearAbandoned?.bind(storage),
    belongsToOthers: storage.belongsToOthers?.bind(storage),
  };
}

/**
 * Yields the objects that a storage lists. When the signal fires, throws an
 * error of code `aborted`, even if the storage does not respond.
 */
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
    // The storage might never respond, so the result of `return` is not
    // awaited.
    if (!isOver) iterator.return?.()?.catch(() => {});
  }
}
