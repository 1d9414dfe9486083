import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeLayerLine,
  encodeLayerLine,
  type TreeEntry,
} from "../../lib/repository/layers/tree_layer.ts";
import { TreeRows } from "../../lib/repository/layers/tree_rows.ts";
import type { Line } from "../../lib/bytes/listing.ts";
import { comparePaths } from "../../lib/tree/path.ts";

const STATE = { mode: "0644", mtime: "1500000000.250000000", uid: 7, gid: 8 };
const SUM = "0123456789abcdef".repeat(4);
const volume = (at: number) =>
  `volumes/20261127T172351Z-10e385.vol${at}.tar.zst`;
const piece = (size: number, more: Line = {}): Line => ({
  form: "whole",
  size,
  volume: volume(0),
  offset: 12,
  length: 34,
  skip: 56,
  ...more,
});
const file = (path: string, more: Line = {}): Line => ({
  path,
  kind: "file",
  ...STATE,
  size: 5,
  sha256: SUM,
  content: [piece(5)],
  ...more,
});

const LINES: Line[] = [
  { path: "a", kind: "directory", ...STATE, uid: 2 ** 32 },
  file("a/1", { btime: "-1.5", xattrs: {} }),
  file("a/2", { mtime: "-99999999999999", content: [piece(5, { skip: 9 })] }),
  { path: "a/b", kind: "directory", ...STATE, mode: "07777" },
  file("a/b/v", { content: [piece(5, { path: "a/1", volume: volume(1) })] }),
  file("a/b/ünï", { content: [piece(5, { path: "a/1" })] }),
  file("a/c", { content: [piece(5, { path: "a/b/ünï", length: 2 ** 32 })] }),
  file("a/d", {
    content: [piece(4), piece(3, { form: "delta", result: 5 })],
    signature: piece(9, { volume: volume(2) }),
  }),
  file("a/e", { size: 2 ** 33, content: [piece(2 ** 33)] }),
  file("a/f", {
    size: 100,
    sha256: undefined,
    sparse: { size: 40, sha256: SUM },
    content: [piece(40)],
  }),
  file("a/raw\udc80name"),
  file("a/x", { xattrs: { "user.x": "eA==" } }),
  { path: "l", kind: "symlink", ...STATE, target: "a" },
  { path: "m", kind: "hardlink", ...STATE, target: "a/1" },
  { path: "n", kind: "character", ...STATE, device: { major: 1, minor: 3 } },
  file("no/folder/above"),
  { path: "zero", kind: "fifo", ...STATE },
];

function entries(): TreeEntry[] {
  return LINES.map((line) =>
    decodeLayerLine(JSON.parse(JSON.stringify(line)), "t", 0) as TreeEntry
  );
}

test("rows return the entries of every kind as they were added", () => {
  const rows = new TreeRows();
  const all = entries();
  assert.ok(
    all.every(({ path }, at) =>
      at === 0 || comparePaths(all[at - 1].path, path) < 0
    ),
  );
  for (const [at, entry] of all.entries()) assert.equal(rows.add(entry), at);
  assert.equal(rows.length, all.length);
  assert.deepEqual([...rows], all);
  assert.deepEqual(
    [...rows].map((entry) => JSON.stringify(entry)),
    all.map((entry) => JSON.stringify(entry)),
  );
  for (const [at, entry] of all.entries()) {
    assert.equal(rows.path(at), entry.path);
    assert.equal(
      JSON.stringify(encodeLayerLine(rows.at(at))),
      JSON.stringify(encodeLayerLine(entry)),
    );
    const pieces = [...entry.content ?? []];
    if (entry.signature) pieces.push(entry.signature);
    assert.deepEqual(rows.contentAt(at), {
      size: entry.sparse ?? entry.size,
      volumes: pieces.map(({ reference }) => reference.volume),
    });
  }
});

test("rows take the same paths again, as another layer has them", () => {
  const rows = new TreeRows();
  const all = entries();
  for (const entry of [...all, ...all]) rows.add(entry);
  assert.deepEqual([...rows], [...all, ...all]);
});
