import assert from "node:assert/strict";
import { test } from "node:test";
import { alikePaths, Spelling } from "../../lib/tree/spelling.ts";
import type { FileStat } from "../../lib/tree/stat.ts";

/** Returns a disk in memory: paths with the numbers of their inodes. */
function diskOf(
  files: Record<string, bigint>,
  fold: (name: string) => string,
) {
  const stat = (inode: bigint): FileStat => ({
    kind: "file",
    mode: 0o644,
    mtime: 0n,
    ctime: 0n,
    size: 0,
    allocated: 0,
    uid: 0,
    gid: 0,
    inode,
    device: 1n,
    links: 1,
  });
  const disk = {
    at(path: string) {
      if (path === "") return { ...stat(0n), kind: "directory" as const };
      const found = Object.keys(files).find((name) => name === path) ??
        Object.keys(files).find((name) => fold(name) === fold(path));
      return found === undefined ? undefined : stat(files[found]);
    },
    names: () => Object.keys(files),
  };
  const probe = {
    isOne: (_: string, name: string, other: string) =>
      fold(name) === fold(other),
    listed: (_: string, name: string) => name,
  };
  return new Spelling(disk, probe);
}

const EXACT = (name: string) => name;
const CASELESS = (name: string) => name.toLowerCase();
const stat = (inode: bigint) => ({ inode, device: 1n }) as FileStat;

test("Spelling finds the name that a disk has for another spelling [R2]", () => {
  const spelling = diskOf({ "file.TXT": 1n, "other": 2n }, CASELESS);
  assert.equal(spelling.listedAs("File.txt", stat(1n)), "file.TXT");
  assert.equal(spelling.listedAs("other", stat(2n)), "other");
  assert.ok(spelling.isOneName("File.txt", "file.TXT"));
  assert.ok(spelling.isOneName("new", "NEW"));
  assert.ok(!spelling.isOneName("other", "file.TXT"));
});

test("Spelling distinguishes hard links whose names differ only in case [R3]", () => {
  const spelling = diskOf({ "README": 1n, "readme": 1n }, EXACT);
  assert.equal(spelling.listedAs("README", stat(1n)), "README");
  assert.equal(spelling.listedAs("readme", stat(1n)), "readme");
  assert.ok(!spelling.isOneName("README", "readme"));
  assert.ok(!spelling.isOneName("new", "NEW"));
});

test("alikePaths() finds paths that may be equal, including their folders [R3]", () => {
  const paths = ["Dir", "Dir/x", "README", "dir", "dir/x", "other", "readme"];
  assert.deepEqual(
    [...alikePaths(paths).keys()].sort(),
    ["Dir", "Dir/x", "README", "dir", "dir/x", "readme"],
  );
  assert.equal(alikePaths(["a", "b", "C"]).size, 0);
});
