import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { Dir } from "../../lib/archive/dir.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { atOnce } from "../../lib/bytes/turns.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
import { openFolder } from "../../lib/tree/open_folder.ts";
import { OpenFolders } from "../../lib/tree/open_folders.ts";
import { checkPath, comparePaths, foldersAbove } from "../../lib/tree/path.ts";
import { decodeSkipped, encodeSkipped } from "../../lib/tree/skipped_line.ts";
import { TargetDirectory } from "../../lib/tree/target_directory.ts";
import { byEachOpenAccess } from "../support/folder_access.ts";
import { run } from "../support/peer.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";

const onLinux = { skip: process.platform !== "linux" && "needs Linux" };

/** Creates nested folders, and returns the path of the innermost one. */
function makeDeep(root: string, names: readonly string[]): string {
  const folders = new OpenFolders(openFolder(root));
  let path = "";
  for (const name of names) {
    folders.at(path).makeFolder(name, 0o755);
    path = path === "" ? name : `${path}/${name}`;
  }
  const folder = folders.at(path);
  for (const name of ["file", "left-out"]) {
    const file = folder.createFile(name, 0o644);
    file.write(new TextEncoder().encode(name), 0);
    file.close();
  }
  const rules = folder.createFile(".deltarignore", 0o644);
  rules.write(new TextEncoder().encode("left-out\n"), 0);
  rules.close();
  folder.makeSymlink("link", "nowhere");
  folders.close();
  return path;
}

test(
  "Repository.snapshot() stores paths longer than PATH_MAX [R6]",
  onLinux,
  async () => {
    await byEachOpenAccess(async () => {
      await withTemp(async (folder) => {
        const root = join(folder, "root");
        fs.mkdirSync(root);
        const path = makeDeep(root, Array(40).fill("n".repeat(200)));
        assert.ok(path.length > 8000);
        try {
          const repository = await Repository.create(new MemoryStorage());
          const options = { cache: join(folder, "cache"), onlyIfChanged: true };
          const first = await repository.snapshot(new Dir(root), options);
          assert.deepEqual(
            first.skipped.map(({ reason, path }) => `${reason} ${path}`),
            [`excluded ${path}/left-out`],
          );
          const { byPath } = await repository.tree(first.record);
          const sum = toHex(sha256(new TextEncoder().encode("file")));
          assert.equal(byPath.get(`${path}/file`)?.sha256, sum);
          assert.equal(byPath.get(`${path}/link`)?.target, "nowhere");
          const second = await repository.snapshot(new Dir(root), options);
          assert.equal(second.isNew, false);
          const dir = new Dir(root);
          assert.match(dir.whyExcluded(`${path}/left-out`)!, /:1: left-out$/);
          const onDisk = new TargetDirectory(root);
          assert.equal(onDisk.at(`${path}/file`)?.size, 4);
          const content = { size: 4, sha256: sum };
          assert.ok(atOnce(onDisk.hasContent(`${path}/file`, content)));
          onDisk.close();
        } finally {
          run("rm", ["-rf", root]);
        }
      });
    });
  },
);

test(
  "Walker.entries() names a path with too many segments [A11]",
  onLinux,
  async () => {
    await withTemp((folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      makeDeep(root, Array(2060).fill("d"));
      try {
        const skipped: string[] = [];
        const dir = new Dir(root);
        const paths = [...dir.entries({
          onSkip: ({ path, reason, detail }) => {
            assert.equal(path, Array(2049).fill("d").join("/"));
            skipped.push(`${reason} ${detail}`);
          },
        })];
        assert.equal(paths.length, 2048);
        assert.deepEqual(skipped, ["unreadable the path is too long"]);
      } finally {
        run("rm", ["-rf", root]);
      }
    });
  },
);

test(
  "Walker.entries() names a path with too many characters, shortened to the limit of a listing [A11]",
  onLinux,
  async () => {
    await withTemp((folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      const names = Array(70).fill("n".repeat(250));
      makeDeep(root, names);
      try {
        const skipped: Skipped[] = [];
        const dir = new Dir(root);
        const paths = [
          ...dir.entries({ onSkip: (skip) => skipped.push(skip) }),
        ];
        assert.equal(paths.length, 65);
        const path = names.join("/").slice(0, 16_383);
        const expected = {
          path,
          reason: "unreadable",
          detail: "the path is too long",
        };
        assert.deepEqual(skipped, [expected]);
        const line = encodeSkipped(skipped[0]);
        assert.deepEqual(decodeSkipped(line, "x", 0), expected);
        // V8 would need minutes to distinguish thousands of longer paths.
        const longer = { ...line, path: `${path}n` };
        assert.throws(() => decodeSkipped(longer, "x", 0), { code: "corrupt" });
      } finally {
        run("rm", ["-rf", root]);
      }
    });
  },
);

test("foldersAbove() returns each folder once, and none below a folder that is not wanted", () => {
  const path = fc.array(fc.constantFrom("a", "b", "a b", "ab"), {
    minLength: 1,
    maxLength: 5,
  }).map((names) => names.join("/"));
  fc.assert(
    fc.property(fc.array(path), fc.array(path), (some, unwanted) => {
      const asked: string[] = [];
      const found = [...foldersAbove(some.toSorted(comparePaths), (folder) => {
        asked.push(folder);
        return !unwanted.includes(folder);
      })];
      const above = (path: string) =>
        path.split("/").map((_, at, names) => names.slice(0, at).join("/"))
          .slice(1);
      const isBelow = (folder: string) =>
        [...above(folder)].some((other) => unwanted.includes(other));
      const all = new Set(some.flatMap(above));
      const expected = [...all].filter((folder) => !isBelow(folder));
      assert.deepEqual(asked.toSorted(), expected.toSorted());
      assert.deepEqual(
        found.toSorted(),
        expected.filter((folder) => !unwanted.includes(folder)).toSorted(),
      );
    }),
    runs(300),
  );
});

test("paths with too many segments are refused, and those with many are processed quickly [A11]", async () => {
  await withTemp((root) => {
    const path = (first: number, count: number) =>
      `${first}/${Array(count - 1).fill("d").join("/")}`;
    const begun = performance.now();
    for (let first = 0; first < 400; first++) {
      assert.throws(() => checkPath(path(first, 16_000)), { code: "unsafe" });
    }
    assert.throws(() => checkPath(path(0, 2049)), { code: "unsafe" });
    checkPath("n".repeat(16_383));
    assert.throws(() => checkPath("n".repeat(16_384)), { code: "unsafe" });
    const paths = Array.from({ length: 400 }, (_, at) => path(at, 2048));
    const onDisk = new TargetDirectory(root);
    for (const path of paths) assert.equal(onDisk.at(path), undefined);
    onDisk.close();
    let asked = 0;
    const above = foldersAbove(paths.sort(comparePaths), () => {
      asked++;
      return false;
    });
    assert.deepEqual([...above], []);
    assert.equal(asked, 400);
    const took = performance.now() - begun;
    assert.ok(took < 60_000, `${took} ms`);
  });
});
