import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type Change, DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { type HashedEntry, parseTime } from "../../lib/tree/entry_line.ts";
import {
  decodeLines,
  encodeLines,
  type Line,
} from "../../lib/bytes/listing.ts";
import { formatTime } from "../../lib/tree/to_json.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";
import { treeAndEdited, writeTree } from "../support/trees.ts";

const everything = (root: string) => new Walker(root, { excludes: [] });

test("indexes and differences are unchanged after writing and reading", async () => {
  const property = fc.asyncProperty(
    treeAndEdited,
    ([first, second]) =>
      withTemp(async (folder) => {
        writeTree(join(folder, "a"), first);
        writeTree(join(folder, "b"), second);
        const a = await DirIndex.of(everything(join(folder, "a")));
        const b = await DirIndex.of(everything(join(folder, "b")));
        const file = join(folder, "index");
        await a.toFile(file);
        const read = await DirIndex.fromFile(file);
        assert.deepEqual(read.entries, a.entries);
        assert.deepEqual([read.root, read.skipped], [a.root, a.skipped]);
        assert.deepEqual(read.encode(), a.encode());
        const diff = DiffIndex.compute(b, a);
        await diff.toFile(file);
        assert.deepEqual(await DiffIndex.fromFile(file), diff);
        assert.deepEqual(fs.readdirSync(folder).sort(), ["a", "b", "index"]);
      }),
  );
  await fc.assert(property, runs(25));
});

const META = { mode: "0644", mtime: "1.5", uid: 0, gid: 0 };
const FILE = {
  path: "a",
  kind: "file",
  ...META,
  size: 1,
  sha256: "0".repeat(64),
};
const DIR = { path: "b", kind: "directory", ...META };

/** Returns a small index and a small difference, with all possible fields. */
function examples(): [string, Uint8Array, (bytes: Uint8Array) => unknown][] {
  const fields = (path: string) => ({
    path,
    mode: 0o4755,
    mtime: -1_000_000_001n,
    uid: 1,
    gid: 2,
    size: 0,
  });
  const file = (path: string): HashedEntry => ({
    ...fields(path),
    kind: "file",
    size: 5,
    sha256: "ab".repeat(32),
  });
  const index = new DirIndex(
    [
      file("a\n"),
      { ...fields("b"), kind: "directory" },
      { ...fields("b/c"), kind: "symlink", target: "../é" },
      { ...fields("b-"), kind: "hardlink", target: "a\n" },
    ],
    { mode: 0o700, mtime: 5n, uid: 0, gid: 0 },
    [{ path: "x", reason: "special", detail: "a pipe" }],
  );
  const changes: Change[] = [
    { change: "created", entry: file("a") },
    { change: "updated", entry: file("b"), before: file("b"), from: "x/y" },
    { change: "renamed", entry: file("c"), from: "z" },
    { change: "touched", entry: file("d"), before: file("d") },
    { change: "deleted", before: file("e") },
  ];
  const diff = new DiffIndex(changes, index.root);
  return [
    ["index", index.encode(), (bytes) => DirIndex.decode(bytes)],
    ["difference", diff.encode(), (bytes) => DiffIndex.decode(bytes)],
  ];
}

test("an index or difference with a flipped bit or a missing byte is refused", () => {
  for (const [what, good, decode] of examples()) {
    decode(good);
    const refused = (bytes: Uint8Array, how: string) =>
      assert.throws(
        () => decode(bytes),
        { name: "DeltarError" },
        `${what}, ${how}`,
      );
    for (let at = 0; at < good.length; at++) {
      for (const bit of [0, at % 8]) {
        const bytes = good.slice();
        bytes[at] ^= 1 << bit;
        refused(bytes, `bit ${bit} at ${at}`);
      }
      refused(good.subarray(0, at), `cut at ${at}`);
      const less = [...good.subarray(0, at), ...good.subarray(at + 1)];
      refused(Uint8Array.from(less), `without the byte at ${at}`);
    }
    refused(Uint8Array.from([...good, 10]), "with a line more");
    refused(Uint8Array.from([...good, ...good]), "twice");
  }
});

test("a line that is not an object is refused", () => {
  for (const value of [[], 5, "text", null] as unknown[] as Line[]) {
    const bytes = encodeLines("x", 1, {}, [value]);
    const read = () => [...decodeLines(bytes, "x", 1, "object").lines];
    assert.throws(read, { code: "corrupt", object: "object" }, `${value}`);
  }
});

test("a newer version, another format and contradictory lines are refused", () => {
  const root = { root: META };
  const index = (lines: Line[], version = 1, header: Line = root) =>
    DirIndex.decode(encodeLines("deltar-index", version, header, lines));
  const diff = (lines: Line[], version = 1) =>
    DiffIndex.decode(encodeLines("deltar-diff", version, root, lines));
  const code = (code: string) => ({ name: "DeltarError", code });
  index([FILE, DIR]);
  assert.throws(() => index([], 3), code("unsupported"));
  assert.throws(() => diff([], 3), code("unsupported"));
  assert.throws(
    () => DirIndex.decode(new DiffIndex([], examples0()).encode()),
    code("corrupt"),
  );
  const bad: Line[][] = [
    [DIR, FILE],
    [FILE, FILE],
    [{}],
    [{ ...FILE, path: 5 }],
    [{ ...FILE, kind: "pipe" }],
    [{ ...FILE, size: -1 }],
    [{ ...FILE, size: 1.5 }],
    [{ ...FILE, size: "1" }],
    [{ ...FILE, size: 2 ** 53 }],
    [{ ...FILE, sha256: "0" }],
    [{ ...FILE, sha256: "G".repeat(64) }],
    [{ ...FILE, mode: 420 }],
    [{ ...FILE, mode: "644" }],
    [{ ...FILE, mode: "0888" }],
    [{ ...FILE, mode: "0100644" }],
    [{ ...FILE, mtime: 5 }],
    [{ ...FILE, mtime: "1e5" }],
    [{ ...FILE, mtime: "1.0000000001" }],
    [{ ...FILE, mtime: "9".repeat(20) }],
    [{ ...FILE, uid: null }],
    [{ ...FILE, gid: -1 }],
    [{ ...FILE, kind: "symlink" }],
    [{ ...FILE, kind: "symlink", target: "" }],
    [{ ...FILE, kind: "symlink", target: "a\0b" }],
    [{ ...FILE, kind: "hardlink", target: 7 }],
    [{ ...FILE, signature: "????" }],
    [{ ...FILE, signature: "AAAA" }],
    [{ skipped: "bored", path: "a" }],
    [{ skipped: "special", path: 5 }],
  ];
  for (const lines of bad) {
    assert.throws(() => index(lines), code("corrupt"), JSON.stringify(lines));
  }
  for (
    const path of ["", "/a", "../a", "a/../b", "a/.", "a//b", "a/", "a\0b"]
      .concat("a".repeat(40_000))
  ) {
    const shown = path.slice(0, 20);
    assert.throws(() => index([{ ...FILE, path }]), code("unsafe"), shown);
    const link = { ...FILE, kind: "hardlink", target: path };
    if (path !== "" && !path.includes("\0")) {
      assert.throws(() => index([link]), code("unsafe"), shown);
    }
    const moved = { ...FILE, change: "renamed", from: path };
    assert.throws(() => diff([moved]), code("unsafe"), shown);
  }
  for (const header of [{}, { root: null }, { root: 5 }, { root: {} }]) {
    assert.throws(() => index([], 1, header), code("corrupt"));
  }
  const changes: Line[][] = [
    [{ ...FILE }],
    [{ ...FILE, change: "vanished" }],
    [{ ...FILE, change: "renamed" }],
    [{ ...FILE, change: "copied", from: 5 }],
    [{ ...FILE, change: "updated" }],
    [{ ...FILE, change: "touched", before: "x" }],
    [{ ...FILE, change: "touched", before: { ...FILE, size: -1 } }],
    [{ ...FILE, change: "created" }, { ...FILE, change: "deleted" }],
  ];
  for (const lines of changes) {
    assert.throws(() => diff(lines), code("corrupt"), JSON.stringify(lines));
  }
});

function examples0() {
  return { mode: 0o755, mtime: 0n, uid: 0, gid: 0 };
}

test("lines with any JSON are read with their offsets", () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string(), fc.json())), (lines) => {
      const bytes = encodeLines("x", 3, { more: 1 }, lines);
      const read = decodeLines(bytes, "x", 3, "object");
      assert.deepEqual(read.header, { format: "x", version: 3, more: 1 });
      for (const [at, [line, offset]] of [...read.lines].entries()) {
        assert.deepEqual({ ...line }, { ...lines[at] });
        const text = new TextDecoder().decode(bytes.subarray(offset));
        assert.ok(text.startsWith(JSON.stringify(lines[at])));
      }
    }),
    runs(100),
  );
});

test("times of any size are written and read", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 63n) * 1_000_000_000n, max: 2n ** 93n }),
      (time) => assert.equal(parseTime(formatTime(time)), time),
    ),
    runs(200),
  );
  assert.equal(formatTime(-1n), "-0.000000001");
  assert.equal(formatTime(1_500_000_000n), "1.500000000");
});

test("a missing file fails with not-found", async () => {
  await withTemp(async (folder) => {
    const absent = { name: "DeltarError", code: "not-found" };
    await assert.rejects(DirIndex.fromFile(join(folder, "x")), absent);
    await assert.rejects(DiffIndex.fromFile(join(folder, "x")), absent);
    await assert.rejects(DirIndex.fromFile(folder), { code: "io" });
    await assert.rejects(
      DirIndex.empty().toFile(join(folder, "none/x")),
      { name: "DeltarError" },
    );
    assert.deepEqual(fs.readdirSync(folder), []);
  });
});
