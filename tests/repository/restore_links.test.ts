import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { restoreTree } from "../../lib/repository/restore/restore.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything, storeOf } from "./helpers.ts";

/** Runs `work` with a snapshot of a file with three names. */
function withLinks(
  work: (
    repository: Repository,
    record: SnapshotRecord,
    target: string,
  ) => Promise<void>,
): Promise<void> {
  return withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "1"), "linked");
    fs.linkSync(join(root, "1"), join(root, "2"));
    fs.linkSync(join(root, "1"), join(root, "3"));
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(root));
    await work(repository, record, join(folder, "target"));
  });
}

/** Asserts that the two other names are one file with the right content. */
function assertLinked(target: string): void {
  const [second, third] = ["2", "3"].map((name) => join(target, name));
  assert.equal(fs.readFileSync(second, "utf8"), "linked");
  const { ino, nlink } = fs.statSync(second);
  assert.deepEqual([ino, nlink], [fs.statSync(third).ino, 2]);
}

test("restore() restores hard links if another entry blocks their first name [R4]", async () => {
  await withLinks(async (repository, record, target) => {
    fs.mkdirSync(join(target, "1/mine"), { recursive: true });
    const plan = await repository.planRestore(record, target);
    const done = await repository.restore(record, target);
    for (const { failed } of [plan, done]) {
      assert.deepEqual(failed.map(({ path }) => path), ["1"]);
    }
    assert.deepEqual([done.files, done.links], [1, 1]);
    assertLinked(target);
    const again = await repository.restore(record, target);
    assert.deepEqual([again.files, again.links, again.kept], [0, 0, 2]);
  });
});

for (const names of [["there"], []]) {
  const what = names.length === 0 ? "an empty directory" : "a directory";
  test(`restore() to ${what} restores hard links if their first name is created in the meantime [R4]`, async () => {
    await withLinks(async (repository, record, target) => {
      fs.mkdirSync(target);
      for (const name of names) fs.writeFileSync(join(target, name), name);
      let isFirst = true;
      const onStep = (step: string) => {
        if (step !== "write" || !isFirst) return;
        isFirst = false;
        fs.writeFileSync(join(target, "1"), "somebody else's");
      };
      const { failed } = await restoreTree(
        await storeOf(repository),
        record,
        target,
        {},
        {
          onStep,
        },
      );
      assert.deepEqual(failed.map(({ path }) => path), ["1"]);
      assert.equal(
        fs.readFileSync(join(target, "1"), "utf8"),
        "somebody else's",
      );
      assertLinked(target);
    });
  });
}

test("restore() names all paths that it does not change because the files could not be saved first", async () => {
  await withLinks(async (repository, record, target) => {
    fs.mkdirSync(join(target, "1"), { recursive: true });
    fs.writeFileSync(join(target, "1/mine"), "mine");
    fs.writeFileSync(join(target, "1/other"), "other");
    const onStep = (step: string) => {
      if (step === "begin journal") fs.rmSync(join(target, "1/mine"));
    };
    const { failed } = await restoreTree(
      await storeOf(repository),
      record,
      target,
      {
        delete: true,
      },
      { onStep },
    );
    assert.deepEqual(failed.map(({ path }) => path).sort(), [
      "1",
      "1/mine",
      "1/other",
    ]);
    assert.deepEqual(fs.readdirSync(join(target, "1")), ["other"]);
    assertLinked(target);
  });
});
