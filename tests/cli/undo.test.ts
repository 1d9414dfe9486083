import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { roundTimes, stateOf } from "../support/trees.ts";
import { type Place, withPlace } from "./helpers.ts";

test("restore --in-place can be planned, done, undone and redone", async () => {
  await withPlace((place) => {
    place.write({ "a.txt": "first", "sub/b.txt": "b", "keep.log": "log" });
    place.write({ ".deltarignore": "*.log\n" });
    // Not every runtime can set a time to the nanosecond.
    roundTimes(place.root);
    const first = place.json(["snapshot"]).id;
    place.write({ "a.txt": "second!", "new/c.txt": "c", "other.log": "x" });
    fs.rmSync(join(place.root, "sub"), { recursive: true });
    roundTimes(place.root);
    const before = stateOf(place.root);
    assert.equal(place.run(["restore", "latest"]).code, 2);
    const words = ["restore", "latest", "--in-place", "--delete"];
    const plan = place.json([...words, "--dry-run"]);
    assert.equal(plan.type, "restore-plan");
    assert.deepEqual(
      // deno-lint-ignore no-explicit-any
      plan.steps.map(({ path, action }: any) => `${action} ${path}`),
      [
        "replace a.txt",
        "delete new",
        "delete new/c.txt",
        "create sub",
        "create sub/b.txt",
      ],
    );
    const text = place.run([...words, "--dry-run"]);
    assert.match(text.out, /^~ a\.txt\n- new\/\n- new\/c\.txt\n\+ sub\/\n/);
    assert.match(text.out, /other\.log is kept: \.deltarignore:1: \*\.log/);
    assert.deepEqual(stateOf(place.root), before);
    const done = place.run(words);
    assert.equal(done.code, 0, done.err);
    assert.match(
      done.out,
      /The previous files are in safety snapshot \S+-safety/,
    );
    const after = stateOf(place.root);
    assert.deepEqual(Object.keys(after).sort(), [
      ".deltarignore",
      "a.txt",
      "keep.log",
      "other.log",
      "sub",
      "sub/b.txt",
    ]);
    assert.equal(place.json(["restore", "latest", "--in-place"]).files, 0);
    const wanted = place.json(["undo", "--dry-run"]);
    assert.equal(wanted.steps.length, 5);
    assert.equal(place.json(["undo"]).way, "undo");
    assert.deepEqual(stateOf(place.root), before);
    assert.match(place.run(["redo"]).out, /^Redone in /);
    assert.deepEqual(stateOf(place.root), after);
    assert.equal(place.run(["undo"]).code, 0);
    const none = place.run(["undo"]);
    assert.equal(none.code, 1);
    assert.match(none.err, /no restore into this directory/);
    // The next snapshot is not compared with a safety snapshot.
    assert.equal(
      place.json(["restore", "latest", "--to", "../x"]).snapshot,
      first,
    );
    assert.equal(place.json(["snapshot"]).isNew, true);
  });
});

test("why names the rule that excludes a path, for now and for a snapshot", async () => {
  await withPlace((place) => {
    place.write({
      ".deltarignore": "*.log\n",
      "a.txt": "a",
      "b.log": "b",
      "cache/deep/c": "c",
    });
    place.run(["snapshot", "--exclude", "cache/"]);
    const why = (...words: string[]) => place.json(["why", ...words]);
    assert.equal(why("a.txt").kept, true);
    assert.equal(why("b.log").why, ".deltarignore:1: *.log");
    // Without its options, the next snapshot has other rules than the last one.
    const plain = why("cache/deep/c");
    assert.equal(plain.kept, true);
    assert.deepEqual(plain.options, []);
    assert.equal(plain.last.why, "exclude: cache/");
    assert.deepEqual(plain.last.options, ["--exclude", "cache/"]);
    const same = why("cache/deep/c", "--exclude", "cache/");
    assert.equal(same.why, "exclude: cache/");
    assert.equal(same.last, undefined);
    assert.equal(why("a.txt", "latest").kept, true);
    assert.equal(
      why("b.log", "latest").why,
      "b.log: excluded: .deltarignore:1: *.log",
    );
    assert.match(why("cache/deep/c", "latest").why, /^cache: excluded/);
    assert.match(place.run(["why", "b.log"]).out, /^b\.log is excluded: /);
    const { skipped } = place.json(["files", "latest", "--skipped"]);
    assert.deepEqual(
      skipped.map(({ path }: { path: string }) => path),
      ["b.log", "cache"],
    );
    const text = place.run(["files", "latest", "--skipped"]).out;
    assert.equal(
      text,
      "b.log: excluded: .deltarignore:1: *.log\ncache: excluded: exclude: cache/\n",
    );
  });
});

test("snapshot does not take a home folder or a disk by mistake", async () => {
  await withPlace((place) => {
    place.write({ "a.txt": "a" });
    const env = { HOME: place.root, USERPROFILE: place.root };
    const home = place.run(["snapshot"], { env });
    assert.equal(home.code, 1);
    assert.match(home.err, /a home folder.*--force/);
    assert.match(place.run(["snapshot", "/"]).err, /a whole disk.*--force/);
    assert.equal(place.run(["snapshot", "--force"], { env }).code, 0);
  });
});

test("undo DIR finds the repository that DIR was restored from [T7]", async () => {
  await withPlace((place) => {
    place.write({ a: "mine" });
    place.run(["snapshot"]);
    const other = join(place.folder, "other");
    fs.mkdirSync(other);
    const read = () => fs.readFileSync(join(other, "a"), "utf8");
    const restore = () => {
      fs.writeFileSync(join(other, "a"), "theirs");
      const words = ["restore", "latest", "--to", other];
      assert.equal(place.run(words).code, 0);
      assert.equal(read(), "mine");
    };
    restore();
    assert.equal(place.run(["undo", other]).code, 0);
    assert.equal(read(), "theirs");
    // The directory also has its own snapshots.
    assert.equal(place.run(["snapshot", other]).code, 0);
    restore();
    assert.equal(place.run(["undo", "../other"]).code, 0);
    assert.equal(read(), "theirs");
  });
});

test("undo DIR reverts a restore into an empty or new directory [T7]", async () => {
  await withPlace((place) => {
    place.write({ a: "a", "sub/b": "b" });
    place.run(["snapshot"]);
    const other = join(place.folder, "other");
    const restore = (...words: string[]) =>
      assert.equal(
        place.run(["restore", "latest", ...words, "--to", other]).code,
        0,
      );
    restore();
    const dry = place.run(["undo", "--dry-run", other]);
    assert.match(dry.out, /^- a\n- sub\/\n- sub\/b\n/);
    const done = place.run(["undo", other]);
    assert.equal(done.code, 0, done.err);
    assert.match(done.out, /3 paths deleted/);
    assert.equal(fs.existsSync(other), false);
    const again = place.run(["undo", other]);
    assert.equal(again.code, 1);
    assert.match(again.err, /nothing to undo/);
    assert.equal(place.run(["redo", other]).code, 0);
    assert.equal(fs.readFileSync(join(other, "sub/b"), "utf8"), "b");
    assert.equal(place.run(["undo", other]).code, 0);

    fs.rmSync(other, { recursive: true, force: true });
    fs.mkdirSync(other);
    restore("sub");
    fs.writeFileSync(join(other, "sub/b"), "B");
    fs.writeFileSync(join(other, "mine"), "mine");
    // The current directory is one of the restored folders.
    const kept = place.run(["undo", "--repo", repositoryOf(place)], {
      cwd: other,
    });
    assert.equal(kept.code, 3);
    assert.match(
      kept.err,
      /mine .*: not deleted, because the entry was added after the restore/,
    );
    assert.match(
      kept.err,
      /sub\/b .*: not deleted, because the entry was changed after the restore/,
    );
    assert.equal(fs.readFileSync(join(other, "sub/b"), "utf8"), "B");
    assert.ok(fs.existsSync(join(other, "mine")));
  });
});

function repositoryOf(place: Place): string {
  const folder = join(place.data, "repositories");
  return join(folder, fs.readdirSync(folder)[0]);
}
