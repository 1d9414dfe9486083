import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import type { VerifyProgress } from "../../lib/repository/verify/verify.ts";
import type { PruneResult } from "../../lib/repository/prune/prune.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { withTemp } from "../support/temp.ts";
import { copyOf, everything, noise } from "./helpers.ts";
import { lossOf, makeSample, readAll, type Sample } from "./harmed.ts";

/** The number of positions of each object that are damaged. */
const PLACES = process.env.SLOW ? 60 : 3;

let sample: Promise<Sample> | undefined;

/**
 * Damages a copy of the sample, and compares the reported damage with the
 * actual losses.
 */
async function harm(
  what: string,
  change: (objects: Map<string, Uint8Array>) => string[],
): Promise<void> {
  const { storage, contents } = await (sample ??= makeSample());
  const { storage: copy } = await copyOf(storage);
  const harmed = change(copy.objects);
  const { damage, leftOvers } = await verify(copy, true);
  const told = new Set([
    ...damage.map(({ object }) => object),
    ...leftOvers.map(({ name }) => name),
  ]);
  const loss = await readAll(copy, contents);
  const said = lossOf(damage.map((one) => ({
    ...one,
    lost: one.lost.filter((id) => contents.has(id)),
  })));
  assert.deepEqual(said, loss, what);
  // It is not known which objects only lost snapshots need.
  const unknown = loss.lost.length > 0 ? harmed.length - 1 : 0;
  const untold = harmed.filter((name) => !told.has(name));
  assert.ok(untold.length <= unknown, `${what}: ${untold}`);
}

async function verify(storage: MemoryStorage, data: boolean) {
  const repository = await Repository.open(storage, { onDamage: () => {} });
  return await repository.verify({ data });
}

async function names(): Promise<string[]> {
  return [...(await (sample ??= makeSample())).storage.objects.keys()];
}

test("verify() of an intact repository reports no damage and no left-overs", async () => {
  const { storage } = await (sample ??= makeSample());
  const folders = new Set((await names()).map((name) => name.split("/")[0]));
  assert.deepEqual(
    folders,
    new Set(["deltar.json", "volumes", "signatures", "trees", "snapshots"]),
  );
  for (const data of [false, true]) {
    const phases = new Set<string>();
    let last: VerifyProgress | undefined;
    const repository = await Repository.open(storage);
    const result = await repository.verify({
      data,
      onProgress: (progress) => {
        phases.add(progress.phase);
        last = progress;
      },
    });
    // The sample has one directory, so all sizes are known.
    assert.equal(last?.doneBytes, data ? last?.allBytes : 0);
    assert.equal(last?.allBytes !== undefined, data);
    assert.deepEqual(result.damage, []);
    assert.deepEqual(result.leftOvers, []);
    assert.equal(result.snapshots, 5);
    assert.equal(result.objects, storage.objects.size);
    const sizes = [...storage.objects.values()].map(({ length }) => length);
    assert.equal(result.bytes, sizes.reduce((sum, size) => sum + size));
    assert.deepEqual([...phases].sort(), ["files", "objects", "records"]);
  }
});

test("what a prune leaves behind for the next prune is no left-over", async () => {
  const { storage } = await (sample ??= makeSample());
  const { storage: copy, open } = await copyOf(storage);
  const repository = await open();
  await repository.prune({ last: 3 });
  const folders = new Set(
    [...copy.objects.keys()].map((name) => name.split("/")[0]),
  );
  assert.ok(folders.has("judged"));
  const { damage, leftOvers } = await repository.verify({ data: true });
  assert.deepEqual(damage, []);
  const left = leftOvers.map(({ name }) => name)
    .filter((name) => !/^(?:trees|volumes|signatures)\//.test(name));
  assert.deepEqual(left, []);
});

test("verify() names an object with a flipped bit and the affected files, which are never restored", async () => {
  for (const [at, name] of (await names()).entries()) {
    for (let place = 0; place < PLACES; place++) {
      await harm(`${name}, place ${place}`, (objects) => {
        const bytes = objects.get(name)!;
        const offset = place === 0
          ? 0
          : place === 1
          ? bytes.length - 1
          : Math.floor((bytes.length * (place - 1)) / (PLACES - 1)) - 1;
        bytes[offset] ^= 1 << ((at + place) % 8);
        return [name];
      });
    }
  }
});

test("verify() names a missing object and the affected files", async () => {
  for (const name of await names()) {
    if (name.startsWith("snapshots/")) continue;
    await harm(`${name} missing`, (objects) => {
      objects.delete(name);
      return [name];
    });
  }
});

test("verify() recognizes a missing record by the other objects of its snapshot", async () => {
  const { storage } = await (sample ??= makeSample());
  const all = [...storage.objects.keys()];
  const ids = all.filter((name) => name.startsWith("snapshots/"))
    .map((name) => name.slice("snapshots/".length, -".json".length));
  let told = 0;
  for (const [at, id] of ids.entries()) {
    const { storage: copy } = await copyOf(storage);
    copy.objects.delete(`snapshots/${id}.json`);
    const { damage, leftOvers, unrecorded } = await verify(copy, true);
    assert.deepEqual(damage, []);
    // If other snapshots need all objects, the record is not missed.
    if (leftOvers.length === 0) continue;
    told++;
    const wasThere = at < ids.length - 1;
    assert.deepEqual(unrecorded, [{ id, objects: leftOvers, wasThere }]);
    for (const { name } of leftOvers) assert.ok(name.includes(id));
    // A snapshot that was removed, is running or was replaced is not reported.
    for (const folder of ["removed", "running", "damaged/snapshots"]) {
      const name = `${folder}/${id}.json`;
      copy.objects.set(name, storage.objects.get(`snapshots/${id}.json`)!);
      assert.deepEqual((await verify(copy, false)).unrecorded, [], name);
      copy.objects.delete(name);
    }
    const label = `labels/${id}.${id}.json`;
    copy.objects.set(label, storage.objects.get("deltar.json")!);
    assert.equal((await verify(copy, false)).unrecorded[0].wasThere, true);
  }
  assert.ok(told >= 3, `${told}`);
});

test("verify() names an object with a wrong length and the affected files", async () => {
  for (const name of await names()) {
    for (
      const part of process.env.SLOW ? [0, 0.1, 0.5, 0.9, -1, 1] : [0.5, 1]
    ) {
      await harm(`${name} cut to ${part}`, (objects) => {
        const bytes = objects.get(name)!;
        const length = part < 0
          ? bytes.length - 1
          : part === 1
          ? bytes.length + 1
          : Math.floor(bytes.length * part);
        const other = new Uint8Array(length);
        other.set(bytes.subarray(0, length));
        objects.set(name, other);
        return [name];
      });
    }
  }
});

test("verify() names swapped objects and the affected files", async () => {
  const all = await names();
  for (const [at, name] of all.entries()) {
    const other = all[(at + 1) % all.length];
    await harm(`${name} and ${other} swapped`, (objects) => {
      const bytes = objects.get(name)!;
      objects.set(name, objects.get(other)!);
      objects.set(other, bytes);
      return [name, other];
    });
  }
});

test("verify() finds an object under a second name", async () => {
  for (const name of await names()) {
    const copy = name.replace(/T\d{6}Z/, "T000000Z").replace("deltar", "d");
    await harm(`${name} twice`, (objects) => {
      objects.set(copy, objects.get(name)!);
      return [copy];
    });
  }
});

test("verify() without the data finds missing and truncated objects", async () => {
  const { storage, contents } = await (sample ??= makeSample());
  for (const name of await names()) {
    const { storage: copy } = await copyOf(storage);
    copy.objects.set(name, copy.objects.get(name)!.slice(1));
    const { damage } = await verify(copy, false);
    assert.ok(damage.some(({ object }) => object === name), name);
    assert.deepEqual(lossOf(damage), await readAll(copy, contents), name);
  }
});

test("verify() finds a replaced record by its child", async () => {
  const { storage } = await (sample ??= makeSample());
  const { storage: copy } = await copyOf(storage);
  const repository = await Repository.open(copy);
  const [first, second] = await repository.snapshots();
  const { encodeRecord } = await import(
    "../../lib/repository/format/snapshot_record.ts"
  );
  const name = `snapshots/${first.id}.json`;
  copy.objects.set(name, encodeRecord({ ...first, label: "forged" }));
  const { damage } = await repository.verify();
  assert.deepEqual(damage.map(({ object }) => object), [name]);
  assert.ok(damage[0].message.includes(second.id));
});

test("what a prune deletes or repacks at the same time is not reported as missing or damaged", async () => {
  await withTemp(async (root) => {
    const undamaged = new MemoryStorage();
    const source = await Repository.create(undamaged);
    for (let at = 0; at < 4; at++) {
      fs.writeFileSync(join(root, `${at}`), noise(900_000, at));
    }
    const { record } = await source.snapshot(everything(root));
    for (let at = 0; at < 3; at++) fs.unlinkSync(join(root, `${at}`));
    await source.snapshot(everything(root));
    await source.forget(record);
    for (const folder of ["trees/", "volumes/"]) {
      const { storage, open } = await copyOf(undamaged);
      let pruned: Promise<PruneResult> | undefined;
      const prune = async () =>
        await (pruned ??= (await open()).prune({}, { grace: 0 }));
      const slow: Storage = {
        location: storage.location,
        async *get(name, options) {
          if (name.startsWith(folder)) await prune();
          yield* storage.get(name, options);
        },
        put: (name, source, options) => storage.put(name, source, options),
        list: (prefix) => storage.list(prefix),
        delete: (name) => storage.delete(name),
      };
      const repository = await Repository.open(slow);
      const { damage, unrecorded, rebuilt } = await repository
        .verify({ data: true });
      assert.equal((await pruned)?.repacked, 1);
      assert.deepEqual([damage, unrecorded, rebuilt], [[], [], 1], folder);
    }
  });
});
