/** The changes directly below a folder, as the views list them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileChange } from "../../extension/src/shared/protocol.ts";
import { changesBelow } from "../../extension/src/worker/changes_below.ts";

function changed(
  path: string,
  change: FileChange["change"] = "updated",
): FileChange {
  return { path, change, size: 1 };
}

const CHANGES = [
  changed("a.md"),
  changed("docs/old.md", "deleted"),
  changed("docs/older/one.md", "deleted"),
  changed("lib/tree/deep/one.ts"),
  changed("lib/tree/deep/two.ts", "deleted"),
  changed("lib.ts", "created"),
  changed("mode.sh", "touched"),
];

test("changesBelow() returns the files and folders of one level", () => {
  const { changed, first, folders, files } = changesBelow(CHANGES, "");
  assert.equal(changed, 6);
  assert.deepEqual(first, [
    { path: "a.md", change: "updated" },
    { path: "lib/tree/deep/one.ts", change: "updated" },
  ]);
  assert.deepEqual(folders, [
    { path: "docs", title: "docs", isGone: true },
    { path: "lib/tree/deep", title: "lib/tree/deep", isGone: false },
  ]);
  assert.deepEqual(files.map(({ path }) => path), ["a.md", "lib.ts"]);
});

test("changesBelow() returns only the changes in the folder", () => {
  const docs = changesBelow(CHANGES, "docs");
  // The counts are those of the whole list.
  assert.equal(docs.changed, 6);
  assert.deepEqual(docs.folders, [
    { path: "docs/older", title: "older", isGone: true },
  ]);
  assert.deepEqual(docs.files.map(({ path }) => path), ["docs/old.md"]);
  const deep = changesBelow(CHANGES, "lib/tree/deep");
  assert.deepEqual(deep.folders, []);
  assert.equal(deep.files.length, 2);
});

test("changesBelow() returns touched files if nothing else changed", () => {
  const touched = [changed("a.sh", "touched"), changed("bin/b.sh", "touched")];
  const { changed: count, first, folders, files } = changesBelow(touched, "");
  assert.deepEqual([count, first], [0, []]);
  assert.deepEqual(folders, [{ path: "bin", title: "bin", isGone: false }]);
  assert.deepEqual(files, [touched[0]]);
});

test("changesBelow() names deletions after other changes, as a summary does", () => {
  const first = (changes: FileChange[]) =>
    changesBelow(changes, "").first.map(({ path }) => path);
  const gone = ["a", "b", "c"].map((path) => changed(path, "deleted"));
  assert.deepEqual(first(gone), ["a", "b"]);
  assert.deepEqual(first([...gone, changed("d")]), ["d", "a"]);
  const both = [...gone, changed("d"), changed("e", "created")];
  assert.deepEqual(first(both), ["d", "e"]);
});
