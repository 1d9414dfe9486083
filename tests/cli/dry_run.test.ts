import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Place, withPlace } from "./helpers.ts";

/**
 * Returns the paths, sizes and times of all files in the place, except those
 * that Bun writes.
 */
function filesOf(place: Place): string[] {
  const names = fs.readdirSync(place.folder, { recursive: true })
    .filter((name) => !/^home\/cache(?:\/bun\b.*)?$|^home$/.test(`${name}`));
  return names.map((name) => {
    const { size, mtimeNs, ino } = fs.lstatSync(join(place.folder, `${name}`), {
      bigint: true,
    });
    return `${name} ${size} ${mtimeNs} ${ino}`;
  }).sort();
}

/** Makes a dry run, and checks that it writes nothing. */
function dryRun(place: Place, ...words: string[]) {
  const before = filesOf(place);
  const done = place.run(["snapshot", "--dry-run", ...words]);
  assert.deepEqual(filesOf(place), before);
  return done;
}

test("snapshot --dry-run writes nothing for the first snapshot", async () => {
  await withPlace((place) => {
    place.write({ a: "1", "sub/b": "22", c: "3" });
    const { code, out, err } = dryRun(place, "--exclude", "c");
    assert.equal(code, 0, err);
    assert.match(out, /^Would take a snapshot of .*root\n {2}found {7}2 files/);
    assert.match(out, /\n {2}read {8}3 B\n/);
    assert.match(out, /repository .*, which would be created\n/);
    assert.match(out, /\n {2}excluded {4}1 path\n/);
    assert.match(out, /\nThis was a dry run\. Nothing was written\.\n$/);
  });
});

test("snapshot --dry-run shows what the next snapshot stores", async () => {
  await withPlace((place) => {
    place.write({ a: "1", b: "2".repeat(50_000), gone: "3" });
    place.run(["snapshot"]);
    const same = dryRun(place);
    assert.match(same.out, /^Nothing changed since .* would be made\.\n/);
    fs.rmSync(join(place.root, "gone"));
    place.write({ a: "11", new: "4".repeat(100) });
    const { code, out } = dryRun(place, "--label", "x");
    assert.equal(code, 0);
    assert.match(out, /\n {2}~ a\n {2}- gone\n {2}\+ new\n/);
    const plan = JSON.parse(dryRun(place, "--label", "x", "--json").out);
    assert.deepEqual([plan.dryRun, plan.isNew], [true, true]);
    // Files that were written just before the last snapshot are read again.
    assert.ok(plan.read >= 102, String(plan.read));
    assert.equal(plan.changes.length, 3);
    const taken = place.json(["snapshot", "--label", "x"]);
    assert.equal(taken.parent, plan.parent);
    assert.deepEqual(
      { ...taken.counts, stored: 0 },
      { ...plan.counts, stored: 0 },
    );
    // The ids and times in the tree differ, so its compressed size can differ.
    assert.ok(Math.abs(taken.counts.stored - plan.counts.stored) < 50);
  });
});

test("snapshot --dry-run of an encrypted repository writes nothing", async () => {
  await withPlace((place) => {
    const repo = ["--repo", join(place.folder, "repo")];
    place.write({ a: "1" });
    place.run(["snapshot", "--encrypt", ...repo]);
    place.write({ b: "2".repeat(1000) });
    const { code, out, err } = dryRun(place, ...repo);
    assert.equal(code, 0, err);
    assert.match(out, /\n {2}\+ b\n/);
  });
});

test("snapshot --dry-run says that a snapshot would be refused [S4]", async () => {
  await withPlace((place) => {
    place.write({ a: "1" });
    place.run(["snapshot"]);
    fs.rmSync(join(place.root, "a"));
    const { code, err } = dryRun(place);
    assert.equal(code, 1);
    assert.match(
      err,
      /every file of the last snapshot is gone .*--allow-empty/,
    );
    assert.equal(dryRun(place, "--allow-empty").code, 0);
  });
});

test("snapshot --dry-run applies no size limit", async () => {
  await withPlace((place) => {
    place.write({ a: "1" });
    place.run(["snapshot"]);
    place.write({ a: "2" });
    assert.equal(dryRun(place, "--max-size", "1kB", "--remember").code, 0);
    assert.equal(place.json(["list"]).snapshots.length, 1);
  });
});

test("snapshot --dry-run continues the snapshots of a moved directory", async () => {
  await withPlace((place) => {
    place.write({ a: "1" });
    const { id } = place.json(["snapshot"]);
    const moved = join(place.folder, "moved");
    fs.renameSync(place.root, moved);
    const before = filesOf(place);
    const words = ["snapshot", "--dry-run", "--continue-from", place.root];
    const plan = place.json(words, { cwd: moved });
    assert.equal(plan.parent, id);
    assert.equal(plan.counts.created, 0);
    assert.deepEqual(filesOf(place), before);
  });
});
