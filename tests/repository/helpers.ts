import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { Store } from "../../lib/repository/store/store.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Walker } from "../../lib/tree/walker.ts";

/** A walker that leaves nothing out. */
export function everything(root: string): Walker {
  return new Walker(root, { excludes: [] });
}

/** A repository as the work on it takes it. */
export function storeOf({ storage }: Repository): Promise<Store> {
  return Store.open(storage, {});
}

/** Runs `work` as if it were some seconds later, so that no file is racy. */
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

/** A repository with the same objects, to be harmed. */
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
