/** Snapshots of several directories. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join, sep } from "node:path";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { DirSet } from "../../lib/archive/dir_set.ts";
import { belowOf, placeOf } from "../../lib/repository/format/place_of.ts";
import {
  decodeRecord,
  encodeRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { directorySet, nameOfSet } from "../../lib/tree/directory_set.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { later } from "./helpers.ts";

function write(root: string, files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    const place = join(root, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(place, content);
  }
}

const FILES = {
  "a/src/f": "1",
  "b/src/f": "2",
  "other/f": "3",
  "a file": "4",
};

test("directorySet() finds the common folder, and omits directories inside others", async () => {
  await withTemp((folder) => {
    const root = fs.realpathSync(folder);
    write(root, { ...FILES, "a,{b}/f": "5" });
    const at = (...paths: string[]) =>
      directorySet(paths.map((path) => join(root, path)));
    assert.deepEqual(at("b/src", "a/src", "b/src"), {
      common: root,
      paths: ["a/src", "b/src"],
    });
    assert.deepEqual(at("a", "a/src", "b"), {
      common: root,
      paths: ["a", "b"],
    });
    assert.deepEqual(at("a/src", "a"), {
      common: join(root, "a"),
      paths: [""],
    });
    if (needsSymlinks.skip === undefined) {
      fs.symlinkSync("b", join(root, "link"));
      assert.deepEqual(at("link", "a").paths, ["a", "b"]);
    }
    const name = `${root}${sep}{a\\,\\{b\\},b}`;
    assert.equal(nameOfSet(at("a,{b}", "b")), name);
    assert.equal(nameOfSet({ common: "/", paths: ["a", "b"] }), "/{a,b}");
    const windows = { common: "C:\\Users", paths: ["a", "b"] };
    assert.equal(nameOfSet(windows), "C:\\Users\\{a,b}");
  });
});

test("DirSet() refuses arguments other than several directories", async () => {
  await withTemp((root) => {
    write(root, FILES);
    const make = (...paths: string[]) =>
      new DirSet(paths.map((path) => join(root, path)));
    assert.throws(() => make(), RangeError);
    assert.throws(() => make("a"), RangeError);
    assert.throws(() => make("a", "a/src"), RangeError);
    assert.throws(() => make("a", "none"), { code: "not-found" });
    assert.throws(() => make("a", "a file"), { code: "not-found" });
    assert.throws(() => new DirSet("a" as unknown as []), TypeError);
  });
});

test("snapshots of several directories follow each other, and are separate from those of one", async () => {
  await withTemp(async (folder) => {
    const root = fs.realpathSync(join(folder));
    const [dirs, cache] = [join(root, "dirs"), join(root, "cache")];
    write(dirs, FILES);
    const repository = await Repository.create(new MemoryStorage());
    const set = () => new DirSet([join(dirs, "a"), join(dirs, "b")]);
    const take = (dir: Dir) =>
      later(10, () => repository.snapshot(dir, { cache }));
    const first = (await take(set())).record;
    assert.equal(first.directory, join(dirs, "{a,b}"));
    assert.equal(first.common, dirs);
    const single = (await take(new Dir(dirs))).record;
    assert.equal(single.parent, undefined);
    assert.equal(single.common, undefined);
    assert.equal((await take(set())).isNew, false);
    // Other files next to the directories do not matter.
    write(dirs, { "other/g": "", "another": "" });
    assert.equal((await take(set())).isNew, false);
    write(dirs, { "b/src/f": "changed" });
    const second = (await take(set())).record;
    assert.equal(second.parent, first.id);
    assert.equal(second.counts.updated, 1);
    const { entries } = await repository.tree(second);
    assert.deepEqual(entries.map(({ path }) => path), [
      "a",
      "a/src",
      "a/src/f",
      "b",
      "b/src",
      "b/src/f",
    ]);
    // The rules treat the set as one directory.
    const plan = await repository.planPrune({ last: 1 });
    const kept = plan.judgements.filter(({ keep }) => keep);
    assert.deepEqual(
      kept.map(({ record }) => record.id).sort(),
      [second.id, single.id].sort(),
    );
    // A path in one of the directories leads to the set, whose directory is the
    // innermost one.
    await take(new Dir(dirs));
    const found = await repository.lastAt(join(dirs, "b/src"));
    assert.deepEqual([found?.record.id, found?.below], [second.id, "b/src"]);
    assert.equal(belowOf(second, join(dirs, "b/src")), "b/src");
    assert.equal(belowOf(second, join(dirs, "other")), undefined);
    assert.equal(belowOf(second, dirs), undefined);
  });
});

test("several directories are restored in place and elsewhere, and the restores are undone", async () => {
  await withTemp(async (folder) => {
    const root = fs.realpathSync(folder);
    const dirs = join(root, "dirs");
    write(dirs, FILES);
    const repository = await Repository.create(new MemoryStorage());
    const set = new DirSet([join(dirs, "a"), join(dirs, "b")]);
    const { record } = await repository.snapshot(set);
    fs.rmSync(join(dirs, "a"), { recursive: true });
    write(dirs, { "b/new": "new", "b/src/f": "changed", "new": "new" });
    await repository.restore(record, placeOf(record), { delete: true });
    const read = (path: string) => fs.readFileSync(join(dirs, path), "utf8");
    assert.deepEqual(fs.readdirSync(dirs).sort(), [
      "a",
      "a file",
      "b",
      "new",
      "other",
    ]);
    assert.deepEqual([read("a/src/f"), read("b/src/f")], ["1", "2"]);
    assert.ok(!fs.existsSync(join(dirs, "b/new")));
    await repository.revert(placeOf(record), { direction: "undo" });
    assert.ok(!fs.existsSync(join(dirs, "a")));
    assert.deepEqual([read("b/new"), read("b/src/f")], ["new", "changed"]);
    const target = join(root, "target");
    await repository.restore(record, target);
    assert.deepEqual(fs.readdirSync(target).sort(), ["a", "b"]);
  });
});

test("a record whose name hides the common folder is refused", async () => {
  await withTemp(async (root) => {
    write(root, FILES);
    const repository = await Repository.create(new MemoryStorage());
    const set = new DirSet([join(root, "a"), join(root, "b")]);
    const { record } = await repository.snapshot(set);
    assert.deepEqual(decodeRecord(encodeRecord(record), "x").common, set.path);
    const { rules = {} } = record;
    const wrong = [
      { common: "/" },
      { directory: "/home/me" },
      { rules: { ...rules, paths: ["a"] } },
      { rules: { ...rules, paths: undefined } },
    ];
    for (const fields of wrong) {
      const bytes = encodeRecord({ ...record, ...fields });
      assert.throws(() => decodeRecord(bytes, "x"), {
        code: "corrupt",
        message: /invalid `common`/,
      });
    }
  });
});
