import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything, later } from "./helpers.ts";

test("a snapshot is labelled anew, and its record stays as it was", async () => {
  await withTemp(async (root) => {
    writeFileSync(join(root, "a"), "a");
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const labels = async () =>
      (await repository.snapshots()).map(({ label }) => label);
    const { record } = await repository
      .snapshot(everything(root), { label: "first" });
    await repository.snapshot(everything(root), { label: "second" });
    const name = `snapshots/${record.id}.json`;
    const before = storage.objects.get(name)!;

    const again = await repository.label(record, "better");
    assert.equal(again.label, "better");
    assert.deepEqual(await labels(), ["better", "second"]);
    assert.equal((await repository.find(record.id)).label, "better");
    // The last word counts, even if the clock goes back.
    await later(-7200, () => repository.label(record, "best"));
    assert.deepEqual(await labels(), ["best", "second"]);
    await repository.label(record, undefined);
    assert.deepEqual(await labels(), [undefined, "second"]);
    await repository.label(record, "again");
    assert.deepEqual(await labels(), ["again", "second"]);
    assert.deepEqual(storage.objects.get(name), before);

    const { damage, leftOvers } = await repository.verify({ data: true });
    assert.deepEqual([damage, leftOvers], [[], []]);
    await repository.snapshot(everything(root), { label: "third" });
    assert.deepEqual((await repository.verify()).damage, []);

    // A damaged label is told, and gives way to the one before.
    const last = [...storage.objects.keys()]
      .filter((name) => name.startsWith("labels/")).sort().at(-1)!;
    storage.objects.get(last)![20] ^= 1;
    const told: string[] = [];
    const records = await repository.snapshots({
      onDamage: (error) => void told.push(error.object!),
    });
    assert.equal(records[0].label, undefined);
    assert.deepEqual(told, [last]);
    const { damage: found } = await repository.verify();
    assert.deepEqual(found.map(({ object, kind }) => [object, kind]), [
      [last, "note"],
    ]);
  });
});
