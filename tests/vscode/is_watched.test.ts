import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { isWatched } from "../../extension/src/host/snapshots/is_watched.ts";
import {
  OWN_MS,
  OwnChanges,
} from "../../extension/src/host/snapshots/own_changes.ts";

test("isWatched() ignores version control and the repository", () => {
  const ignored = ["/work/.git-free/project/snapshots"];
  const root = "/work/.git-free/project";
  for (
    const [path, expected] of [
      ["notes.md", true],
      [".gitignore", true],
      [".github/workflows/ci.yml", true],
      ["a.git", true],
      ["snapshots.md", true],
      ["snapshots2/a", true],
      [".git", false],
      [".git/index.lock", false],
      ["nested/.git/HEAD", false],
      [".hg/store/00changelog.i", false],
      [".svn/wc.db", false],
      ["snapshots", false],
      ["snapshots/volumes/1", false],
    ] as const
  ) assert.equal(isWatched(`${root}/${path}`, root, ignored), expected, path);
});

test("OwnChanges has paths and what is below them, for a while", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const own = new OwnChanges();
    assert.equal(own.has("/work/a.txt"), false);
    own.add(["/work/a.txt", "/work/folder"]);
    assert.equal(own.has("/work/a.txt"), true);
    assert.equal(own.has("/work/folder/deep/b.txt"), true);
    assert.equal(own.has("/work/folder2"), false);
    assert.equal(own.has("/work"), false);
    mock.timers.tick(OWN_MS - 1);
    own.add(["/work/a.txt"]);
    mock.timers.tick(1);
    assert.equal(own.has("/work/folder"), false);
    assert.equal(own.has("/work/a.txt"), true);
    mock.timers.tick(OWN_MS);
    assert.equal(own.has("/work/a.txt"), false);
  } finally {
    mock.timers.reset();
  }
});
