import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Skipped } from "../../lib/tree/entry.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needs, run } from "../support/peer.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";

type Files = Record<string, string>;

function make(root: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

function pathsOf(walker: Walker): string[] {
  return [...walker.entries()].map((entry) => entry.path);
}

/** Returns the paths that git ignores. */
function ignoredByGit(root: string, paths: string[]): Set<string> {
  const result = spawnSync("git", [
    "-c",
    "core.excludesFile=/dev/null",
    "check-ignore",
    "--no-index",
    "--stdin",
    "-z",
  ], { cwd: root, input: paths.join("\0"), encoding: "utf8" });
  assert.ok(result.status === 0 || result.status === 1, result.stderr);
  return new Set(result.stdout.split("\0").filter((path) => path !== ""));
}

/**
 * Walks with and without rules, and compares each decision with that of git.
 */
function compareWithGit(root: string): void {
  const all = pathsOf(new Walker(root)).filter((path) => path !== "");
  const ignored = ignoredByGit(root, all);
  const expected = all.filter((path) => !ignored.has(path));
  const kept = pathsOf(new Walker(root, { gitignore: true }));
  assert.deepEqual(kept, expected);
  const walker = new Walker(root, { gitignore: true });
  for (const path of all) {
    assert.equal(
      walker.whyExcluded(path) !== undefined,
      ignored.has(path),
      path,
    );
  }
}

test(
  "gitignore rules have the same results as in git for difficult patterns",
  needs("git"),
  async () => {
    await withTemp((root) => {
      run("git", ["init", "-q"], { cwd: root });
      make(root, {
        ".gitignore":
          "build\n*.log\n!keep.log\n/top.txt\ndoc/**/tmp\n\\#hash\n\\!bang\ntrail \nquoted\\ \n# note\nfoo/*\n!foo/bar\ncrlf\r\na[bc]d\n**/deep/x\nabc/**\n",
        "sub/.gitignore": "!build\n*.txt\n!/keep.txt\nin/mid\n",
        "sub/we ird[1]*/.gitignore": "x\n/y\n",
        ".git/info/exclude": "private\n",
        "build/a": "",
        "sub/build/a": "",
        "sub/build/b.log": "",
        "sub/keep.txt": "",
        "sub/other.txt": "",
        "sub/n/keep.txt": "",
        "sub/in/mid": "",
        "sub/x/in/mid": "",
        "sub/we ird[1]*/x": "",
        "sub/we ird[1]*/n/x": "",
        "sub/we ird[1]*/y": "",
        "sub/we ird[1]*/n/y": "",
        "keep.log": "",
        "a.log": "",
        "top.txt": "",
        "n/top.txt": "",
        "doc/tmp": "",
        "doc/a/b/tmp/c": "",
        "#hash": "",
        "!bang": "",
        "trail": "",
        "trail ": "",
        "quoted ": "",
        "quoted": "",
        "foo/bar": "",
        "foo/baz": "",
        "foo/sub/bar": "",
        "crlf": "",
        "private/x": "",
        "abd": "",
        "aed": "",
        "p/deep/x": "",
        "abc/d/e": "",
        "Build/a": "",
      });
      compareWithGit(root);
    });
  },
);

const name = fc.constantFrom(
  "a",
  "b",
  "ab",
  "a.o",
  "A",
  " x",
  "b c",
  "é",
  "[z]",
);
const path = fc.array(name, { minLength: 1, maxLength: 4 })
  .map((names) => names.join("/"));
const glob = fc.constantFrom(
  ...["a", "b", "*", "?", "**", "[ab]", "[!a]", "*.o", "a*", "é", "\\[z\\]"],
);
const pattern = fc.tuple(
  fc.constantFrom("", "", "", "!", "/", "!/"),
  fc.array(glob, { minLength: 1, maxLength: 3 }),
  fc.constantFrom("", "", "/", " "),
).map(([start, parts, end]) => start + parts.join("/") + end);
const ignoreFile = fc.array(pattern, { maxLength: 4 })
  .map((lines) => lines.join("\n"));

test(
  "gitignore rules have the same results as in git for any tree",
  needs("git"),
  async () => {
    const property = fc.asyncProperty(
      fc.uniqueArray(path, { minLength: 3, maxLength: 25 }),
      fc.array(fc.tuple(fc.option(path), ignoreFile), { maxLength: 4 }),
      (paths, rules) =>
        withTemp((root) => {
          run("git", ["init", "-q"], { cwd: root });
          for (const at of paths) tryMake(root, at, "");
          for (const [folder, text] of rules) {
            tryMake(root, folder ? `${folder}/.gitignore` : ".gitignore", text);
          }
          compareWithGit(root);
        }),
    );
    await fc.assert(property, runs(25, 1000));
  },
);

/**
 * Creates a file, unless the path exists as a folder, because two generated
 * paths may have the same name.
 */
function tryMake(root: string, path: string, text: string): void {
  try {
    make(root, { [path]: text });
  } catch (error) {
    const { code } = error as { code: string };
    if (!["EEXIST", "ENOTDIR", "EISDIR"].includes(code)) throw error;
  }
}

test(
  "rules above the root and of nested repositories have the same results as in git",
  needs("git"),
  async () => {
    await withTemp((top) => {
      run("git", ["init", "-q"], { cwd: top });
      make(top, {
        ".gitignore": "*.tmp\n/sub/only\nbuilt\n",
        "sub/only": "",
        "sub/a.tmp": "",
        "sub/kept": "",
        "sub/nested/.gitignore": "own\n",
        "sub/nested/own": "",
        "sub/nested/a.tmp": "",
        "built/x": "",
      });
      run("git", ["init", "-q"], { cwd: join(top, "sub/nested") });
      assert.deepEqual(
        pathsOf(new Walker(join(top, "sub"), { gitignore: true })),
        [
          "kept",
          "nested",
          "nested/.gitignore",
          "nested/a.tmp",
        ],
      );
      const ignoredRoot = new Walker(join(top, "built"), { gitignore: true });
      assert.deepEqual(pathsOf(ignoredRoot), ["x"]);
    });
  },
);

test("patterns of options override .deltarignore, which overrides .gitignore", async () => {
  await withTemp((root) => {
    make(root, {
      ".gitignore": "one\ntwo\nthree\n",
      ".deltarignore": "!two\n!three\nfour\n",
      "one": "",
      "two": "",
      "three": "",
      "four": "",
      "sub/.deltarignore": "!four\n",
      "sub/four": "",
    });
    const skipped: Skipped[] = [];
    const walker = new Walker(root, { gitignore: true, excludes: ["three"] });
    const kept = [...walker.entries({ onSkip: (skip) => skipped.push(skip) })]
      .filter((entry) => entry.kind === "file")
      .map((entry) => entry.path);
    assert.deepEqual(kept, [
      ".deltarignore",
      ".gitignore",
      "sub/.deltarignore",
      "sub/four",
      "two",
    ]);
    assert.deepEqual(skipped, [
      { path: "four", reason: "excluded", detail: ".deltarignore:3: four" },
      { path: "one", reason: "excluded", detail: ".gitignore:1: one" },
      { path: "three", reason: "excluded", detail: "exclude: three" },
    ]);
    assert.equal(walker.whyExcluded("four"), ".deltarignore:3: four");
    assert.equal(walker.whyExcluded("two"), undefined);
  });
});

test("Walker excludes version control by default, and only then", async () => {
  await withTemp((root) => {
    make(root, { ".git/HEAD": "", ".hg/x": "", ".svn/x": "", "a": "" });
    assert.deepEqual(pathsOf(new Walker(root)), ["a"]);
    assert.equal(pathsOf(new Walker(root, { excludes: [] })).length, 7);
  });
});
