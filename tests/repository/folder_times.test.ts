import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { MemoryStorage, Repository, type SnapshotOptions } from "../../mod.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

/** Makes a directory with a snapshot, and a function that takes more. */
async function prepare(temp: string) {
  const root = join(temp, "folder");
  const at = (path: string) => join(root, path);
  fs.mkdirSync(at("sub"), { recursive: true });
  fs.writeFileSync(at("sub/notes.md"), "first\n");
  const repository = await Repository.create(new MemoryStorage());
  const take = async (options: SnapshotOptions = {}) => {
    const { isNew, record, diff } = await repository.snapshot(
      everything(root),
      { ignoreFolderTimes: true, ...options },
    );
    return { isNew, id: record.id, touched: diff.counts.touched };
  };
  return { root, at, repository, take };
}

/** The options, with and without a cache. */
const caches: readonly [string, (temp: string) => SnapshotOptions][] = [
  ["with a cache", (temp) => ({ cache: join(temp, "cache") })],
  ["without a cache", () => ({})],
];

for (const [name, options] of caches) {
  test(`snapshot() with ignoreFolderTimes takes no snapshot if only times of folders changed, ${name}`, () =>
    withTemp(async (temp) => {
      const { at, repository, take } = await prepare(temp);
      const cached = options(temp);
      const { id } = await take(cached);
      fs.utimesSync(at("sub"), 1, 1);
      for (let time = 0; time < 2; time++) {
        assert.deepEqual(await take(cached), { isNew: false, id, touched: 1 });
      }
      // The next snapshot without the option stores the time.
      const all = { ...cached, ignoreFolderTimes: false };
      assert.equal((await take(all)).isNew, true);
      assert.equal((await take(all)).isNew, false);
      const entry = await repository.lookup(
        await repository.find("latest"),
        "sub",
      );
      assert.equal(entry?.mtime, 1_000_000_000n);
    }));
}

test("snapshot() with ignoreFolderTimes stores every other change", () =>
  withTemp(async (temp) => {
    const { at, take } = await prepare(temp);
    await take();
    const changes: Record<string, () => void> = {
      "the time of a file": () => fs.utimesSync(at("sub/notes.md"), 1, 1),
      "the content of a file": () => fs.appendFileSync(at("sub/notes.md"), "x"),
      "a new folder": () => fs.mkdirSync(at("empty")),
      "a deleted folder": () => fs.rmdirSync(at("empty")),
    };
    if (process.platform !== "win32") {
      changes["the mode of a folder"] = () => fs.chmodSync(at("sub"), 0o700);
      changes["the mode of the directory"] = () => fs.chmodSync(at(""), 0o700);
    }
    for (const [name, change] of Object.entries(changes)) {
      change();
      assert.equal((await take()).isNew, true, name);
    }
  }));

test("snapshot() with ignoreFolderTimes takes snapshots with labels, and the first one at a new path", () =>
  withTemp(async (temp) => {
    const { root, repository, take } = await prepare(temp);
    await take();
    fs.utimesSync(join(root, "sub"), 1, 1);
    assert.equal((await take({ label: "kept" })).isNew, true);
    fs.utimesSync(join(root, "sub"), 2, 2);
    const isLabelled = { label: "not kept", onlyIfChanged: true };
    assert.equal((await take(isLabelled)).isNew, false);
    const moved = join(temp, "moved");
    fs.renameSync(root, moved);
    const { isNew } = await repository.snapshot(everything(moved), {
      ignoreFolderTimes: true,
      continues: root,
    });
    assert.equal(isNew, true);
  }));
