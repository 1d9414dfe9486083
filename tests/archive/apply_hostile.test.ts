import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { DiffData } from "../../lib/archive/diff_data.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { type Change, DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import type {
  HashedEntry,
  HashedFileEntry,
} from "../../lib/tree/entry_line.ts";
import { comparePaths } from "../../lib/tree/path.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { noise } from "./helpers.ts";

const everything = (root: string) => new Walker(root, { excludes: [] });
const META = { mode: 0o755, mtime: 1_000_000_000n, uid: 0, gid: 0 };
const CONTENT = new TextEncoder().encode("evil");

function entry(path: string, more: Partial<HashedFileEntry> = {}): HashedEntry {
  const sum = toHex(sha256(CONTENT));
  return { path, kind: "file", ...META, size: 4, sha256: sum, ...more };
}
const dir = (path: string): HashedEntry => (
  { path, kind: "directory", ...META, size: 0 }
);
const link = (
  path: string,
  target: string,
  kind: "symlink" | "hardlink",
): HashedEntry => ({ path, kind, ...META, size: 0, target });
const created = (entry: HashedEntry): Change => ({ change: "created", entry });

test(
  "applyDiff() refuses hostile differences and changes nothing",
  needsSymlinks,
  async () => {
    const cases: Record<string, Change[]> = {
      "parent": [created(entry("../evil"))],
      "absolute": [created(entry("/tmp/deltar-evil2"))],
      "inner parent": [created(entry("sub/../../evil"))],
      "through a new link": [
        created(link("x", "..", "symlink")),
        created(entry("x/evil")),
      ],
      "through a link that is there": [created(entry("out/evil"))],
      "folder through a link": [created(dir("out/evil"))],
      "below a file": [created(entry("a/evil"))],
      "below a new file": [created(entry("x")), created(entry("x/evil"))],
      "no folder": [created(entry("none/evil"))],
      "in a folder that goes": [
        { change: "deleted", before: dir("sub") },
        created(entry("sub/evil")),
      ],
      "remove outside": [{ change: "deleted", before: entry("../other") }],
      "remove through a link": [
        { change: "deleted", before: entry("out/other") },
      ],
      "touch through a link": [{
        change: "touched",
        entry: entry("out/other", { mode: 0o777 }),
        before: entry("out/other"),
      }],
      "copy from outside": [
        { change: "copied", entry: entry("x"), from: "../other" },
      ],
      "copy through a link": [
        { change: "copied", entry: entry("x"), from: "out/other" },
      ],
      "hard link to outside": [created(link("x", "../other", "hardlink"))],
      "hard link through a link": [
        created(link("x", "out/other", "hardlink")),
      ],
      "huge": [created(entry("x", { size: Number.MAX_SAFE_INTEGER }))],
    };
    for (const [what, changes] of Object.entries(cases)) {
      await withTemp(async (folder) => {
        const root = join(folder, "base");
        fs.mkdirSync(join(root, "sub"), { recursive: true });
        fs.writeFileSync(join(root, "a"), "a");
        fs.writeFileSync(join(folder, "other"), CONTENT);
        fs.symlinkSync("..", join(root, "out"));
        // The archive has all requested content, so that only the paths are
        // bad.
        const source = join(folder, "source");
        fs.mkdirSync(join(source, "x"), { recursive: true });
        const archive = join(folder, "diff.tgz");
        for (const name of ["evil", "x/evil"]) {
          fs.writeFileSync(join(source, name), CONTENT);
        }
        const none = DirIndex.empty();
        await DiffData.capture(everything(source), none, archive);
        const sorted = [...changes].sort((a, b) =>
          comparePaths(pathOf(a), pathOf(b))
        );
        roundTimes(folder);
        const before = stateOf(folder);
        for (const decoded of [false, true]) {
          const made = new DiffIndex(sorted, META);
          await assert.rejects(
            async () => {
              const diff = decoded ? DiffIndex.decode(made.encode()) : made;
              await applyDiff(root, diff, archive);
            },
            { name: "DeltarError" },
            what,
          );
          assert.deepEqual(stateOf(folder), before, what);
        }
      });
    }
    assert.equal(fs.existsSync("/tmp/deltar-evil2"), false);
  },
);

function pathOf(change: Change): string {
  return change.change === "deleted" ? change.before.path : change.entry.path;
}

test("applyDiff() keeps a hard link that has become a separate file", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "base");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "a"), "content");
    fs.linkSync(join(root, "a"), join(root, "b"));
    const before = await DirIndex.of(everything(root));
    const next = join(folder, "next");
    fs.cpSync(root, next, { recursive: true, preserveTimestamps: true });
    fs.rmSync(join(next, "b"));
    const archive = join(folder, "diff.tgz");
    const { diff } = await DiffData.capture(everything(next), before, archive);
    fs.rmSync(join(root, "b"));
    fs.writeFileSync(join(root, "b"), "in no backup");
    await assert.rejects(applyDiff(root, diff, archive), { code: "mismatch" });
    assert.equal(fs.readFileSync(join(root, "b"), "utf8"), "in no backup");
  });
});

test("applyDiff() needs no content for a large file that is equal to another", async () => {
  await withTemp(async (folder) => {
    const [root, next] = [join(folder, "base"), join(folder, "next")];
    for (const place of [root, next]) fs.mkdirSync(place);
    const [a, b] = [noise(1_200_000, 1), noise(1_200_000, 2)];
    fs.writeFileSync(join(root, "a"), a);
    fs.writeFileSync(join(root, "b"), b);
    fs.writeFileSync(join(next, "a"), b);
    fs.writeFileSync(join(next, "b"), b);
    for (const place of [root, next]) roundTimes(place);
    const before = await DirIndex.of(everything(root));
    const archive = join(folder, "diff.tgz");
    const { diff } = await DiffData.capture(everything(next), before, archive);
    assert.ok(fs.statSync(archive).size < 1000);
    await applyDiff(root, diff, archive);
    assert.deepEqual(stateOf(root), stateOf(next));
  });
});

test("applyDiff() ignores content that no change needs, and sets the directory's time", async () => {
  await withTemp(async (folder) => {
    const [root, next] = [join(folder, "base"), join(folder, "next")];
    for (const place of [root, next]) fs.mkdirSync(place);
    fs.writeFileSync(join(next, "kept"), "kept");
    fs.writeFileSync(join(next, "stray"), noise(5000));
    fs.mkdirSync(join(next, "sub"));
    roundTimes(next);
    setTimes(next, 1_500_000_000_000_000_000n);
    const before = await DirIndex.of(everything(root));
    const archive = join(folder, "diff.tgz");
    const { diff } = await DiffData.capture(everything(next), before, archive);
    const less = new DiffIndex(
      diff.changes.filter((change) => pathOf(change) !== "stray"),
      diff.root,
    );
    await applyDiff(root, less, archive);
    fs.rmSync(join(next, "stray"));
    assert.deepEqual(stateOf(root), stateOf(next));
    assert.equal(lstat(root).mtime, 1_500_000_000_000_000_000n);
  });
});

test("applyDiff() leaves no trace of changes that it cannot apply, not even in the directory's time", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "base");
    fs.mkdirSync(root);
    setTimes(root, 1_500_000_000_000_000_000n);
    const archive = join(folder, "diff.tgz");
    await DiffData.capture(everything(root), DirIndex.empty(), archive);
    const diff = new DiffIndex([created(entry("x"))], META);
    await assert.rejects(applyDiff(root, diff, archive), { code: "not-found" });
    await assert.rejects(applyDiff(root, diff, join(folder, "none")), {
      name: "DeltarError",
      code: "not-found",
    });
    const stop = AbortSignal.abort();
    await assert.rejects(applyDiff(root, diff, archive, { signal: stop }));
    assert.deepEqual(fs.readdirSync(root), []);
    assert.equal(lstat(root).mtime, 1_500_000_000_000_000_000n);
  });
});

test("createArchive() leaves no archive if files changed after they were indexed", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const large = noise(1_100_000);
    fs.writeFileSync(join(root, "small"), "small");
    fs.writeFileSync(join(root, "large"), large);
    const index = await DirIndex.of(everything(root));
    const diff = DiffIndex.compute(index);
    const archive = join(folder, "diff.tgz");
    const create = () =>
      new DiffData(diff, everything(root)).createArchive(archive);
    for (const name of ["small", "large"]) {
      const place = join(root, name);
      const good = fs.readFileSync(place);
      fs.writeFileSync(place, good.map((byte) => byte ^ 1));
      await assert.rejects(create(), { code: "changed", path: name });
      fs.writeFileSync(place, good.subarray(1));
      await assert.rejects(create(), { code: "changed", path: name });
      fs.rmSync(place);
      await assert.rejects(create(), {
        name: "DeltarError",
        code: "not-found",
      });
      fs.mkdirSync(place);
      await assert.rejects(create(), { name: "DeltarError", code: "io" });
      fs.rmdirSync(place);
      // Bytes that were appended later are not part of the indexed content.
      fs.writeFileSync(place, Uint8Array.from([...good, 1, 2, 3]));
      await create();
      fs.rmSync(archive);
    }
    assert.deepEqual(fs.readdirSync(folder), ["root"]);
  });
});
