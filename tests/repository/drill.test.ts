import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

/** Makes two snapshots of ten files, two of which have deltas in the second. */
async function twoSnapshots(root: string) {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage);
  const large = noise(1_200_000, 9);
  for (let at = 0; at < 9; at++) {
    fs.writeFileSync(join(root, `${at}`), noise(9000, at + 1));
  }
  fs.writeFileSync(join(root, "large"), large);
  const first = await repository.snapshot(everything(root));
  large.set([1, 2, 3], 600_000);
  fs.writeFileSync(join(root, "large"), large);
  fs.appendFileSync(join(root, "4"), "more");
  const second = await repository.snapshot(everything(root));
  return { storage, repository, first: first.record, second: second.record };
}

test("drill() tests all files and all snapshots in turn, and stores the results", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const scratch = join(folder, "scratch");
    fs.mkdirSync(root);
    fs.mkdirSync(scratch);
    const { repository, first, second } = await twoSnapshots(root);
    const seen = new Map<string, Set<string>>();
    const run = async () => {
      const paths: string[] = [];
      const result = await repository.drill({
        files: 4,
        scratch,
        onProgress: ({ path }) => paths.push(path),
      });
      assert.deepEqual(result.failed, []);
      assert.equal(result.files, 4);
      assert.deepEqual(fs.readdirSync(scratch), []);
      const { id } = result.snapshot;
      const proof = (await repository.proofs()).get(id)!;
      assert.equal(proof.files, 4);
      assert.equal(proof.bytes, result.bytes);
      assert.ok(Date.now() - proof.time < 60_000);
      const all = seen.get(id) ?? new Set();
      for (const path of paths) all.add(path);
      seen.set(id, all);
      return result;
    };
    // The newest snapshot comes first, then the other one. Each drill tests the
    // next files.
    const order: string[] = [];
    for (let at = 0; at < 8; at++) {
      const { snapshot, withDeltas } = await run();
      order.push(snapshot.id);
      assert.equal(withDeltas, snapshot.id === second.id ? 2 : 0);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.deepEqual(order.slice(0, 2), [second.id, first.id]);
    assert.equal(order.filter((id) => id === first.id).length, 4);
    assert.equal(seen.get(first.id)!.size, 10);
    assert.equal(seen.get(second.id)!.size, 10);
    const { damage } = await repository.verify();
    assert.deepEqual(damage, []);
  });
});

test("drill() finds damaged files, and respects its limits", async () => {
  await withTemp(async (root) => {
    const { storage, repository, second } = await twoSnapshots(root);
    const small = await repository.drill({ snapshot: second, bytes: 20_000 });
    assert.equal(small.tooLarge, 1);
    assert.ok(small.bytes <= 20_000 && small.files >= 2);
    const volume = [...storage.objects.keys()]
      .find((name) => name.startsWith(`volumes/${second.id}`))!;
    storage.objects.get(volume)![40] ^= 1;
    const { failed, files } = await repository.drill({ snapshot: second });
    assert.deepEqual(failed.map(({ path }) => path).sort(), ["4", "large"]);
    assert.equal(files, 8);
    assert.equal((await repository.proofs()).get(second.id)!.failed, 2);
    await assert.rejects(repository.drill({ files: 0 }), RangeError);
    const empty = await Repository.create(new MemoryStorage());
    await assert.rejects(empty.drill(), { code: "not-found" });
  });
});

test("drill() tests files that exceed the limit together with those with deltas in turn", async () => {
  const cases = [
    {
      limit: { bytes: 200_000 },
      taken: [["large", "small"], ["changed"], ["large", "small"]],
    },
    {
      limit: { files: 1 },
      taken: [["large"], ["changed"], ["small"], ["changed"]],
    },
  ];
  for (const { limit, taken } of cases) {
    await withTemp(async (root) => {
      const repository = await Repository.create(new MemoryStorage());
      fs.writeFileSync(join(root, "large"), noise(150_000, 1));
      fs.writeFileSync(join(root, "small"), noise(1000, 2));
      fs.writeFileSync(join(root, "changed"), noise(80_000, 3));
      await repository.snapshot(everything(root));
      fs.appendFileSync(join(root, "changed"), "more");
      const { record } = await repository.snapshot(everything(root));
      const drills: string[][] = [];
      while (drills.length < taken.length) {
        const paths: string[] = [];
        await repository.drill({
          ...limit,
          snapshot: record,
          onProgress: ({ path }) => paths.push(path),
        });
        drills.push(paths);
      }
      assert.deepEqual(drills, taken);
    });
  }
});

test("drill() of a read-only repository reports that the result could not be stored", async () => {
  await withTemp(async (root) => {
    const { storage, repository } = await twoSnapshots(root);
    const refusal = new DeltarError("unsupported", "it is read-only");
    storage.put = () => Promise.reject(refusal);
    const { files, failed, unnoted } = await repository.drill();
    assert.deepEqual([files, failed, unnoted], [10, [], refusal]);
  });
});
