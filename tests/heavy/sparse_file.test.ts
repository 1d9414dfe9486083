import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasSystemCalls } from "../../lib/tree/folder_by_calls.ts";
import { withPlace } from "../cli/helpers.ts";
import { dataOf } from "../support/everything.ts";
import { noise } from "../support/noise.ts";
import { needs } from "../support/peer.ts";
import { finish, start } from "./child.ts";

const MEGABYTE = 10 ** 6;
const SIZE = 10 ** 12;
const BLOCK = 4096;

/**
 * Returns offsets of blocks in a file of `SIZE` bytes, which depend on `seed`.
 */
function scattered(count: number, seed: number): number[] {
  const step = Math.floor(SIZE / BLOCK / count);
  return Array.from(
    { length: count },
    (_, at) => (at * step + (seed * at) % step) * BLOCK,
  );
}

/** Writes a block at each offset of a file. */
function write(file: string, offsets: readonly number[], seed: number): void {
  const fd = fs.openSync(file, "r+");
  for (const offset of offsets) {
    fs.writeSync(fd, noise(BLOCK, offset % 1_000_003 + seed), 0, BLOCK, offset);
  }
  fs.closeSync(fd);
}

/** Returns the blocks at the given offsets of a file. */
function blocksAt(file: string, offsets: readonly number[]): Uint8Array {
  const blocks = new Uint8Array(BLOCK * offsets.length);
  const fd = fs.openSync(file, "r");
  for (const [at, offset] of offsets.entries()) {
    fs.readSync(fd, blocks, at * BLOCK, BLOCK, offset);
  }
  fs.closeSync(fd);
  return blocks;
}

test(
  "a file of 1 TB with 1 MB of data keeps its holes in at most 200 MB of memory",
  {
    ...needs("filefrag"),
    ...!hasSystemCalls() && { skip: "this runtime does not find holes" },
  },
  async () => {
    await withPlace(async ({ root, folder, env }) => {
      const file = join(root, "disk");
      fs.writeFileSync(file, "");
      fs.truncateSync(file, SIZE);
      const repo = join(folder, "repo");
      const peaks: number[] = [];
      const run = async (...words: string[]) =>
        void peaks.push(await finish(start([...words, "--repo", repo], env)));
      const first = scattered(256, 1);
      write(file, first, 1);
      await run("snapshot", root, "--init");
      const second = scattered(100, 7);
      write(file, second, 2);
      await run("snapshot", root);
      const target = join(folder, "target");
      await run("restore", "latest", "--to", target);
      const restored = join(target, "disk");
      assert.equal(fs.statSync(restored).size, SIZE);
      assert.equal(dataOf(restored), dataOf(file));
      const offsets = [...first, ...second];
      assert.deepEqual(blocksAt(restored, offsets), blocksAt(file, offsets));
      console.log(`# ${peaks.map((peak) => Math.round(peak / MEGABYTE))} MB`);
      for (const peak of peaks) {
        assert.ok(peak > 0 && peak <= 200 * MEGABYTE, `${peaks} bytes`);
      }
    });
  },
);
