import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import {
  dieAt,
  failAt,
  failByChance,
  type Fault,
  FaultyStorage,
  isInjected,
} from "../support/faulty_storage.ts";
import { conforms, count } from "./conforms.ts";

conforms(
  "faulty without faults",
  (work) => work(new FaultyStorage(new MemoryStorage())),
);
conforms(
  "faulty, only slow",
  (work) =>
    work(
      new FaultyStorage(new MemoryStorage(), failByChance(1, 0.5, ["slow"])),
    ),
);

async function names(storage: Storage, prefix?: string): Promise<string[]> {
  return (await Array.fromAsync(storage.list(prefix))).map(({ name }) => name);
}

test("faulty: each kind of fault has the described effect", async () => {
  const old = ["a", "b", "c", "d"];
  const expected: Record<Exclude<Fault, "slow">, {
    put: string[];
    delete: string[];
    get: number;
    list: number;
  }> = {
    before: { put: old, delete: old, get: 0, list: 0 },
    after: { put: [...old, "x"], delete: ["b", "c", "d"], get: 10, list: 4 },
    reset: { put: old, delete: old, get: 5, list: 2 },
    short: { put: old, delete: old, get: 5, list: 2 },
    stale: { put: [...old, "x"], delete: ["b", "c", "d"], get: 10, list: 1 },
  };
  for (const [fault, result] of Object.entries(expected)) {
    const fresh = async () => {
      const inner = new MemoryStorage();
      // The fifth operation fails.
      const storage = new FaultyStorage(inner, failAt(5, fault as Fault));
      for (const name of old) await storage.put(name, count(10));
      return { inner, storage };
    };
    const fails = async (work: () => Promise<unknown>) => {
      try {
        await work();
        assert.ok(["short", "stale"].includes(fault), fault);
      } catch (error) {
        assert.ok(isInjected(error), String(error));
        assert.equal((error as { code: string }).code, "io");
      }
    };
    for (const kind of ["put", "delete"] as const) {
      const { inner, storage } = await fresh();
      await fails(() =>
        kind === "put" ? storage.put("x", count(10)) : storage.delete("a")
      );
      assert.deepEqual(await names(inner), result[kind], `${fault} ${kind}`);
      assert.equal(storage.calls[4].fault, fault);
    }
    for (const kind of ["get", "list"] as const) {
      const { storage } = await fresh();
      let seen = 0;
      await fails(async () => {
        if (kind === "list") { for await (const _ of storage.list()) seen++; }
        else for await (const part of storage.get("a")) seen += part.length;
      });
      assert.equal(seen, result[kind], `${fault} ${kind}`);
    }
  }
});

test("faulty: a stale list has deleted objects until it is current", async () => {
  const storage = new FaultyStorage(new MemoryStorage(), failAt(5, "stale"));
  await storage.put("a", count(1));
  await storage.delete("a");
  await storage.put("b", count(2));
  await storage.put("b", count(3));
  assert.deepEqual(await Array.fromAsync(storage.list()), [
    { name: "a", size: 1 },
  ]);
  assert.deepEqual(await Array.fromAsync(storage.list()), [
    { name: "b", size: 3 },
  ]);
});

test("faulty: after a crash, every operation fails", async () => {
  const inner = new MemoryStorage();
  const storage = new FaultyStorage(inner, dieAt(2, "after"));
  await storage.put("a", count(1));
  await assert.rejects(storage.put("b", count(1)), isInjected);
  await assert.rejects(storage.put("c", count(1)), isInjected);
  await assert.rejects(collect(storage.get("a")), isInjected);
  assert.deepEqual(await names(inner), ["a", "b"]);
});

test("faulty: random faults depend only on the seed, and have the given frequency", () => {
  const operation = { number: 1, kind: "get", name: "" } as const;
  const draw = (seed: number) => {
    const plan = failByChance(seed, 0.2);
    return Array.from({ length: 1000 }, () => plan(operation));
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  const hits = draw(7).filter((fault) => fault !== undefined);
  assert.ok(hits.length > 150 && hits.length < 250, `${hits.length}`);
  assert.equal(new Set(hits).size, 4);
});
