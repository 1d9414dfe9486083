import assert from "node:assert/strict";
import { test } from "node:test";
import { ChangesCache } from "../../extension/src/worker/changes_cache.ts";

/** The signal of requests that are not cancelled. */
const NEVER = new AbortController().signal;

/** A cache whose lists have the given lengths, and the keys that were read. */
function cacheOf(lengths: Record<string, number>) {
  const cache = new ChangesCache<number>();
  const read: string[] = [];
  const get = (key: string) =>
    cache.get(key, () => {
      read.push(key);
      return Promise.resolve(Array.from({ length: lengths[key] }, () => 1));
    }, NEVER);
  return { cache, read, get };
}

test("ChangesCache reads the lists of several expanded rows once", async () => {
  const { read, get } = cacheOf({ a: 10, b: 20, c: 30 });
  for (let update = 0; update < 3; update++) {
    const lists = await Promise.all(["a", "b", "c"].map(get));
    assert.deepEqual(lists.map(({ length }) => length), [10, 20, 30]);
  }
  assert.deepEqual(read, ["a", "b", "c"]);
});

test("ChangesCache forgets the lists that were not used for the longest time", async () => {
  const { read, get } = cacheOf({
    a: 80_000,
    b: 80_000,
    c: 80_000,
    d: 1_000_000,
  });
  for (const key of ["a", "b", "a", "c"]) await get(key);
  assert.deepEqual(read.splice(0), ["a", "b", "c"]);
  for (const key of ["a", "c"]) await get(key);
  assert.deepEqual(read.splice(0), []);
  await get("b");
  assert.deepEqual(read.splice(0), ["b"]);
  // A list that is longer than the limit is kept alone.
  for (const key of ["d", "d", "a"]) await get(key);
  assert.deepEqual(read.splice(0), ["d", "a"]);
  await get("d");
  assert.deepEqual(read, ["d"]);
});

test("ChangesCache reads a list again that could not be read", async () => {
  const { cache, get } = cacheOf({ a: 1 });
  const damaged = () => Promise.reject(new Error("damaged"));
  const failed = cache.get("a", damaged, NEVER);
  await assert.rejects(failed, /damaged/);
  assert.equal((await get("a")).length, 1);
});

test("ChangesCache ends reading when all requests are cancelled", async () => {
  const cache = new ChangesCache<number>();
  const signals: AbortSignal[] = [];
  const list = Promise.withResolvers<number[]>();
  const get = (signal: AbortSignal) =>
    cache.get("a", (signal) => {
      signals.push(signal);
      return list.promise;
    }, signal);
  const [one, other] = [new AbortController(), new AbortController()];
  const requests = [get(one.signal), get(other.signal)];
  one.abort();
  await assert.rejects(requests[0], { code: "aborted" });
  assert.deepEqual(signals.map(({ aborted }) => aborted), [false]);
  other.abort();
  await assert.rejects(requests[1], { code: "aborted" });
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
  // The next request does not wait for the work that was cancelled.
  const next = get(NEVER);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true, false]);
  list.resolve([1, 2]);
  assert.deepEqual(await next, [1, 2]);
});
