/**
 * Files whose content is only in the cloud. They are never read and never lost.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { isFault } from "../../lib/tree/entry.ts";
import { openFolder, useFolderAccess } from "../../lib/tree/open_folder.ts";
import { isPlaceholder, placeholderTest } from "../../lib/tree/placeholder.ts";
import { decodeSkipped, encodeSkipped } from "../../lib/tree/skipped_line.ts";
import { setTimes } from "../../lib/tree/stat.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

test("placeholders are recognized by the flags of macOS and Windows", () => {
  const cases: [flags: number, platform: string, wanted: boolean][] = [
    [0x4000_0000, "darwin", true],
    // The flags mean compressed and hidden.
    [0x8020, "darwin", false],
    [0, "darwin", false],
    [0x40_0000, "win32", true],
    [0x1000 | 0x20, "win32", true],
    [0x4_0000, "win32", true],
    // The flags mean archive, hidden, sparse, reparse point and pinned.
    [0x20 | 0x2 | 0x200 | 0x400 | 0x8_0000, "win32", false],
    [0x80, "win32", false],
    // The path does not exist.
    [0xffff_ffff, "win32", false],
    [0xffff_ffff, "linux", false],
  ];
  for (const [flags, platform, wanted] of cases) {
    const name = `${platform} ${flags.toString(16)}`;
    assert.equal(isPlaceholder(flags, platform), wanted, name);
  }
  if (process.platform === "linux") assert.equal(placeholderTest(), undefined);
});

test("older versions read the line of a placeholder as an unreadable path", () => {
  const skipped = { path: "a", reason: "placeholder", detail: "…" } as const;
  const line = encodeSkipped(skipped);
  assert.equal(line.skipped, "unreadable");
  assert.deepEqual(decodeSkipped(line, "layer", 0), skipped);
  const { placeholder: _, ...plain } = line;
  assert.equal(decodeSkipped(plain, "layer", 0).reason, "unreadable");
  assert.equal(isFault(skipped), true);
});

/**
 * Runs `work` while the files in `away` count as placeholders, and collects
 * placeholders that are opened.
 */
async function withPlaceholders(
  work: (away: Set<string>, opened: string[]) => Promise<void>,
): Promise<void> {
  useFolderAccess("paths");
  const folder = openFolder(".");
  const prototype = Object.getPrototypeOf(folder);
  folder.close();
  const away = new Set<string>();
  const opened: string[] = [];
  const { openUnseen } = prototype;
  prototype.isPlaceholder = (name: string) => away.has(name);
  prototype.openUnseen = function (name: string) {
    if (away.has(name)) opened.push(name);
    return openUnseen.call(this, name);
  };
  try {
    await work(away, opened);
  } finally {
    delete prototype.isPlaceholder;
    prototype.openUnseen = openUnseen;
    useFolderAccess(undefined);
  }
}

const TIME = 1_500_000_000_000_000_000n;

test("placeholders are not read, and keep their stored content", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const cache = join(folder, "cache");
    fs.mkdirSync(join(root, "sub"), { recursive: true });
    const write = (path: string, text: string, time = TIME) => {
      fs.writeFileSync(join(root, path), text);
      setTimes(join(root, path), time);
    };
    for (const path of ["here", "same", "edited", "sub/large"]) {
      write(path, path === "sub/large" ? path.repeat(200_000) : path);
    }
    const repository = await Repository.create(new MemoryStorage());
    const take = () => repository.snapshot(everything(root), { cache });
    await withPlaceholders(async (away, opened) => {
      const { record: first } = await take();
      const before = await repository.tree(first);
      // The content is no longer on the disk. The size and time are the same.
      write("same", "....");
      write("sub/large", "\0".repeat(9 * 200_000));
      write("edited", "??????", TIME + 1_000_000_000n);
      write("new", "");
      fs.linkSync(join(root, "new"), join(root, "new2"));
      for (const name of ["same", "large", "edited", "new", "new2"]) {
        away.add(name);
      }
      for (let round = 0; round < 2; round++) {
        const { record, skipped } = await take();
        assert.deepEqual(opened, []);
        assert.deepEqual(
          skipped.map(({ path, reason }) => `${path}: ${reason}`),
          ["edited: placeholder", "new: placeholder", "new2: unreadable"],
        );
        assert.match(skipped[0].detail ?? "", /only in the cloud/);
        const { counts } = record;
        assert.deepEqual([counts.faults, counts.deleted, counts.updated], [
          3,
          0,
          0,
        ]);
        const now = await repository.tree(record);
        for (const path of ["same", "sub/large"]) {
          const { sha256, content } = now.byPath.get(path)!;
          assert.equal(sha256, before.byPath.get(path)!.sha256);
          assert.deepEqual(content, before.byPath.get(path)!.content);
        }
        assert.equal(now.byPath.has("edited"), false);
        assert.deepEqual(
          now.skipped.map(({ reason }) => reason),
          skipped.map(({ reason }) => reason),
        );
      }
      // A file that was not read does not count as deleted in the history …
      const newest = await repository.find("latest");
      const versions = await Array.fromAsync(
        repository.history(newest, "edited"),
      );
      assert.equal(versions.length, 1);
      assert.notEqual(versions[0].entry, undefined);
      // … and a restore does not delete it.
      const [last] = (await repository.snapshots()).slice(-1);
      const { left } = await repository.planRestore(last, root, {
        delete: true,
      });
      assert.deepEqual(left.map(({ path }) => path), ["edited", "new", "new2"]);
      // The files are downloaded again, so everything is read.
      away.clear();
      write("same", "same");
      write("sub/large", "sub/large".repeat(200_000));
      const { skipped, record } = await take();
      assert.deepEqual(skipped, []);
      const text = await new Response(
        await repository.readFile(record, "edited"),
      ).text();
      assert.equal(text, "??????");
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
    });
  });
});
