import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { CachedStorage } from "../../lib/storage/cached.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { failByChance, FaultyStorage } from "../support/faulty_storage.ts";
import { conforms, count } from "./conforms.ts";

const keeps = () => true;

conforms("cached", (work) => {
  const cache = new MemoryStorage();
  return work(new CachedStorage(new MemoryStorage(), cache, { keeps }));
});

conforms("cached, by a cache that fails half of the time", (work) => {
  const cache = new FaultyStorage(
    new MemoryStorage(),
    failByChance(1, 0.5, ["before", "after", "reset", "short"]),
  );
  return work(new CachedStorage(new MemoryStorage(), cache, { keeps }));
});

/**
 * Makes a storage that counts requests, a cache, and a cached storage of both.
 */
function make(maxBytes?: number) {
  const far = new FaultyStorage(new MemoryStorage());
  const cache = new MemoryStorage();
  const keeps = (name: string) => name.startsWith("trees/");
  const storage = new CachedStorage(far, cache, { keeps, maxBytes });
  const gets = async (work: () => Promise<unknown>) => {
    const before = far.calls.length;
    await work();
    return far.calls.slice(before).filter(({ kind }) => kind === "get").length;
  };
  return { far, cache, storage, gets };
}

test("cached: content that was written or read is not requested again", async () => {
  const { far, storage, gets } = make();
  await storage.put("trees/written", count(9));
  await far.put("trees/other", count(9));
  await storage.put("volumes/x", count(9));
  const read = (name: string, offset?: number, length?: number) => () =>
    collect(storage.get(name, { offset, length }));
  assert.equal(await gets(read("trees/written")), 0);
  assert.equal(await gets(read("trees/written", 3, 4)), 0);
  assert.deepEqual(await read("trees/written", 3, 4)(), count(9).slice(3, 7));
  assert.equal(await gets(read("trees/other", 3, 4)), 1);
  assert.equal(await gets(read("trees/other", 3, 4)), 0);
  assert.deepEqual(await read("trees/other", 3, 4)(), count(9).slice(3, 7));
  assert.equal(await gets(read("trees/other", 3, 5)), 1);
  assert.equal(await gets(read("trees/other")), 1);
  assert.equal(await gets(read("trees/other", 1, 1)), 0);
  assert.equal(await gets(read("volumes/x")), 1);
  assert.equal(await gets(read("volumes/x")), 1);
  const fresh = () => collect(storage.get("trees/written", { fresh: true }));
  assert.equal(await gets(fresh), 1);
});

test("cached: only content that was read to its end is kept", async () => {
  const { far, storage } = make();
  await far.put("trees/x", count(9));
  for await (const _ of storage.get("trees/x")) break;
  assert.deepEqual(await collect(storage.get("trees/x")), count(9));
});

test("cached: a damaged object costs one request", async () => {
  const { cache, storage, gets } = make();
  await storage.put("trees/x", count(50));
  const key = [...cache.objects.keys()][0];
  const good = cache.objects.get(key)!;
  for (let at = 0; at <= good.length; at++) {
    const bad = at === good.length ? good.slice(0, -1) : good.slice();
    if (at < good.length) bad[at] ^= 1;
    for (const harmed of [bad, good.slice(0, at && at - 1)]) {
      cache.objects.set(key, harmed);
      const read = () => collect(storage.get("trees/x"));
      assert.deepEqual(await read(), count(50));
      assert.equal(await gets(read), 0);
    }
  }
  cache.objects.clear();
  assert.deepEqual(await collect(storage.get("trees/x")), count(50));
});

test("cached: the size stays below the limit, and the oldest objects are deleted first", async () => {
  const { cache, storage, gets } = make(10_000);
  for (let at = 10; at < 60; at++) {
    await storage.put(`trees/${at}`, new Uint8Array(500));
    const kept = await Array.fromAsync(cache.list());
    assert.ok(kept.reduce((sum, { size }) => sum + size, 0) <= 10_000);
  }
  assert.equal(await gets(() => collect(storage.get("trees/59"))), 0);
  assert.equal(await gets(() => collect(storage.get("trees/10"))), 1);
  // An object that would fill the cache alone is not kept.
  await storage.put("trees/large", new Uint8Array(9000));
  assert.equal(await gets(() => collect(storage.get("trees/large"))), 1);
});

test("cached: the size stays below the limit when many objects are read at the same time", async () => {
  const { far, cache, storage } = make(10_000);
  const names = Array.from({ length: 100 }, (_, at) => `trees/${at}`);
  for (const name of names) await far.put(name, count(1000));
  await collect(storage.get("trees/0"));
  // All writes to the cache end at the same moment.
  const put = cache.put.bind(cache);
  const end = new Promise((resolve) => setTimeout(resolve, 50));
  cache.put = async (...request) => {
    await put(...request);
    await end;
  };
  await Promise.all(names.map((name) => collect(storage.get(name))));
  let bytes = 0;
  for await (const { size } of cache.list()) bytes += size;
  assert.ok(bytes > 0 && bytes <= 10_000, `${bytes}`);
});

test("cached: a deleted object is deleted from the cache, too", async () => {
  const { cache, storage } = make();
  await storage.put("trees/x", count(9));
  await collect(storage.get("trees/x", { offset: 1, length: 2 }));
  await storage.delete("trees/x");
  assert.equal(cache.objects.size, 0);
  await assert.rejects(collect(storage.get("trees/x")), { code: "not-found" });
});

test("cached: pieces are cached separately, and missing pieces are read together", async () => {
  const far = new MemoryStorage();
  const asked: string[] = [];
  const get = far.get.bind(far);
  far.get = (name, options) => {
    asked.push(`${options?.offset}+${options?.length}`);
    return get(name, options);
  };
  const cache = new MemoryStorage();
  const storage = new CachedStorage(far, cache, { keeps: () => true });
  const bytes = Uint8Array.from({ length: 100 }, (_, at) => at);
  await far.put("trees/1", bytes);
  const read = async (offset: number, ...pieces: number[]) => {
    asked.length = 0;
    const length = pieces.reduce((sum, piece) => sum + piece, 0);
    const range = { offset, length, ...pieces.length > 1 && { pieces } };
    const found = await collect(storage.get("trees/1", range));
    assert.deepEqual([...found], [...bytes.subarray(offset, offset + length)]);
    return asked.join(" ");
  };
  assert.equal(await read(20, 10), "20+10");
  assert.equal(await read(0, 5, 15, 10, 30, 40), "0+20 30+70");
  assert.equal(await read(0, 5, 15, 10, 30, 40), "");
  assert.equal(await read(30, 30), "");
  await assert.rejects(read(60, 40, 1), { code: "truncated" });
});
