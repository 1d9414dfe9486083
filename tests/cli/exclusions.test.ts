/** The options of the command that exclude paths. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs, run, runText } from "../support/peer.ts";
import { type Place, withPlace } from "./helpers.ts";

const TAG = "Signature: 8a477f597d28d172789f06886806bc55\n";

const OPTIONS = [
  "--exclude-caches",
  "--exclude-if-present",
  ".nobackup",
  "--exclude-larger-than",
  "1kB",
  "--iexclude",
  "*.JPG",
  "--exclude-file",
  "../patterns",
];

/** Writes a tree with files for each option, and a file of patterns. */
function write(place: Place): void {
  place.write({
    "kept.txt": "kept",
    "large": "x".repeat(1001),
    "cache/CACHEDIR.TAG": TAG,
    "cache/a": "a",
    "marked/.nobackup": "",
    "marked/a": "a",
    "photo.jpg": "1",
    "a.tmp": "tmp",
    "b.tmp": "b",
    "#note": "",
    "deep/here": "",
  });
  const patterns = join(place.folder, "patterns");
  fs.writeFileSync(
    patterns,
    `\uFEFF*.tmp\r\n\n# a comment\n!b.tmp\n\\#note\n${place.root}/deep/here\n`,
  );
}

const LEFT = [
  ["#note", "exclude: \\#note"],
  ["a.tmp", "exclude: *.tmp"],
  ["cache/a", "exclude-caches: CACHEDIR.TAG"],
  ["deep/here", "exclude: /deep/here"],
  ["large", "exclude-larger-than: 1000 bytes"],
  ["marked/a", "exclude-if-present: .nobackup"],
  ["photo.jpg", "iexclude: *.JPG"],
];

const KEPT = [
  "b.tmp",
  "cache",
  "cache/CACHEDIR.TAG",
  "deep",
  "kept.txt",
  "marked",
  "marked/.nobackup",
];

/** Checks which paths the last snapshot of a repository has. */
function checkLast(place: Place, repo: string): void {
  const { entries } = place.json(["files", "latest", "--repo", repo]);
  assert.deepEqual(entries.map(({ path }: { path: string }) => path), KEPT);
  const { skipped } = place.json([
    "files",
    "latest",
    "--skipped",
    "--repo",
    repo,
  ]);
  assert.deepEqual(
    skipped,
    LEFT.map(([path, detail]) => ({ path, reason: "excluded", detail })),
  );
}

test("snapshot excludes by each option, names the rule, and notices changes", async () => {
  await withPlace((place) => {
    write(place);
    const take = (...words: string[]) =>
      place.json(["snapshot", "--repo", "../repo", ...OPTIONS, ...words]);
    const first = take();
    assert.equal(first.code, 0);
    assert.deepEqual(first.unmatched, []);
    checkLast(place, "../repo");
    assert.equal(take().isNew, false);
    // Only the values that the options check are changed: the size, and the
    // tag.
    fs.truncateSync(join(place.root, "large"), 1000);
    assert.equal(take().counts.created, 1);
    fs.rmSync(join(place.root, "marked/.nobackup"));
    assert.equal(take().counts.created, 1);
    // `--exclude` takes precedence over a file of patterns.
    assert.equal(take("--exclude", "!a.tmp").counts.created, 1);
  });
});

test("why names the rules of options, and the options of the last snapshot", async () => {
  await withPlace((place) => {
    write(place);
    place.json(["snapshot", ...OPTIONS]);
    for (const [path, rule] of LEFT) {
      const { kept, why, last } = place.json(["why", path, ...OPTIONS]);
      assert.deepEqual([kept, why, last], [false, rule, undefined], path);
    }
    const { kept, last } = place.json(["why", "large"]);
    assert.equal(kept, true);
    assert.equal(last.why, "exclude-larger-than: 1000 bytes");
    const words: string[] = last.options;
    assert.equal(words[words.indexOf("--exclude-larger-than") + 1], "1000B");
    assert.ok(words.includes("--exclude-caches"));
    assert.equal(words[words.indexOf("--iexclude") + 1], "'*.JPG'");
  });
});

test("backup has the options that exclude, with paths relative to the configuration", async () => {
  await withPlace((place) => {
    write(place);
    const config = join(place.folder, "config.json");
    fs.writeFileSync(
      config,
      JSON.stringify({
        backups: {
          root: {
            directory: "root",
            repo: "repo",
            snapshot: {
              excludeCaches: true,
              excludeIfPresent: [".nobackup"],
              excludeLargerThan: "1kB",
              iexclude: ["*.JPG"],
              excludeFile: ["patterns"],
            },
          },
        },
      }),
    );
    const { code, err } = place.run(["backup", "--config", config], {
      cwd: "/",
    });
    assert.equal(code, 0, err);
    checkLast(place, "../repo");
  });
});

test("snapshot fails before it begins if a file of patterns cannot be read", async () => {
  await withPlace((place) => {
    write(place);
    const none = place.run(["snapshot", "--exclude-file", "none"]);
    assert.equal(none.code, 1);
    assert.match(none.err, /none: cannot read the exclude patterns: no such/);
    assert.equal(place.run(["list"]).code, 1);
    const size = place.run(["snapshot", "--exclude-larger-than", "12"]);
    assert.equal(size.code, 2);
    const name = place.run(["snapshot", "--exclude-if-present", "a/b"]);
    assert.equal(name.code, 2, name.err);
  });
});

test(
  "snapshot --files-from accepts the paths that tar accepts",
  needs("tar"),
  async () => {
    await withPlace((place) => {
      write(place);
      place.write({ "deep/also/b": "b", "line\nbreak": "n" });
      const take = (words: string[], input = "", cwd = place.root) =>
        place.json(["snapshot", "--repo", "../repo", ...words], { input, cwd });
      const paths = () =>
        place.json(["files", "latest", "--repo", "../repo"]).entries
          .map(({ path }: { path: string }) => path);
      fs.writeFileSync(
        join(place.folder, "list"),
        `./kept.txt\n\n${place.root}/deep/also\r\ncache/\n`,
      );
      const first = take(["--files-from", "../list"]);
      assert.deepEqual([first.code, first.skipped], [0, []]);
      const found = [
        "cache",
        "cache/CACHEDIR.TAG",
        "cache/a",
        "deep",
        "deep/also",
        "deep/also/b",
        "kept.txt",
      ];
      assert.deepEqual(paths(), found);
      const list = join(place.folder, "list.tar");
      fs.writeFileSync(list, "./kept.txt\ndeep/also\ncache/\n");
      const archive = run("tar", [
        "--create",
        "--file=-",
        `--files-from=${list}`,
      ], {
        cwd: place.root,
      });
      const names = runText("tar", ["--list"], { input: archive });
      assert.deepEqual(
        names.trim().split("\n").map((name) => name.replace(/^\.\/|\/$/g, ""))
          .sort(),
        found.filter((path) => path !== "deep"),
      );
      assert.equal(take(["--files-from", "../list"]).isNew, false);
      // Exclude options apply, and a missing path is named.
      const less = take(
        ["--files-from", "../list", "--files-from0", "-", "--exclude-caches"],
        "line\nbreak\0none\0",
      );
      assert.equal(less.code, 3);
      assert.deepEqual(
        less.skipped.map(({ path, reason }: Record<string, string>) =>
          `${path} ${reason}`
        ).sort(),
        ["cache/a excluded", "none vanished"],
      );
      assert.ok(paths().includes("line\nbreak"));
      // With a directory, the paths are relative to it.
      const named = place.run(
        ["snapshot", place.root, "--repo", "repo", "--files-from", "-"],
        { input: "deep\n", cwd: place.folder },
      );
      assert.equal(named.code, 0, named.err);
      assert.deepEqual(paths(), [
        "deep",
        "deep/also",
        "deep/also/b",
        "deep/here",
      ]);
    });
  },
);

test("snapshot --files-from refuses an empty list, and paths outside the directory", async () => {
  await withPlace((place) => {
    write(place);
    const run = (input: string) =>
      place.run(["snapshot", "--files-from", "-"], { input });
    const empty = run("\n");
    assert.equal(empty.code, 1);
    assert.match(empty.err, /-: the list of paths is empty; list at least/);
    const outside = run("kept.txt\n../patterns\n");
    assert.equal(outside.code, 1);
    assert.match(outside.err, /\.\.\/patterns: a path in the list is not in /);
    const none = place.run(["snapshot", "--files-from", "none"]);
    assert.match(none.err, /none: cannot read the list of paths: ENOENT/);
    // The path `.` stands for the whole directory.
    assert.equal(run(".\nkept.txt\n").code, 0);
    const { entries } = place.json(["files", "latest"]);
    assert.equal(entries.length, 14);
  });
});
