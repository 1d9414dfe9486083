import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { mock, test } from "node:test";
import {
  ignoredFolders,
  isWatched,
  mayWatch,
} from "../../extension/src/host/snapshots/is_watched.ts";
import {
  OWN_CHANGE_MS,
  OwnChanges,
} from "../../extension/src/host/snapshots/own_changes.ts";
import { withTemp } from "../support/temp.ts";

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

test("mayWatch() refuses a folder with the extension's own files", () =>
  withTemp((temp) => {
    const at = (path: string) => join(temp, path);
    const ownFolders = [at("config/Code/storage"), at("config/Code/logs/1")];
    fs.mkdirSync(ownFolders[0], { recursive: true });
    fs.mkdirSync(at("project"));
    fs.symlinkSync(at("config"), at("link"), "junction");
    for (
      const [path, expected] of [
        ["project", true],
        ["config/Cod", true],
        ["config/Code/storage/files", true],
        ["config", false],
        ["config/Code", false],
        ["config/Code/storage", false],
        ["link", false],
      ] as const
    ) {
      const directory = at(path);
      assert.equal(mayWatch({ directory, ownFolders }), expected, path);
    }
    const config = { repository: at("snapshots"), cache: at("cache") };
    const ignored = ignoredFolders({ ...config, ownFolders });
    for (const folder of ignored) {
      assert.equal(isWatched(join(folder, "a"), temp, ignored), false, folder);
    }
    assert.equal(ignored.length, 4);
  }));

test("OwnChanges has paths and everything below them for a while", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const own = new OwnChanges();
    assert.equal(own.has("/work/a.txt"), false);
    own.add(["/work/a.txt", "/work/folder"]);
    assert.equal(own.has("/work/a.txt"), true);
    assert.equal(own.has("/work/folder/deep/b.txt"), true);
    assert.equal(own.has("/work/folder2"), false);
    assert.equal(own.has("/work"), false);
    mock.timers.tick(OWN_CHANGE_MS - 1);
    own.add(["/work/a.txt"]);
    mock.timers.tick(1);
    assert.equal(own.has("/work/folder"), false);
    assert.equal(own.has("/work/a.txt"), true);
    mock.timers.tick(OWN_CHANGE_MS);
    assert.equal(own.has("/work/a.txt"), false);
  } finally {
    mock.timers.reset();
  }
});
