import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { withTemp } from "../support/temp.ts";
import { everything, later } from "./helpers.ts";

test("label() changes the label of a snapshot, and its record does not change", async () => {
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
    // The last label counts, even if the clock is set back.
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

    // A damaged label is reported, and the label before it counts.
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

test("Repository.find() finds a snapshot with a label of a later version, and prune() refuses", async () => {
  await withTemp(async (root) => {
    writeFileSync(join(root, "a"), "a");
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository
      .snapshot(everything(root), { label: "first" });
    await repository.label(record, "second");
    const name = `labels/${record.id}.20990101T000000Z-000000.json`;
    const fields = { snapshot: record.id, label: "third" };
    await storage.put(name, encodeLines("deltar-label", 2, fields, []));

    for (const text of [record.id, "latest"]) {
      assert.equal((await repository.find(text)).label, "second");
    }
    await repository.restore(record, join(root, "restored"));
    const told: string[] = [];
    const records = await repository.snapshots({
      onDamage: ({ code, object }) => told.push(`${code} ${object}`),
    });
    assert.deepEqual(records.map(({ label }) => label), ["second"]);
    assert.deepEqual(told, [`unsupported ${name}`]);
    // Rules can keep snapshots with labels, so the label has to be known.
    const unsupported = { name: "DeltarError", code: "unsupported" };
    await assert.rejects(repository.snapshots(), unsupported);
    await assert.rejects(repository.prune({ last: 1 }), unsupported);
  });
});

test("find({ label }) finds a label that has another meaning in a text", async () => {
  await withTemp(async (root) => {
    writeFileSync(join(root, "a"), "a");
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository
      .snapshot(everything(root), { label: "latest" });
    const second = await repository
      .snapshot(everything(root), { label: record.id });
    assert.equal((await repository.find({ label: "latest" })).id, record.id);
    assert.equal((await repository.find("latest")).id, second.record.id);
    const labelled = await repository.find({ label: record.id });
    assert.equal(labelled.id, second.record.id);
    // Neither an id nor a time is a label.
    for (const label of [second.record.id, "today", "nothing"]) {
      await assert.rejects(repository.find({ label }), {
        code: "not-found",
        message: `memory: no snapshot has the label ${JSON.stringify(label)}`,
      });
    }
    await repository.snapshot(everything(root), { label: "latest" });
    await assert.rejects(repository.find({ label: "latest" }), {
      code: "not-found",
      message: /is the label of 2 snapshots/,
    });
  });
});
