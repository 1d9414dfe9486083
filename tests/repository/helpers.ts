import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { Store } from "../../lib/repository/store/store.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Walker } from "../../lib/tree/walker.ts";

/** Returns a walker that excludes nothing. */
export function everything(root: string): Walker {
  return new Walker(root, { excludes: [] });
}

/** Opens a repository in the form that operations use. */
export function storeOf({ storage }: Repository): Promise<Store> {
  return Store.open(storage, {});
}

/**
 * Runs `work` with a clock that is some seconds ahead, so that no file counts
 * as changed just now.
 */
export async function later<Result>(
  seconds: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const now = Date.now;
  Date.now = () => now() + 1000 * seconds;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** Returns a copy of a repository, which can be damaged. */
export async function copyOf(storage: MemoryStorage): Promise<{
  storage: MemoryStorage;
  open: () => Promise<Repository>;
}> {
  const copy = new MemoryStorage();
  for await (const { name } of storage.list()) {
    copy.objects.set(name, (await collect(storage.get(name))).slice());
  }
  return { storage: copy, open: () => Repository.open(copy) };
}

export { noise } from "../support/noise.ts";
