import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { Repository } from "../../lib/repository/repository.ts";
import type {
  SnapshotResult,
  TakeOptions,
} from "../../lib/repository/snapshot/take_snapshot.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { FileRange } from "../../lib/tree/file_range.ts";
import type { Walker } from "../../lib/tree/walker.ts";
import { codecFor } from "../../lib/archive/codec.ts";
import { collect } from "../../lib/bytes/source.ts";
import { copyOf } from "./helpers.ts";

/**
 * Calls `before` before each page of a remembered state is read while `work`
 * runs, with the number of pages read so far and the range of the file. Returns
 * the number of pages read.
 */
export async function onPages(
  before: (count: number, range: FileRange) => void,
  work: () => Promise<void>,
): Promise<number> {
  const { read } = FileRange.prototype;
  let count = 0;
  FileRange.prototype.read = function (...words) {
    before(count++, this);
    read.apply(this, words);
  };
  try {
    await work();
  } finally {
    FileRange.prototype.read = read;
  }
  return count;
}

/**
 * Runs `work` with a clock that stands still some minutes ahead, and with
 * random numbers that depend only on `seed`.
 */
async function fixed<Result>(
  seed: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const { now } = Date;
  const { random } = Math;
  const time = now() + 60_000;
  Date.now = () => time;
  Math.random = () => (seed % 1000) / 1000;
  try {
    return await work();
  } finally {
    Date.now = now;
    Math.random = random;
  }
}

/**
 * Returns the part of a record that does not depend on the compression. The
 * bytes of a compressed layer depend on the times at which its parts were
 * ready.
 */
function compared({ record }: SnapshotResult): unknown {
  const { layers, parentSha256: _, counts, ...rest } = record;
  return {
    ...rest,
    layers: layers.map(({ name, entries }) => ({ name, entries })),
    counts: { ...counts, stored: 0 },
  };
}

/**
 * Returns the lines of the last layer of the last snapshot, without what depends
 * on the compression.
 */
async function lastLayer(storage: MemoryStorage): Promise<string[]> {
  const repository = await Repository.open(storage);
  const { layers } = await repository.find("latest");
  const layer = storage.get(layers[layers.length - 1].name);
  const plain = await collect(codecFor("zstd").decompress(layer));
  return new TextDecoder().decode(plain).split("\n").map((line) =>
    // The lines of objects, and the checksum of the lines.
    /^\{"(object|sha256)":/.test(line)
      ? ""
      : line.replaceAll(/"(offset|length)":\d+/g, '"$1":0')
  );
}

/**
 * Takes a snapshot after each of some changes of a directory, in two
 * copies of a repository. One remembered state is read page by page, the other
 * one is read into memory. Checks that the layers, the remembered states and the
 * results are the same.
 *
 * @param walker The directory.
 * @param folder A folder for the remembered states.
 * @param changes The changes.
 * @returns The results of the snapshots.
 */
export async function takeBoth(
  walker: () => Walker,
  folder: string,
  changes: readonly (() => void)[],
): Promise<SnapshotResult[]> {
  const one = new MemoryStorage();
  await Repository.create(one);
  const take = async (
    storage: MemoryStorage,
    cache: string,
    options: TakeOptions,
  ) => {
    const repository = await Repository.open(storage);
    const skipped: unknown[] = [];
    const result = await repository.snapshot(walker(), {
      ...options,
      cache: join(folder, cache),
      onSkip: (skip) => skipped.push(skip),
    });
    return { result, skipped };
  };
  const results: SnapshotResult[] = [];
  for (const [at, change] of changes.entries()) {
    change();
    // The lengths of compressed objects can differ, and later snapshots depend
    // on them, so both snapshots start with the same objects.
    const { storage: other } = await copyOf(one);
    // A snapshot with a label compares no folders before the walk.
    const label = at % 3 === 2 ? { label: `${at}` } : {};
    await fixed(at, async () => {
      let paged = await take(one, "whole", label);
      const { result, skipped } = paged;
      const pages = await onPages(() => {}, async () => {
        const minPaged = 0;
        paged = await take(other, "paged", { ...label, minPaged });
      });
      assert.equal(pages > 0, at > 0, `${pages} pages, change ${at}`);
      assert.deepEqual(compared(paged.result), compared(result));
      assert.equal(paged.result.isNew, result.isNew);
      assert.deepEqual(paged.result.diff.toJSON(), result.diff.toJSON());
      assert.deepEqual(paged.result.skipped, result.skipped);
      assert.deepEqual(paged.skipped, skipped);
      results.push(result);
    });
    assert.deepEqual(await lastLayer(other), await lastLayer(one));
    const [whole, paged] = ["whole", "paged"].map((cache) =>
      fs.readdirSync(join(folder, cache))
        .map((name) => fs.readFileSync(join(folder, cache, name)))
    );
    assert.deepEqual(paged, whole, `change ${at}`);
  }
  return results;
}
