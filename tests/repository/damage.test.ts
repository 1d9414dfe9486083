import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { withTemp } from "../support/temp.ts";

/**
 * Makes two snapshots of a directory, and damages the newest object in a
 * folder.
 */
async function damaged(folder: string, objects: string) {
  const root = join(folder, "tree");
  mkdirSync(root);
  writeFileSync(join(root, "kept"), "kept");
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage);
  const dir = new Walker(root);
  const { record: first } = await repository.snapshot(dir);
  writeFileSync(join(root, "more"), "more");
  const { record: second } = await repository.snapshot(dir);
  const name = [...storage.objects.keys()]
    .filter((name) => name.startsWith(objects)).sort().at(-1)!;
  storage.objects.get(name)![20] ^= 1;
  return { root, repository, dir, first, second, name };
}

for (const objects of ["snapshots/", "trees/"]) {
  test(`snapshot() succeeds despite damage in ${objects}`, async () => {
    await withTemp(async (folder) => {
      const { root, repository, dir, name } = await damaged(folder, objects);
      await assert.rejects(repository.snapshot(dir), { code: "corrupt" });
      const told: string[] = [];
      writeFileSync(join(root, "third"), "third");
      const { record, isNew } = await repository.snapshot(dir, {
        onDamage: (error) => told.push(error.message),
      });
      assert.equal(isNew, true);
      assert.equal(told.length, 1);
      assert.ok(told[0].startsWith(`${name}: `));
      await repository.restore(record, join(folder, "restored"));
      for (const file of ["kept", "more", "third"]) {
        assert.equal(
          readFileSync(join(folder, "restored", file), "utf8"),
          file,
        );
      }
    });
  });
}

test("snapshots() names a damaged record, and lists the others", async () => {
  await withTemp(async (folder) => {
    const { repository, first, name } = await damaged(folder, "snapshots/");
    await assert.rejects(repository.snapshots(), { code: "corrupt" });
    const told: (string | undefined)[] = [];
    const records = await repository.snapshots({
      onDamage: (error) => void told.push(error.object),
    });
    assert.deepEqual(records.map(({ id }) => id), [first.id]);
    assert.deepEqual(told, [name]);
  });
});
