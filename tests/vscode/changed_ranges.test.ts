import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { changedRanges } from "../../extension/src/worker/changed_ranges.ts";
import { Dir, MemoryStorage, Repository } from "../../mod.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";

const { signal } = new AbortController();

test("changedRanges() finds insertions in the stored delta", () =>
  withTemp(async (folder) => {
    const file = join(folder, "large.bin");
    const size = 8 << 20;
    const content = noise(size);
    fs.writeFileSync(file, content);
    const repository = await Repository.create(new MemoryStorage());
    const first = (await repository.snapshot(new Dir(folder))).record;
    const inserted = noise(1 << 20, 7);
    const edited = content.slice(6 << 20);
    edited.fill(1, 0, 4096);
    fs.writeFileSync(
      file,
      Buffer.concat([content.subarray(0, 2 << 20), inserted]),
    );
    fs.appendFileSync(file, content.subarray(2 << 20, 6 << 20));
    fs.appendFileSync(file, edited);
    const { record } = await repository.snapshot(new Dir(folder));
    const before = { id: first.id, path: "large.bin" };
    const after = { id: record.id, path: "large.bin" };
    const result = await changedRanges(
      repository,
      folder,
      before,
      after,
      signal,
    );
    assert.deepEqual(result, {
      before: size,
      after: size + inserted.length,
      count: 2,
      ranges: [
        { offset: 2 << 20, before: 0, after: 1 << 20 },
        { offset: 7 << 20, before: 4096, after: 4096 },
      ],
    });
  }));

test("changedRanges() compares a version with the file on the disk", () =>
  withTemp(async (folder) => {
    const file = join(folder, "large.bin");
    const content = noise(3_000_000);
    fs.writeFileSync(file, content);
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(new Dir(folder));
    const before = { id: record.id, path: "large.bin" };
    const after = { path: "large.bin" };
    const ranges = () =>
      changedRanges(repository, folder, before, after, signal);
    assert.equal((await ranges()).count, 0);
    content[0] ^= 1;
    // These changes are close to each other, so they count as one range.
    content[2_000_000] ^= 1;
    content[2_000_100] ^= 1;
    fs.writeFileSync(file, content.subarray(0, 2_900_000));
    assert.deepEqual(await ranges(), {
      before: 3_000_000,
      after: 2_900_000,
      count: 3,
      ranges: [
        { offset: 0, before: 1, after: 1 },
        { offset: 2_000_000, before: 101, after: 101 },
        { offset: 2_900_000, before: 100_000, after: 0 },
      ],
    });
    await assert.rejects(
      changedRanges(repository, folder, before, after, AbortSignal.abort()),
      { code: "aborted" },
    );
  }));

test("changedRanges() compares versions that are not stored as deltas", () =>
  withTemp(async (folder) => {
    const file = join(folder, "large.bin");
    fs.writeFileSync(file, noise(100_000));
    const repository = await Repository.create(new MemoryStorage());
    const first = (await repository.snapshot(new Dir(folder))).record;
    fs.writeFileSync(file, noise(100_001, 2));
    const { record } = await repository.snapshot(new Dir(folder));
    const path = "large.bin";
    const result = await changedRanges(
      repository,
      folder,
      { id: first.id, path },
      { id: record.id, path },
      signal,
    );
    assert.deepEqual([result.before, result.after], [100_000, 100_001]);
    assert.equal(result.count, 1);
    await assert.rejects(
      changedRanges(
        repository,
        folder,
        { id: first.id, path: "none" },
        { id: record.id, path },
        signal,
      ),
      { code: "not-found", path: "none" },
    );
  }));

test("changedRanges() compares bytes if parts of a file moved", () =>
  withTemp(async (folder) => {
    const file = join(folder, "large.bin");
    const [one, two] = [noise(3 << 20), noise(3 << 20, 2)];
    fs.writeFileSync(file, Buffer.concat([one, two]));
    const repository = await Repository.create(new MemoryStorage());
    const first = (await repository.snapshot(new Dir(folder))).record;
    fs.writeFileSync(file, Buffer.concat([two, one]));
    const { record } = await repository.snapshot(new Dir(folder));
    const path = "large.bin";
    const size = 6 << 20;
    assert.deepEqual(
      await changedRanges(
        repository,
        folder,
        { id: first.id, path },
        { id: record.id, path },
        signal,
      ),
      {
        before: size,
        after: size,
        count: 1,
        ranges: [{ offset: 0, before: size, after: size }],
      },
    );
  }));
