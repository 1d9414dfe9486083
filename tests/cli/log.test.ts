import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs } from "../support/peer.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Takes snapshots of a directory whose files change, move and disappear. */
function fill(place: Place): void {
  const take = (label: string) => {
    const { code, err } = place.run(["snapshot", "-q", "--label", label]);
    assert.equal(code, 0, err);
  };
  place.write({ "notes.txt": "one\n", "sub/a": "a", "sub/deep/b": "b" });
  take("first");
  place.write({ "notes.txt": "longer\n" });
  take("second");
  fs.renameSync(join(place.root, "notes.txt"), join(place.root, "todo.txt"));
  take("third");
  fs.chmodSync(join(place.root, "todo.txt"), 0o600);
  fs.rmSync(join(place.root, "sub/deep"), { recursive: true });
  take("fourth");
}

test("log lists the versions of a file, also under its new name", async () => {
  await withPlace((place) => {
    fill(place);
    const { type, path, versions } = place.json(["log", "notes.txt"]);
    assert.equal(type, "log");
    assert.equal(path, "notes.txt");
    // deno-lint-ignore no-explicit-any
    const rows = versions.map((one: any) => [
      one.label,
      one.path,
      one.change,
      one.size,
      one.from ?? one.fields,
    ]);
    assert.deepEqual(rows, [
      ["fourth", "todo.txt", "touched", 7, ["mode"]],
      ["third", "todo.txt", "renamed", 7, "notes.txt"],
      ["second", "notes.txt", "updated", 7, ["content", "mtime"]],
      ["first", "notes.txt", "created", 4, undefined],
    ]);
    const list = place.json(["list"]).snapshots;
    assert.deepEqual(
      // deno-lint-ignore no-explicit-any
      versions.map(({ snapshot }: any) => snapshot).reverse(),
      // deno-lint-ignore no-explicit-any
      list.map(({ id }: any) => id),
    );
    const { code, out } = place.run(["log", "notes.txt"]);
    assert.equal(code, 0);
    const lines = out.split("\n");
    assert.equal(lines[0], "notes.txt was renamed to todo.txt");
    assert.match(lines[1], /^Snapshot +Time +Size +Change$/);
    assert.match(lines[2], / 7 B {2}touched: mode 0644 -> 0600 {2}fourth$/);
    assert.match(lines[3], / 7 B {2}renamed from notes.txt {2}third$/);
    assert.match(lines[4], / 7 B {2}updated {2}second$/);
    assert.match(lines[5], / 4 B {2}created {2}first$/);
    const one = place.json(["log", "todo.txt", "--limit", "1"]);
    assert.equal(one.versions.length, 1);
    const older = place.json(["log", "notes.txt", "second"]);
    assert.equal(older.versions.length, 2);
  });
});

test("log lists folders, and files that were deleted with their folder", async () => {
  await withPlace((place) => {
    fill(place);
    const gone = place.json(["log", "sub/deep/b"]);
    assert.deepEqual(
      // deno-lint-ignore no-explicit-any
      gone.versions.map(({ label, change }: any) => [label, change]),
      [["fourth", "deleted"], ["first", "created"]],
    );
    const cwd = join(place.root, "sub");
    for (const word of ["deep/b", "./deep/b", "sub/deep/b", "../sub/deep/b"]) {
      const found = place.json(["log", word], { cwd });
      assert.equal(found.path, "sub/deep/b", word);
    }
    const folder = place.json(["log", "sub"]);
    assert.deepEqual(
      // deno-lint-ignore no-explicit-any
      folder.versions.map(({ change, inside }: any) => [change, inside]),
      [
        ["updated", { created: 0, updated: 0, deleted: 2 }],
        ["created", undefined],
      ],
    );
    assert.match(
      place.run(["log", "sub/"]).out,
      /updated: 2 deleted {2}fourth/,
    );
  });
});

test("log --patch prints what each version changed", async () => {
  await withPlace((place) => {
    fill(place);
    place.write({ "todo.txt": "longer\nand more words\n", "sub/bin": "a\0b" });
    place.run(["snapshot", "-q"]);
    const { code, out, err } = place.run(["log", "notes.txt", "--patch"]);
    assert.equal(code, 0, err);
    const patches = out.split("\n\n");
    assert.deepEqual(
      patches.map((text) => text.match(/^(?:[-+ ][^-+]|old mode|rename).*/gm)),
      [
        [" longer", "+and more words"],
        null,
        ["rename from notes.txt", "rename to todo.txt"],
        ["-one", "+longer"],
        ["+one"],
      ],
    );
    assert.match(patches[3], / updated {2}second\ndiff --git a\/notes.txt /);
    assert.match(
      place.run(["log", "todo.txt", "--word", "--limit", "1"]).out,
      /\{\+and more words\+\}/,
    );
    const folder = place.run(["log", "-p", "sub"]).out.split("\n\n");
    assert.match(folder[0], /Binary files \/dev\/null and b\/sub\/bin differ/);
    assert.match(folder[1], /deleted file mode .*[^]*--- a\/sub\/deep\/b/);
    assert.match(folder[2], /\+\+\+ b\/sub\/a\n[^]*\+\+\+ b\/sub\/deep\/b/);
    assert.ok(!folder.join("").includes("todo.txt"));
    assert.equal(place.run(["log", "sub", "-p", "--json"]).code, 2);
    assert.equal(place.run(["log", "never", "-p"]).code, 1);
  });
});

test("log --patch prints a renamed folder as renamed files", async () => {
  await withPlace((place) => {
    place.write({ "old/a": "one\n", "old/in/b": "two\n" });
    place.run(["snapshot", "--init", "-q"]);
    fs.renameSync(join(place.root, "old"), join(place.root, "new"));
    place.run(["snapshot", "-q"]);
    const { out } = place.run(["log", "old", "-p", "--limit", "1"]);
    assert.match(out, / renamed from old\ndiff --git a\/old\/a b\/new\/a\n/);
    assert.deepEqual(out.match(/^rename .*/gm), [
      "rename from old/a",
      "rename to new/a",
      "rename from old/in/b",
      "rename to new/in/b",
    ]);
  });
});

test(
  "git apply applies the patches of log, beginning with the oldest",
  needs("git"),
  async () => {
    await withPlace((place) => {
      fill(place);
      const { out } = place.run(["log", "notes.txt", "-p"]);
      const target = join(place.folder, "applied");
      fs.mkdirSync(target);
      for (const input of out.split("\n\n").reverse()) {
        if (!input.includes("diff --git")) continue;
        execFileSync("git", ["apply"], { cwd: target, input: `${input}\n` });
      }
      assert.deepEqual(fs.readdirSync(target), ["todo.txt"]);
      assert.equal(
        fs.readFileSync(join(target, "todo.txt"), "utf8"),
        "longer\n",
      );
    });
  },
);

test("log explains what is wrong with an unknown path", async () => {
  await withPlace((place) => {
    fill(place);
    const similar = place.run(["log", "tudo.txt"]);
    assert.equal(similar.code, 1);
    assert.match(similar.err, /did you mean todo\.txt\?/);
    const never = place.run(["log", "something else"]);
    assert.equal(never.code, 1);
    assert.match(never.err, /not in any snapshot .*`deltar find NAME`/);
    const root = place.run(["log", "."]);
    assert.equal(root.code, 1);
    assert.match(root.err, /`deltar list` lists all snapshots/);
    assert.equal(place.run(["log", "todo.txt", "--limit", "0"]).code, 2);
  });
});

test("log and find name damaged layers, and exit with 3", async () => {
  await withPlace((place) => {
    fill(place);
    const [first] = place.json(["list"]).snapshots;
    const [repository] = fs.readdirSync(join(place.data, "repositories"));
    const trees = join(place.data, "repositories", repository, "trees");
    const [layer] = fs.readdirSync(trees).filter((name) =>
      name.startsWith(first.id)
    );
    fs.truncateSync(join(trees, layer), 10);
    for (const words of [["log", "todo.txt"], ["find", "*.txt"]]) {
      const { code, out, err } = place.run(words);
      assert.equal(code, 3, err);
      assert.ok(err.includes(layer), err);
      assert.match(out, /todo\.txt|touched/);
    }
  });
});

test("find lists paths of all snapshots, with the first and the last snapshot", async () => {
  await withPlace((place) => {
    fill(place);
    // deno-lint-ignore no-explicit-any
    const ids = place.json(["list"]).snapshots.map(({ id }: any) => id);
    const { type, snapshots, paths } = place.json(["find", "*.txt"]);
    assert.equal(type, "find");
    assert.equal(snapshots, 4);
    assert.deepEqual(
      // deno-lint-ignore no-explicit-any
      paths.map(({ path, first, last, count, directory }: any) => [
        path,
        ids.indexOf(first.id),
        ids.indexOf(last.id),
        count,
        directory,
      ]),
      [
        ["notes.txt", 0, 1, 2, place.root],
        ["todo.txt", 2, 3, 2, place.root],
      ],
    );
    const { out } = place.run(["find", "deep/"]);
    assert.match(
      out,
      /^First snapshot +Last snapshot +Snapshots +Size {2}Path/,
    );
    assert.ok(out.includes(`${ids[0]}  ${ids[2]}          3`), out);
    assert.match(out, / {2}sub\/deep\/\n1 path found in 4 snapshots\n$/);
    assert.equal(
      place.run(["find", "none"]).out,
      "No paths found in 4 snapshots\n",
    );
  });
});

test("find applies conditions", async () => {
  await withPlace((place) => {
    fill(place);
    fs.utimesSync(join(place.root, "sub/a"), 1e9, 1e9);
    place.run(["snapshot"]);
    place.write({ "sub/deep": "again" });
    const found = (...words: string[]) =>
      // deno-lint-ignore no-explicit-any
      place.json(["find", ...words]).paths.map(({ path }: any) => path);
    assert.deepEqual(found("*", "--kind", "directory"), ["sub", "sub/deep"]);
    assert.deepEqual(
      found("*", "--kind", "file", "--kind", "symlink", "--size", "-2B"),
      ["sub/a", "sub/deep/b"],
    );
    assert.deepEqual(
      found("*", "--size", "+4B", "--size", "-1k"),
      ["notes.txt", "todo.txt"],
    );
    assert.deepEqual(found("*", "--size", "4B"), ["notes.txt"]);
    assert.deepEqual(found("*", "--modified", "2001-09"), ["sub/a"]);
    assert.deepEqual(found("*", "--modified", "..2001-09-10"), ["sub/a"]);
    assert.deepEqual(
      found("*.txt", "--modified", "yesterday.."),
      ["notes.txt", "todo.txt"],
    );
    assert.deepEqual(found("*", "--modified", "..1 day ago"), ["sub/a"]);
    assert.deepEqual(found("NOTES*", "-i"), ["notes.txt"]);
    assert.deepEqual(found("*", "--deleted"), ["notes.txt", "sub/deep/b"]);
    assert.deepEqual(found("/sub/*", "--deleted"), []);
    assert.deepEqual(found(join(place.root, "sub/a")), ["sub/a"]);
    for (
      const words of [
        ["--kind", "folder"],
        ["--size", "10"],
        ["--size", "+"],
        ["--modified", "soon"],
        ["--modified", ".."],
        ["--modified", "999999 years ago.."],
        ["--deleted", "--all-directories"],
      ]
    ) assert.equal(place.run(["find", "*", ...words]).code, 2, words.join(" "));
  });
});

test("find --all-directories names the directory of each path", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    const roots = ["one", "two"].map((name) => join(place.root, name));
    for (const root of roots) {
      fs.mkdirSync(root);
      fs.writeFileSync(join(root, "a"), "");
      place.run(["snapshot", root, "--repo", repo]);
    }
    const all = ["find", "a", "--all-directories", "--repo", repo];
    const { out } = place.run(all);
    for (const root of roots) assert.ok(out.includes(`${root}: a\n`), out);
    assert.equal(place.json(all).paths.length, 2);
    const [, two] = roots;
    const own = place.json(["find", "a", "--repo", repo], { cwd: two });
    assert.equal(own.paths.length, 1);
    assert.equal(own.paths[0].directory, two);
  });
});
