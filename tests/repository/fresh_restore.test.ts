import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

/** A repository with a snapshot of entries of each kind. */
interface Shop {
  repository: Repository;
  storage: MemoryStorage;
  record: SnapshotRecord;
  source: string;
  target: string;
}

async function withShop(work: (shop: Shop) => Promise<void>): Promise<void> {
  await withTemp(async (temp) => {
    const folder = fs.realpathSync(temp);
    const source = join(folder, "source");
    fs.mkdirSync(join(source, "sub/deep"), { recursive: true });
    fs.mkdirSync(join(source, "empty"));
    fs.writeFileSync(join(source, "a"), "a");
    fs.writeFileSync(join(source, "sub/b"), "b");
    fs.writeFileSync(join(source, "sub/deep/c"), "c".repeat(300_000));
    if (process.platform !== "win32") {
      fs.linkSync(join(source, "a"), join(source, "sub/link"));
      fs.symlinkSync("../nowhere", join(source, "sub/symlink"));
    }
    // Not every runtime can set a time to the nanosecond.
    roundTimes(source);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository.snapshot(everything(source));
    const target = join(folder, "to/target");
    await work({ repository, storage, record, source, target });
  });
}

async function namesIn(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list()) names.push(name);
  return names.sort();
}

const nothingToUndo = { code: "not-found", message: /nothing to undo/ };

test("revert() deletes the restored files, and the directory that the restore created [T7]", async () => {
  await withShop(async ({ repository, storage, record, source, target }) => {
    const before = await namesIn(storage);
    const done = await repository.restore(record, target);
    assert.equal(done.safety, undefined);
    const added = (await namesIn(storage)).filter((name) =>
      !before.includes(name)
    );
    assert.equal(added.length, 1, `one small object: ${added}`);
    assert.match(added[0], /^restores\//);
    assert.ok(await repository.isRestoreTarget(target));
    const plan = await repository.planRevert(target);
    assert.deepEqual(plan.failed, []);
    assert.ok(plan.steps.every(({ action }) => action === "delete"));
    assert.deepEqual(stateOf(target), stateOf(source));
    const undone = await repository.revert(target);
    assert.deepEqual(undone.failed, []);
    assert.equal(undone.deleted, plan.steps.length);
    assert.equal(fs.existsSync(target), false);
    assert.equal(fs.existsSync(join(target, "..")), true);
    await assert.rejects(() => repository.revert(target), nothingToUndo);

    const redone = await repository.revert(target, { direction: "redo" });
    assert.deepEqual(redone.failed, []);
    assert.deepEqual(stateOf(target), stateOf(source));
    await repository.revert(target);
    assert.deepEqual(stateOf(target), {});
    const { damage, leftOvers } = await repository.verify({ data: true });
    assert.deepEqual([damage, leftOvers], [[], []]);
  });
});

test("revert() empties a directory that existed before, and keeps it [T7]", async () => {
  await withShop(async ({ repository, record, target }) => {
    fs.mkdirSync(target, { recursive: true });
    await repository.restore(record, target, { paths: ["sub"] });
    assert.ok(fs.existsSync(join(target, "sub/b")));
    const { failed } = await repository.revert(target);
    assert.deepEqual(failed, []);
    assert.deepEqual(fs.readdirSync(target), []);
  });
});

test("revert() keeps and names files that were changed or added since the restore [T7]", async () => {
  await withShop(async ({ repository, record, target }) => {
    await repository.restore(record, target);
    const write = (path: string, text: string) =>
      fs.writeFileSync(join(target, path), text);
    // Even a file with the same length and time counts as changed.
    const { atime, mtime } = fs.statSync(join(target, "sub/b"));
    write("sub/b", "B");
    fs.utimesSync(join(target, "sub/b"), atime, mtime);
    fs.mkdirSync(join(target, "empty/mine"));
    write("empty/mine/x", "x");
    write("new", "new");
    fs.rmSync(join(target, "a"));
    fs.mkdirSync(join(target, "a"));
    const { failed, deleted } = await repository.revert(target);
    assert.deepEqual(
      failed.map(({ path, error }) =>
        `${path}: ${(error as DeltarError).message}`
      ).map((text) => text.replace(/^(.*): \1/, "$1")),
      [
        "a: not deleted, because the entry was changed after the restore",
        "empty/mine: not deleted, because the entry was added after the restore",
        "new: not deleted, because the entry was added after the restore",
        "sub/b: not deleted, because the entry was changed after the restore",
      ],
    );
    assert.ok(deleted > 0);
    assert.deepEqual(Object.keys(stateOf(target)).sort(), [
      "a",
      "empty",
      "empty/mine",
      "empty/mine/x",
      "new",
      "sub",
      "sub/b",
    ]);
    assert.equal(fs.readFileSync(join(target, "sub/b"), "utf8"), "B");
    await repository.revert(target, { direction: "redo" });
    assert.ok(fs.existsSync(join(target, "sub/deep/c")));
  });
});

test("revert() of some paths keeps the others [T7]", async () => {
  await withShop(async ({ repository, record, target }) => {
    await repository.restore(record, target);
    await repository.revert(target, { paths: ["sub"] });
    assert.deepEqual(fs.readdirSync(target).sort(), ["a", "empty"]);
    const { failed } = await repository.revert(target);
    assert.deepEqual(failed, []);
    assert.ok(!fs.existsSync(join(target, "a")));
  });
});

test("revert() undoes restore after restore, down to the empty directory [T7]", async () => {
  await withShop(async ({ repository, record, source, target }) => {
    fs.writeFileSync(join(source, "a"), "second");
    fs.writeFileSync(join(source, "later"), "later");
    const { record: second } = await repository.snapshot(everything(source));
    await repository.restore(record, target);
    const first = stateOf(target);
    await repository.restore(second, target);
    await repository.revert(target);
    assert.deepEqual(stateOf(target), first);
    await repository.revert(target);
    assert.ok(!fs.existsSync(target));
    await assert.rejects(() => repository.revert(target), nothingToUndo);
  });
});

test("revert() undoes a restore of a folder of a snapshot [T7]", async () => {
  await withShop(async ({ repository, record, target }) => {
    await repository.restore(record, target, { from: "sub" });
    assert.ok(fs.existsSync(join(target, "deep/c")));
    const { failed } = await repository.revert(target);
    assert.deepEqual(failed, []);
    assert.ok(!fs.existsSync(target));
  });
});

test("revert() undoes an interrupted restore into a new directory [T7]", async () => {
  await withShop(async ({ repository, record, target }) => {
    const end = new AbortController();
    await assert.rejects(() =>
      repository.restore(record, target, {
        signal: end.signal,
        onProgress: ({ entries }) => {
          if (entries === 2) end.abort();
        },
      }), { code: "aborted" });
    assert.notDeepEqual(fs.readdirSync(target), []);
    const { failed } = await repository.revert(target);
    assert.deepEqual(failed, []);
    assert.ok(!fs.existsSync(target));
  });
});

/** Wraps a storage that refuses to store objects. */
function readOnly(storage: Storage): Storage {
  const refuse = () =>
    Promise.reject(new DeltarError("denied" as "io", "permission denied"));
  return {
    location: storage.location,
    get: (name, options) => storage.get(name, options),
    list: (prefix) => storage.list(prefix),
    put: refuse,
    delete: refuse,
  };
}

test("restore() from a read-only repository succeeds without a note [T7]", async () => {
  await withShop(async ({ storage, record, source, target }) => {
    const repository = await Repository.open(readOnly(storage));
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual(stateOf(target), stateOf(source));
    await assert.rejects(() => repository.revert(target), {
      code: "not-found",
      message: /read-only repository.*delete the restored files/,
    });
    assert.deepEqual(stateOf(target), stateOf(source));
  });
});

test("revert() reports that the restored snapshot no longer exists [T7]", async () => {
  await withShop(async ({ repository, record, source, target }) => {
    await repository.restore(record, target);
    fs.writeFileSync(join(source, "a"), "second");
    await repository.snapshot(everything(source));
    await repository.forget(record);
    await assert.rejects(() => repository.revert(target), {
      code: "not-found",
      message: /snapshot was removed.*deltar undelete/,
    });
    await repository.undelete(record.id);
    await repository.revert(target);
    assert.ok(!fs.existsSync(target));
  });
});

test("prune() deletes notes of restores with their snapshots or after 30 days [T7]", async () => {
  await withShop(async ({ repository, storage, record, source, target }) => {
    await repository.restore(record, target);
    const notes = async () =>
      (await namesIn(storage)).filter((name) => /^restores/.test(name)).length;
    await repository.prune();
    assert.equal(await notes(), 1);
    const now = Date.now;
    try {
      Date.now = () => now() + 31 * 86_400_000;
      await repository.prune();
    } finally {
      Date.now = now;
    }
    assert.equal(await notes(), 0);
    await repository.restore(record, join(target, "../other"));
    fs.writeFileSync(join(source, "a"), "second");
    await repository.snapshot(everything(source));
    await repository.forget(record);
    await repository.prune({}, { grace: 0, patience: 0 });
    assert.equal(await notes(), 0);
  });
});
