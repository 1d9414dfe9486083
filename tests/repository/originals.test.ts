import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Dir, MemoryStorage, Repository } from "../../mod.ts";
import { RACY_NANOSECONDS } from "../../lib/tree/racy.ts";
import { withTemp } from "../support/temp.ts";

test("snapshot() with originals stores the earlier copies of changed files", () =>
  withTemp(async (folder) => {
    const work = join(folder, "work");
    const originals = join(folder, "originals");
    const cache = join(folder, "cache");
    for (const place of [work, originals]) {
      fs.mkdirSync(join(place, "sub"), { recursive: true });
    }
    const large = new Uint8Array(2 ** 21).fill(1);
    const write = (place: string, path: string, data: string | Uint8Array) =>
      fs.writeFileSync(join(place, path), data);
    for (
      const [path, before, after] of [
        ["changed.txt", "before\n", "after it was changed\n"],
        ["sub/large.bin", large, "small\n"],
        ["grown.bin", "small\n", large],
      ] as const
    ) {
      write(originals, path, before);
      write(work, path, after);
    }
    write(work, "same.txt", "same\n");
    fs.copyFileSync(join(work, "same.txt"), join(originals, "same.txt"));
    const { atime, mtime } = fs.statSync(join(work, "same.txt"));
    fs.utimesSync(join(originals, "same.txt"), atime, mtime);
    write(work, "other.txt", "other\n");
    write(originals, "gone.txt", "not in the directory\n");

    // Otherwise a file that changed just now would be read again anyway.
    await sleep(Number(RACY_NANOSECONDS) / 1e6 + 100);

    const repository = await Repository.create(new MemoryStorage());
    const first = await repository.snapshot(
      new Dir(work, { originals }),
      { cache },
    );
    assert.deepEqual(first.skipped, []);
    const read = async (path: string) => {
      const content = await repository.readFile(first.record, path);
      return new Uint8Array(await new Response(content).arrayBuffer());
    };
    const { entries } = await repository.tree(first.record);
    assert.deepEqual(
      entries.map(({ path }) => path),
      [
        "changed.txt",
        "grown.bin",
        "other.txt",
        "same.txt",
        "sub",
        "sub/large.bin",
      ],
    );
    for (const path of ["changed.txt", "grown.bin", "sub/large.bin"]) {
      const original = join(originals, path);
      assert.deepEqual(
        await read(path),
        new Uint8Array(fs.readFileSync(original)),
      );
      const entry = entries.find((one) => one.path === path)!;
      const { mtimeMs } = fs.statSync(original);
      assert.equal(Number(entry.mtime / 1_000_000n), Math.floor(mtimeMs), path);
    }

    // The next snapshot has the current files, although nothing has changed
    // since.
    const second = await repository.snapshot(new Dir(work), { cache });
    assert.deepEqual(second.diff.updated, [
      "changed.txt",
      "grown.bin",
      "sub/large.bin",
    ]);
    assert.equal(second.isNew, true);
    const third = await repository.snapshot(new Dir(work), { cache });
    assert.equal(third.isNew, false);
  }));
