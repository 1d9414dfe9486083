import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

test("the history of a file names each version once, and where it was gone", async () => {
  await withTemp(async (root) => {
    const repository = await Repository.create(new MemoryStorage());
    const file = join(root, "a");
    const take = async (label: string) =>
      (await repository.snapshot(everything(root), { label })).record;
    fs.writeFileSync(join(root, "other"), "1");
    await take("before it");
    fs.writeFileSync(file, "one");
    await take("first");
    fs.writeFileSync(join(root, "other"), "2");
    await take("of another");
    fs.utimesSync(file, 1, 1);
    await take("only its time");
    fs.writeFileSync(file, "three");
    await take("second");
    fs.rmSync(file);
    await take("deleted");
    await take("still deleted");
    fs.writeFileSync(file, "one");
    await take("back");
    const versions = await repository.history(root, "a");
    assert.deepEqual(
      versions.map(({ record, entry }) => [record.label, entry?.size]),
      [["back", 3], ["deleted", undefined], ["second", 5], ["first", 3]],
    );
    assert.deepEqual(await repository.history(root, "never"), []);
    assert.deepEqual(await repository.history(`${root}-other`, "a"), []);
    await assert.rejects(repository.history(root, "../a"), { code: "unsafe" });
  });
});

test("a history takes no path that a snapshot skipped for deleted [S10]", async () => {
  await withTemp(async (root) => {
    const repository = await Repository.create(new MemoryStorage());
    fs.mkdirSync(join(root, "folder"));
    const file = join(root, "folder/a");
    const take = async (label: string, excludes: string[] = []) =>
      await repository.snapshot(new Walker(root, { excludes }), { label });
    fs.writeFileSync(file, "one");
    await take("first");
    await take("skipped", ["/folder/"]);
    await take("still skipped", ["a"]);
    await take("seen again");
    fs.writeFileSync(file, "three");
    await take("second");
    fs.rmSync(file);
    await take("deleted");
    const versions = await repository.history(root, "folder/a");
    assert.deepEqual(
      versions.map(({ record, entry }) => [record.label, entry?.size]),
      [["deleted", undefined], ["second", 5], ["first", 3]],
    );
  });
});

test("a history passes over snapshots that are damaged, and says so", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    for (const text of ["one", "two"]) {
      fs.writeFileSync(join(root, "a"), text);
      await repository.snapshot(everything(root));
    }
    const [first] = await repository.snapshots();
    storage.objects.set(first.layers[0].name, new Uint8Array(10));
    await assert.rejects(repository.history(root, "a"), { code: "truncated" });
    const told: string[] = [];
    const versions = await repository.history(root, "a", {
      onDamage: ({ code }) => told.push(code),
    });
    assert.ok(told.length > 0);
    assert.ok(told.every((code) => code === "truncated"));
    assert.ok(versions.every(({ record }) => record.id !== first.id));
  });
});
