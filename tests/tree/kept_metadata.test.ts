import assert from "node:assert/strict";
import { test } from "node:test";
import type { IndexEntry } from "../../lib/tree/dir_index.ts";
import {
  isMadeUp,
  makesUpModes,
  withKeptMetadata,
} from "../../lib/tree/kept_metadata.ts";

const TIME = 1_234_567_890_123_456_789n;
const SUM = "0".repeat(64);
const XATTRS = { "user.a": "AQ==" };

function file(mode: number, more: object = {}): IndexEntry {
  const state = { mode, mtime: TIME, uid: 0, gid: 0, size: 1, sha256: SUM };
  return { path: "f", kind: "file", ...state, ...more } as IndexEntry;
}

function folder(mode: number, uid = 0): IndexEntry {
  return {
    path: "f",
    kind: "directory",
    mode,
    mtime: TIME,
    uid,
    gid: uid,
    size: 0,
  };
}

test("withKeptMetadata() gives an entry on Windows its earlier mode and owner [R12]", () => {
  const before = file(0o4755, { uid: 1000, gid: 100, xattrs: XATTRS });
  // Windows stores times in units of 100 ns.
  const found = file(0o644, { mtime: TIME - 89n });
  const { mode, uid, gid, mtime, xattrs } = withKeptMetadata(found, before);
  assert.deepEqual([mode, uid, gid], [0o4755, 1000, 100]);
  assert.equal(mtime, found.mtime);
  assert.equal(xattrs, XATTRS);
  assert.equal(withKeptMetadata(folder(0o755), folder(0o2750, 7)).mode, 0o2750);

  const edited = file(0o644, { sha256: "1".repeat(64) });
  assert.equal(withKeptMetadata(edited, before).mode, 0o4755);
  assert.equal(withKeptMetadata(edited, before).xattrs, undefined);
});

test("withKeptMetadata() applies the read-only flag", () => {
  const after = (found: number, before: number) =>
    withKeptMetadata(file(found), file(before)).mode;
  assert.equal(after(0o444, 0o600), 0o400);
  assert.equal(after(0o444, 0o775), 0o555);
  assert.equal(after(0o644, 0o400), 0o600);
  assert.equal(after(0o444, 0o555), 0o555);
  // A folder has no such flag.
  assert.equal(withKeptMetadata(folder(0o755), folder(0o500)).mode, 0o500);
});

test("withKeptMetadata() keeps nothing of an entry of another kind", () => {
  assert.equal(withKeptMetadata(file(0o644), undefined).mode, 0o644);
  assert.equal(withKeptMetadata(file(0o644), folder(0o700)).mode, 0o644);
});

test("isMadeUp() recognizes the modes and owners of Windows", () => {
  for (const entry of [file(0o644), file(0o444), folder(0o755)]) {
    assert.ok(isMadeUp(entry));
  }
  for (
    const entry of [
      file(0o600),
      file(0o755),
      file(0o644, { uid: 1 }),
      folder(0o700),
      folder(0o755, 1),
    ]
  ) assert.ok(!isMadeUp(entry));
  assert.deepEqual(
    ["win32", "linux", "darwin"].map((system) => makesUpModes(system)),
    [true, false, false],
  );
});
