import assert from "node:assert/strict";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import { readFrameTable } from "../../lib/archive/frame_table.ts";
import { PlannedFrames } from "../../lib/archive/planned_frames.ts";
import { concat } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { GetOptions } from "../../lib/storage/storage.ts";
import { noise, pieces } from "./helpers.ts";

const SKIP = 700;
const BEFORE = 50;

interface Range {
  offset: number;
  length: number;
}

/** A storage that counts the ranges that are read. */
class CountingStorage extends MemoryStorage {
  reads = 0;

  override get(name: string, options?: GetOptions) {
    this.reads++;
    return super.get(name, options);
  }
}

/** Returns a volume with a content in frames of the given sizes. */
async function volumeOf(sizes: number[]) {
  const codec = codecFor("zstd");
  const plain = sizes.map((size, seed) => {
    // Long repetitions can be compressed quickly.
    const row = noise(997, seed);
    return concat(Array.from({ length: Math.ceil(size / 997) }, () => row))
      .slice(0, size);
  });
  const frames = await Promise.all(
    plain.map((bytes, at) =>
      at % 5 === 1 ? codec.store(bytes) : codec.compress(bytes)
    ),
  );
  const packed = concat(frames);
  const storage = new CountingStorage();
  await storage.put("volume", concat([noise(BEFORE, 7), packed, noise(60, 8)]));
  const reference = {
    volume: "volume",
    offset: BEFORE,
    length: packed.length,
    skip: SKIP,
  };
  const content = concat(plain).subarray(SKIP);
  return { storage, reference, content, packed, lengths: frames };
}

/** Reads ranges as planned, and compares them with the content. */
async function check(
  planned: PlannedFrames,
  ranges: readonly Range[],
  content: Uint8Array,
): Promise<void> {
  for (const { offset, length } of ranges) {
    const end = offset + length;
    for (let at = offset; at < end;) {
      const most = Math.min(end - at, 100_000);
      const bytes = await planned.read(at, most);
      assert.ok(bytes.length > 0 && bytes.length <= most);
      const expected = content.subarray(at, at + bytes.length);
      assert.ok(Buffer.from(bytes).equals(expected), `${at}, ${most}`);
      at += bytes.length;
    }
  }
}

test("PlannedFrames reads ranges in any order", async () => {
  const { storage, reference, content } = await volumeOf(
    [300_000, 500_000, 13, 1_300_000, 10, 200_000, 5000],
  );
  const end = content.length;
  const ranges = [
    { offset: end - 1, length: 1 },
    { offset: 0, length: end },
    { offset: 299_000, length: 700_000 },
  ];
  for (let at = 0; at < 500; at++) {
    const offset = at * 104_729 % end;
    ranges.push({ offset, length: 1 + Math.min(at * 97, end - offset - 1) });
  }
  using planned = await PlannedFrames.plan({ storage, reference, end, ranges });
  assert.ok(planned);
  await check(planned, ranges, content);
});

test("PlannedFrames decompresses few frames twice, although many short ranges are far away", async () => {
  const count = 60;
  const size = 1 << 20;
  const { storage, reference, content } = await volumeOf(
    Array.from({ length: count }, () => size),
  );
  const ranges: Range[] = [];
  for (let at = 0; at < content.length - 10_000; at += 20_000) {
    ranges.push({ offset: at, length: 10_000 });
    const far = at * 7919 % (content.length - 500);
    ranges.push({ offset: far, length: 1 + far % 499 });
    ranges.push({ offset: 100, length: 20 });
  }
  const end = content.length;
  storage.reads = 0;
  using planned = await PlannedFrames.plan({ storage, reference, end, ranges });
  assert.ok(planned);
  await check(planned, ranges, content);
  assert.ok(storage.reads > count);
  assert.ok(storage.reads <= 1 + 2 * count, `${storage.reads}`);
});

test("PlannedFrames.plan() returns undefined if frames would be decompressed often", async () => {
  const size = 1 << 20;
  const { storage, reference, content } = await volumeOf(
    Array.from({ length: 60 }, () => size),
  );
  const ranges: Range[] = [];
  for (let at = 0; at < 600; at++) {
    ranges.push({ offset: at * 37 % 59 * size, length: 20_000 });
  }
  const end = content.length;
  assert.equal(
    await PlannedFrames.plan({ storage, reference, end, ranges }),
    undefined,
  );
});

test("PlannedFrames names the volume and the offset of a damaged frame", async () => {
  const { storage, reference, content, lengths } = await volumeOf(
    [300_000, 100_000, 200_000],
  );
  const bytes = concat(await Array.fromAsync(storage.get("volume")));
  const place = BEFORE + lengths[0].length + lengths[1].length;
  bytes[place + lengths[2].length - 1] ^= 1;
  await storage.put("volume", bytes);
  const end = content.length;
  const ranges = [{ offset: end - 5, length: 5 }, { offset: 0, length: 5 }];
  using planned = await PlannedFrames.plan({ storage, reference, end, ranges });
  await assert.rejects(async () => await planned?.read(end - 5, 5), {
    code: "corrupt",
    object: "volume",
    offset: place,
  });
  // Ranges that are not in the plan can be read, too.
  assert.deepEqual(
    await planned?.read(310_000, 5),
    content.slice(310_000, 310_005),
  );
  // The other frames can still be read.
  assert.deepEqual(await planned?.read(0, 5), content.slice(0, 5));
});

test("readFrameTable() finds the frames in chunks of any length", async () => {
  const sizes = [300_000, 500_000, 13, 1_300_000, 400_000];
  const { packed, lengths } = await volumeOf(sizes);
  const starts = [-SKIP];
  const places = [BEFORE];
  for (const [at, size] of sizes.entries()) {
    starts.push(starts[at] + size);
    places.push(places[at] + lengths[at].length);
  }
  const options = { place: BEFORE, length: packed.length, skip: SKIP };
  for (const cut of [1, 2, 13, 1000, 65_536, packed.length]) {
    const found = await readFrameTable(pieces(packed, cut), {
      ...options,
      end: starts[5],
    });
    assert.deepEqual(found, { starts, places }, `${cut}`);
  }
  const one = { ...options, end: 5 };
  assert.deepEqual(await readFrameTable(pieces(packed, 1000), one), {
    starts: starts.slice(0, 2),
    places: places.slice(0, 2),
  });
});

test("readFrameTable() returns undefined if the frames cannot be decompressed one by one", async () => {
  const { packed, lengths } = await volumeOf([300_000, 100_000, 200_000]);
  const find = (bytes: Uint8Array, end = 600_000) =>
    readFrameTable(pieces(bytes, 1000), {
      place: 0,
      length: bytes.length,
      skip: 0,
      end,
    });
  assert.ok(await find(packed));
  assert.equal(await find(packed, 600_001), undefined);
  assert.equal(await find(packed.subarray(0, -5)), undefined);
  const damaged = packed.slice();
  damaged[lengths[0].length] ^= 1;
  assert.equal(await find(damaged), undefined);
  const skippable = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
  assert.equal(await find(concat([skippable, packed])), undefined);
  const large = await codecFor("zstd").compress(new Uint8Array(5 << 20));
  assert.equal(await find(concat([large, packed])), undefined);
});

test("PlannedFrames reads kept ranges that touch across the border of two frames", async () => {
  const size = 1 << 20;
  const { storage, reference, content } = await volumeOf(
    Array.from({ length: 40 }, () => size),
  );
  const border = size - SKIP;
  const others = Array.from({ length: 36 }, (_, at) => ({
    offset: (at + 3) * size,
    length: 20_000,
  }));
  const across = { offset: border - 100, length: 200 };
  const ranges = [
    { offset: 0, length: 10 },
    ...others,
    across,
    ...others,
    across,
  ];
  const end = content.length;
  using planned = await PlannedFrames.plan({ storage, reference, end, ranges });
  assert.ok(planned);
  await check(planned, ranges, content);
});

test("PlannedFrames reads random ranges with little memory", async () => {
  let seed = 1;
  const random = (most: number) =>
    (seed = seed * 48_271 % 2_147_483_647) % most;
  let count = 0;
  for (let round = 0; round < 60; round++) {
    const { storage, reference, content } = await volumeOf([
      SKIP + 1,
      ...Array.from({ length: 30 }, () => random(20_000)),
    ]);
    const end = content.length;
    const ranges: Range[] = [];
    for (let at = 0; at < 60; at++) {
      const offset = random(end);
      const most = [10, 300, 3000, 60_000][random(4)];
      const length = 1 + random(Math.min(most, end - offset));
      const isRepeated = ranges.length > 0 && random(3) === 0;
      ranges.push(
        isRepeated ? ranges[random(ranges.length)] : { offset, length },
      );
    }
    using planned = await PlannedFrames.plan({
      storage,
      reference,
      end,
      ranges,
      maxRecentBytes: 50_000 + random(200_000),
    });
    if (planned === undefined) continue;
    count++;
    await check(planned, ranges, content);
  }
  assert.ok(count > 10, `${count} plans`);
});

test("PlannedFrames.plan() can be aborted, and stops after many steps", async () => {
  const { storage, reference, content } = await volumeOf(
    [SKIP, ...Array.from({ length: 20_000 }, () => 1)],
  );
  const end = content.length;
  const ranges = Array.from(
    { length: 900 },
    () => ({ offset: 0, length: end }),
  );
  assert.equal(
    await PlannedFrames.plan({ storage, reference, end, ranges }),
    undefined,
  );
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 30);
  const { signal } = controller;
  await assert.rejects(
    PlannedFrames.plan({ storage, reference, end, ranges, signal }),
    { code: "aborted" },
  );
});
