import assert from "node:assert/strict";
import * as fs from "node:fs";

import { join } from "node:path";
import { test } from "node:test";
import { fs as system } from "../../lib/bytes/node.ts";
import { FileRange, PAGE_BYTES, readAt } from "../../lib/tree/file_range.ts";
import { HEAD } from "../../lib/tree/state_layout.ts";
import {
  encodeStateFile,
  readStateFile,
  type StateFileOptions,
  withSum,
} from "../../lib/tree/state_file.ts";
import { StatePages } from "../../lib/tree/state_pages.ts";
import { StateWriter } from "../../lib/tree/state_writer.ts";
import { TreeState } from "../../lib/tree/tree_state.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const PAGED: StateFileOptions = { most: 2 ** 30, minPaged: 0 };
const WHOLE: StateFileOptions = { most: 2 ** 30, minPaged: 2 ** 30 };
const encoder = new TextEncoder();

/**
 * Writes the states of some folders with files of the given names. Returns the
 * positions of the entries.
 */
function write(
  file: string,
  names: readonly string[],
  head: Record<string, unknown> = {},
  folders = 3,
): number[] {
  const writer = new StateWriter();
  const places: number[] = [];
  for (let folder = 0; folder < folders; folder++) {
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
        using _ = paged.blocks;
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
      const missing = readStateFile(join(root, "missing"), options);
      await assert.rejects(missing, { code: "not-found" });
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
      using blocks = await openBlocks(file);
      const state = new TreeState(blocks);
      assert.equal(state.name(places[1]), "1".repeat(9));
      assert.equal(blocks.isBroken, false);
      fs.truncateSync(file, 100);
      assert.throws(() => state.name(places[40_000]), { code: "truncated" });
      assert.equal(blocks.isBroken, true);
    });
  },
);

/** Opens a state that is read by pages. */
async function openBlocks(file: string): Promise<FileRange> {
  const { blocks } = await readStateFile(file, PAGED);
  assert.ok(blocks instanceof FileRange);
  return blocks;
}

test(
  "a page of a state file that is overwritten is refused [A8]",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      write(file, ["a", "b", "c".repeat(60_000)]);
      const good = Uint8Array.from(fs.readFileSync(file));
      const from = good.indexOf(10) + 1;
      using whole = await openBlocks(file);
      const pages = Math.ceil(whole.length / PAGE_BYTES);
      assert.equal(pages, 3);
      assert.equal(whole.lengthOf(2), whole.length - 2 * PAGE_BYTES);
      assert.equal(whole.lengthOf(3), 0);
      for (let at = 0; at < whole.length; at += 4111) {
        using blocks = await openBlocks(file);
        const bytes = good.slice();
        bytes[from + at] ^= 1;
        // The file is not replaced.
        fs.writeFileSync(file, bytes);
        for (let page = 0; page < pages; page++) {
          const read = () =>
            blocks.read(page, new Uint8Array(blocks.lengthOf(page)));
          if (page === Math.floor(at / PAGE_BYTES)) {
            assert.throws(read, { code: "corrupt" });
          } else read();
        }
        assert.equal(blocks.isBroken, true);
        fs.writeFileSync(file, good);
      }
    });
  },
);

test(
  "a range cannot be read after it was closed, and can be closed again",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      write(file, ["a"]);
      const blocks = await openBlocks(file);
      const page = new Uint8Array(blocks.lengthOf(0));
      blocks.read(0, page);
      blocks[Symbol.dispose]();
      blocks[Symbol.dispose]();
      assert.throws(() => blocks.read(0, page), TypeError);
    });
  },
);

test(
  "a range is closed once, even if the system reports an error",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      write(file, ["a"]);
      const blocks = await openBlocks(file);
      const { closeSync } = system;
      let closed = 0;
      system.closeSync = (number) => {
        closed++;
        closeSync(number);
        throw new Error("refused");
      };
      try {
        blocks[Symbol.dispose]();
        blocks[Symbol.dispose]();
      } finally {
        system.closeSync = closeSync;
      }
      assert.equal(closed, 1);
    });
  },
);

test(
  "a range knows whether its file was replaced",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const [file, other] = [join(root, "state"), join(root, "other")];
      write(file, ["a"]);
      write(other, ["a"]);
      const blocks = await openBlocks(file);
      assert.equal(blocks.isAt(file), true);
      assert.equal(blocks.isAt(other), false);
      fs.renameSync(other, file);
      assert.equal(blocks.isAt(file), false);
      fs.rmSync(file);
      assert.equal(blocks.isAt(file), false);
      blocks[Symbol.dispose]();
      assert.equal(blocks.isAt(file), false);
    });
  },
);

test(
  "a state file that is replaced before it is opened is read with its own size",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const [file, other] = [join(root, "state"), join(root, "other")];
      const { stat } = system.promises;
      const replaced = async (options: StateFileOptions) => {
        write(file, ["a"]);
        write(other, ["a", "b", "c"]);
        system.promises.stat = (async (place: string) => {
          const found = await stat(place);
          fs.renameSync(other, file);
          return found;
        }) as typeof stat;
        try {
          return await readStateFile(file, options);
        } finally {
          system.promises.stat = stat;
        }
      };
      const { blocks } = await replaced(PAGED);
      assert.ok(blocks instanceof FileRange);
      using _ = blocks;
      assert.equal(new TreeState(blocks).folder(0)?.count, 3);
      const most = fs.statSync(file).size - 1;
      await assert.rejects(replaced({ ...PAGED, most }), { code: "limit" });
    });
  },
);

test(
  "pages that are used in no order are read a limited number of times",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      const places = write(file, manyNames(60_000));
      using blocks = await openBlocks(file);
      const pages = Math.ceil(blocks.length / PAGE_BYTES);
      const read = blocks.read.bind(blocks);
      let count = 0;
      blocks.read = (...words) => {
        count++;
        read(...words);
      };
      const state = new TreeState(blocks);
      for (let at = 0; at < places.length; at++) {
        const number = at * 7919 % places.length;
        assert.ok(state.name(places[number]).length > 0);
      }
      assert.ok(count <= 17 * pages, `${count} reads of ${pages} pages`);
    });
  },
);

/** Records the number of each page of a range that is read from now on. */
function recordReads(blocks: FileRange): number[] {
  const read = blocks.read.bind(blocks);
  const pages: number[] = [];
  blocks.read = (page, target) => {
    pages.push(page);
    read(page, target);
  };
  return pages;
}

test(
  "a page that is used often stays in memory",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      write(file, manyNames(60_000));
      using blocks = await openBlocks(file);
      const count = Math.floor(blocks.length / PAGE_BYTES);
      assert.ok(count > 200, `${count} pages`);
      const pages = recordReads(blocks);
      const state = new StatePages(blocks);
      for (let page = 1; page < count; page++) {
        state.copy(0, 1);
        state.copy(page * PAGE_BYTES / 4, 1);
      }
      // Each page is read once, also the first one.
      assert.deepEqual(pages, Array.from({ length: count }, (_, at) => at));
    });
  },
);

test(
  "of a large state, only the block of a very large folder is read into memory",
  needsPosix("open files that can be replaced"),
  async () => {
    await withTemp(async (root) => {
      const file = join(root, "state");
      // Each folder takes 9 MB, a fifth of the state.
      const names = Array.from(
        { length: 28_000 },
        (_, at) => `${at}`.padEnd(240, "x"),
      );
      const places = write(file, names, {}, 5);
      using blocks = await openBlocks(file);
      const pages = recordReads(blocks);
      const all = Math.ceil(blocks.length / PAGE_BYTES);
      const state = new TreeState(blocks);
      const first = places[names.length] - HEAD.length;
      assert.equal(state.folder(first)?.count, names.length);
      assert.equal(new Set(pages).size, pages.length);
      assert.ok(pages.length < all / 4, `${pages.length} of ${all} pages`);
      // The entries of the folder can be used in any order.
      const before = pages.length;
      for (let at = 0; at < names.length; at++) {
        const number = at * 7919 % names.length;
        assert.equal(state.name(places[names.length + number]), names[number]);
      }
      assert.equal(state.folder(first)?.count, names.length);
      assert.equal(pages.length, before);
      assert.equal(blocks.isBroken, false);
      // Another folder replaces it, and the entries outside are read by pages.
      assert.equal(state.folder(0)?.count, names.length);
      for (let at = 0; at < places.length; at += 999) {
        assert.equal(state.name(places[at]), names[at % names.length]);
      }
    });
  },
);

test("a state that is too large for the memory counts as broken", () => {
  const range = {
    length: 2 ** 52,
    isBroken: false,
    lengthOf: () => PAGE_BYTES,
    read() {},
  };
  const pages = new StatePages(range as unknown as FileRange);
  assert.throws(() => pages.copy(0, 2 ** 48), RangeError);
  assert.equal(range.isBroken, true);
  range.isBroken = false;
  assert.throws(() => pages.copy(0, 2 ** 50), RangeError);
  assert.equal(range.isBroken, true);
});

test("readAt() reads at most 1 GiB at a time", () => {
  const { readSync } = system;
  const asked: [number, number, number][] = [];
  system.readSync = ((
    _file: number,
    _target: Uint8Array,
    at: number,
    length: number,
    offset: number,
  ) => {
    asked.push([at, length, offset]);
    return Math.min(length, 2 ** 30 - 4096);
  }) as typeof readSync;
  try {
    readAt(0, new Uint8Array(2 ** 30 + 8192), 7);
  } finally {
    system.readSync = readSync;
  }
  const step = 2 ** 30 - 4096;
  assert.deepEqual(asked, [
    [0, 2 ** 30, 7],
    [step, 12_288, 7 + step],
  ]);
});
