import assert from "node:assert/strict";
import { test } from "node:test";
import { detailsOf, textOf } from "../../extension/src/worker/entry_details.ts";
import type { HashedEntry } from "../../lib/tree/mod.ts";

const state = { path: "a", mode: 0o644, mtime: 0n, uid: 0, gid: 0, size: 0 };
const sha256 = "0".repeat(64);
const shown = (entry: HashedEntry) => {
  const text = textOf(entry);
  return text && new TextDecoder().decode(text);
};

test("textOf() returns a text for an entry without content", () => {
  const device = { major: 7, minor: 1 };
  const entries: [HashedEntry, string | undefined][] = [
    [{ ...state, kind: "file", sha256 }, undefined],
    [{ ...state, kind: "hardlink", target: "b" }, undefined],
    [{ ...state, kind: "directory" }, undefined],
    [{ ...state, kind: "symlink", target: "../b" }, "../b"],
    [{ ...state, kind: "fifo" }, "named pipe"],
    [{ ...state, kind: "block", device }, "block device 7, 1"],
    [{ ...state, kind: "character", device }, "character device 7, 1"],
  ];
  for (const [entry, text] of entries) {
    assert.equal(shown(entry), text, entry.kind);
  }
});

test("detailsOf() returns the kind, the space and the attributes of an entry", () => {
  const xattrs = { "user.note": "MQ==" };
  assert.deepEqual(
    detailsOf({ ...state, kind: "file", sha256, xattrs: {} }),
    {},
  );
  assert.deepEqual(
    detailsOf({ ...state, kind: "file", sha256, sparse: 512, xattrs }),
    { sparse: 512, xattrs: ["user.note"] },
  );
  assert.deepEqual(detailsOf({ ...state, kind: "fifo", xattrs }), {
    special: "named pipe",
    xattrs: ["user.note"],
  });
});
