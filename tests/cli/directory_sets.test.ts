/** Snapshots of several directories with the command. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

const REPO = ["--repo", "../../repo"];

test("snapshot A B C stores several directories, each under its name", async () => {
  await withPlace((place) => {
    place.write({ "a/f": "1", "b/f": "2", "deep/a/f": "3", "c/f": "4" });
    const at = (folder: string) => ({ cwd: join(place.root, folder) });
    const first = place.json(
      ["snapshot", "../b", "../deep/a", ".", ...REPO],
      at("a"),
    );
    assert.equal(first.directory, join(place.root, "{a,b,deep/a}"));
    assert.equal(first.common, place.root);
    const { entries } = place.json(["files", "latest", ...REPO], at("b"));
    assert.deepEqual(
      entries.map(({ path }: { path: string }) => path),
      ["a", "a/f", "b", "b/f", "deep", "deep/a", "deep/a/f"],
    );
    // In one of the directories, the next snapshot is again of all of them.
    place.write({ "a/f": "changed" });
    const second = place.json(["snapshot", ...REPO], at("b"));
    assert.equal(second.directory, first.directory);
    assert.equal(second.parent, first.id);
    const listed = place.run(["snapshot", "--files-from", "-", ...REPO], {
      ...at("b"),
      input: "f\n",
    });
    assert.equal(listed.code, 1);
    assert.match(listed.err, /`--files-from` cannot be used with several/);
    assert.match(first.restore, / restore \S+ --repo \S+ --to \S*a-restored$/);
    const to = join(place.folder, "target");
    assert.equal(
      place.run(["restore", first.id, "--to", to, ...REPO], at("b")).code,
      0,
    );
    assert.deepEqual(fs.readdirSync(to).sort(), ["a", "b", "deep"]);
    assert.deepEqual(fs.readdirSync(join(to, "deep")), ["a"]);
    // A restore in place and its undo reach each directory where it is.
    const read = (path: string) =>
      fs.readFileSync(join(place.root, path), "utf8");
    fs.rmSync(join(place.root, "deep/a/f"));
    const restored = place.run(
      ["restore", first.id, "--in-place", "--all", ...REPO],
      at("b"),
    );
    assert.equal(restored.code, 0, restored.err);
    assert.deepEqual([read("a/f"), read("deep/a/f")], ["1", "3"]);
    const undone = place.run(["undo", "--all", ...REPO], at("b"));
    assert.equal(undone.code, 0, undone.err);
    assert.equal(read("a/f"), "changed");
    assert.ok(!fs.existsSync(join(place.root, "deep/a/f")));
    // Without `--all`, only the current directory is restored.
    fs.rmSync(join(place.root, "b/f"));
    place.run(["restore", first.id, "--in-place", ...REPO], at("b"));
    assert.deepEqual([read("b/f"), read("a/f")], ["2", "changed"]);
    const why = place.json(["why", "../c/f", ...REPO], at("b"));
    assert.equal(why.kept, false);
    const list = ["list", "--dir", "../a", ...REPO];
    const { snapshots } = place.json(list, at("b"));
    assert.equal(
      snapshots.filter(({ safety }: { safety?: object }) => !safety).length,
      2,
    );
  });
});

test("snapshot of several directories says which arguments do not fit", async () => {
  await withPlace((place) => {
    place.write({ "a/f": "1", "b/f": "2" });
    const fails = (words: string[], message: RegExp) => {
      const { code, err } = place.run(["snapshot", ...words]);
      assert.equal(code, 1, err);
      assert.match(err, message);
    };
    fails(["a", "none"], /none: no such directory/);
    fails(["a", "."], /one of the directories contains the others/);
    fails(
      ["a", "b", "--files-from", "x"],
      /`--files-from` cannot be used with/,
    );
    fails(["a", "b", "--continue-from", "c"], /`--continue-from` cannot be/);
    fails(["a", "b", "--repo", "b"], /cannot be the repository/);
    fs.mkdirSync(place.env.HOME, { recursive: true });
    fails(["a", place.env.HOME], /refused to take a snapshot of a home folder/);
  });
});

test("a backup in the configuration can have several directories", async () => {
  await withPlace((place) => {
    place.write({ "a/f": "1", "b/f": "2" });
    const config = join(place.folder, "config.json");
    const write = (directory: unknown) =>
      fs.writeFileSync(
        config,
        JSON.stringify({ backups: { two: { directory, repo: "repo" } } }),
      );
    const run = () => place.run(["backup", "--config", config], { cwd: "/" });
    write(["root/a", "root/b"]);
    const { code, err } = run();
    assert.equal(code, 0, err);
    const { snapshots } = place.json(["list", "--repo", "../repo"]);
    assert.equal(snapshots[0].directory, join(place.root, "{a,b}"));
    write([]);
    assert.match(
      run().err,
      /"directory" must be a non-empty string, or/,
    );
    write(["root/a", 1]);
    assert.match(
      run().err,
      /"directory" must be a non-empty string, or/,
    );
  });
});

test("several directories together have their own default repository", async () => {
  await withPlace((place) => {
    place.write({ "a/f": "1", "b/f": "2" });
    const first = place.json(["snapshot", "a", "b"]);
    assert.equal(first.code, 0);
    assert.equal(place.json(["snapshot", "b", "a"]).isNew, false);
    // The printed line names the repository, so that it works in any directory.
    assert.match(first.restore, / --repo /);
    assert.equal(place.run(["list", "--repo", first.repository]).code, 0);
  });
});
