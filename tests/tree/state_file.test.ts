import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FileRange } from "../../lib/tree/file_range.ts";
import {
  encodeStateFile,
  readStateFile,
  type StateFileOptions,
  withSum,
} from "../../lib/tree/state_file.ts";
import { StateWriter } from "../../lib/tree/state_writer.ts";
import { TreeState } from "../../lib/tree/tree_state.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const PAGED: StateFileOptions = { most: 2 ** 30, minPaged: 0 };
const WHOLE: StateFileOptions = { most: 2 ** 30, minPaged: 2 ** 30 };
const encoder = new TextEncoder();

/**
 * Writes the state of a folder with files of the given names, and of a folder
 * with the same names for each file of the first one. Returns the positions of
 * the entries.
 */
function write(
  file: string,
  names: readonly string[],
  head: Record<string, unknown> = {},
): number[] {
  const writer = new StateWriter();
  const places: number[] = [];
  for (let folder = 0; folder < 3; folder++) {
    writer.begin();
    for (const name of names) {
      const bytes = encoder.encode(name);
      places.push(writer.add(bytes, 0, bytes.length, undefined));
    }
  }
  const rows = new Uint8Array(4000).fill(7);
  const parts = withSum(encodeStateFile(head, writer.finish(), rows));
  fs.writeFileSync(file, "");
  for (const part of parts) fs.appendFileSync(file, part);
  return places;
}

/** Returns many names, one of them longer than a page. */
function manyNames(length: number): string[] {
  const names = Array.from({ length }, (_, at) => `${at}`.repeat(9));
  names[length / 2] = "x".repeat(60_000);
  return names;
}

test(
  "a large state is read from its file, and has the same entries as in memory",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      // The pages of the second state do not fit in memory together. Each
      // folder of the third state is too large for pages.
      for (
        const names of [["a", "b"], manyNames(60_000), manyNames(80_000)]
      ) {
        const places = write(file, names, { some: "x".repeat(3_000_000) });
        const paged = await readStateFile(file, PAGED);
        const whole = await readStateFile(file, WHOLE);
        fs.rmSync(file);
        assert.ok(paged.blocks instanceof FileRange);
        assert.ok(whole.blocks instanceof Uint8Array);
        assert.deepEqual(paged.head, whole.head);
        assert.deepEqual(paged.rows, Uint8Array.from(whole.rows));
        const one = new TreeState(paged.blocks);
        const other = new TreeState(whole.blocks);
        assert.equal(one.length, other.length);
        // The order is not the order in which the entries are stored.
        for (let at = 0; at < places.length; at += 20) {
          const number = at * 7919 % places.length;
          const place = places[number];
          assert.equal(one.name(place), names[number % names.length]);
          assert.equal(one.name(place), other.name(place));
          assert.deepEqual(one.basics(place), other.basics(place));
        }
        for (const place of [one.length - 3, one.length, 2 ** 32 - 1]) {
          assert.throws(() => one.name(place), RangeError);
        }
        for (let at = 0, block = 0; at < 3; at++) {
          const [here, there] = [one.folder(block)!, other.folder(block)!];
          assert.equal(here.count, names.length);
          assert.deepEqual(here.block, there.block);
          assert.deepEqual([...here.entries()], [...there.entries()]);
          const bytes = encoder.encode(names[1]);
          const found = here.find(bytes, 0, bytes.length);
          assert.equal(found, there.find(bytes, 0, bytes.length));
          assert.deepEqual(here.identity(found), there.identity(found));
          block += here.block.length;
        }
        assert.equal(one.folder(1), undefined);
        assert.equal(one.folder(one.length), undefined);
      }
    });
  },
);

test("a damaged state file is refused, paged or not [A8]", async () => {
  await withTemp(async (root) => {
    const file = join(root, "state");
    write(file, ["a", "b"]);
    const good = Uint8Array.from(fs.readFileSync(file));
    for (const options of [PAGED, WHOLE]) {
      for (let at = 0; at < good.length; at += 131) {
        const bytes = good.slice();
        bytes[at] ^= 1;
        fs.writeFileSync(file, bytes);
        await assert.rejects(readStateFile(file, options), Error, `${at}`);
        fs.writeFileSync(file, good.subarray(0, at));
        await assert.rejects(readStateFile(file, options), Error, `${at}`);
      }
      fs.writeFileSync(file, good);
      const limited = readStateFile(file, { ...options, most: 100 });
      await assert.rejects(limited, { code: "limit" });
    }
  });
});

test(
  "a state file that becomes shorter is broken, not incomplete",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      const places = write(file, manyNames(60_000));
      const { blocks } = await readStateFile(file, PAGED);
      assert.ok(blocks instanceof FileRange);
      const state = new TreeState(blocks);
      assert.equal(state.name(places[1]), "1".repeat(9));
      assert.equal(blocks.isBroken, false);
      fs.truncateSync(file, 100);
      assert.throws(() => state.name(places[40_000]), { code: "truncated" });
      assert.equal(blocks.isBroken, true);
    });
  },
);
