import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { collect, concat } from "../../lib/bytes/source.ts";
import { composeSources } from "../../lib/delta/compose.ts";
import { DeltaChain } from "../../lib/delta/delta_chain.ts";
import { DeltaWriter } from "../../lib/delta/delta_writer.ts";
import { deltaBytes, patchBytes, signBytes } from "../../lib/delta/mod.ts";
import { Spool } from "../../lib/tree/spool.ts";
import { mutate, pieces, random, randomBytes } from "./helpers.ts";

const SLOW = Boolean(process.env.SLOW);

interface Step {
  delta: Uint8Array;
  result?: number;
}

/** Reads a chain. Returns it with the literals that it needed. */
async function read(steps: Step[], size: number, cut = 1000) {
  const literals = new Spool();
  const links = steps.map(({ delta, result }) => ({
    open: () => pieces(delta, cut),
    result,
    object: "delta",
  }));
  const chain = await DeltaChain.read(links, { size, literals });
  return { chain, literals };
}

/** Returns the result of applying a chain to a whole content. */
async function apply(
  chain: DeltaChain,
  base: Uint8Array,
  sharesMemory?: boolean,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const result = chain.result({
    // Every second range is read in two parts, one of them at once.
    read: (offset, most) => {
      const length = offset % 2 === 0 ? most : Math.ceil(most / 2);
      const part = base.subarray(offset, offset + length);
      return most > 9 ? Promise.resolve(part) : part;
    },
  }, { sharesMemory });
  for await (const part of result) {
    parts.push(sharesMemory ? part.slice() : part);
  }
  return concat(parts);
}

test("DeltaChain.read() has the result of applying the deltas one after the other [F1]", async () => {
  for (let seed = 1; seed <= (SLOW ? 400 : 30); seed++) {
    const next = random(seed);
    const options = { blockSize: [16, 100, 512][seed % 3] };
    const base = randomBytes(next() % 40_000, seed);
    const steps: Step[] = [];
    let file = base;
    for (let at = 0; at <= seed % 8; at++) {
      const changed = mutate(file, next());
      const delta = deltaBytes(signBytes(file, options), changed);
      steps.push({ delta, ...next() % 2 && { result: changed.length } });
      file = changed;
    }
    const { chain, literals } = await read(steps, file.length, 1 + seed * 7);
    const sharesMemory = seed % 2 === 0;
    assert.deepEqual(
      await apply(chain, base, sharesMemory),
      file,
      `seed ${seed}`,
    );
    assert.ok(literals.size <= file.length);
    const later = mutate(file, next());
    const second = deltaBytes(signBytes(file, options), later);
    const whole = await collect(composeSources(chain, second));
    assert.deepEqual(patchBytes(base, whole), later, `seed ${seed}`);
    // The kept parts of the base are sufficient, and not larger than the file.
    const needed = chain.needed();
    assert.ok(needed.size <= file.length);
    const cursor = needed.cursor();
    const kept: Uint8Array[] = [];
    for (
      let range = cursor.next(0, base.length);
      range !== undefined;
      range = cursor.next(range.end, base.length)
    ) kept.push(base.subarray(range.start, range.end));
    const all = concat(kept);
    const parts: Uint8Array[] = [];
    for await (
      const part of chain.result({
        isLasting: seed % 2 === 0,
        read: (offset, most) => {
          const place = needed.placeOf(offset);
          return all.subarray(place, place + most);
        },
      })
    ) parts.push(part.slice());
    assert.deepEqual(concat(parts), file, `seed ${seed}`);
  }
});

/**
 * Returns a delta that copies all bytes of a file the given number of times.
 */
function repeat(size: number, times: number): Uint8Array {
  const writer = new DeltaWriter();
  for (let at = 0; at < times; at++) writer.copy(0, size);
  writer.end();
  return writer.take().slice();
}

test("DeltaChain.result() collects short ranges in blocks, and passes on long ranges of a lasting basis", async () => {
  const base = randomBytes(2_000_000, 1);
  const writer = new DeltaWriter();
  const expected: Uint8Array[] = [];
  const copy = (offset: number, length: number) => {
    writer.copy(offset, length);
    expected.push(base.subarray(offset, offset + length));
  };
  for (let at = 0; at < 300; at++) {
    copy(at * 7919 % 1_000_000, 4000);
    const bytes = randomBytes(50, at);
    writer.literal(bytes);
    expected.push(bytes);
  }
  copy(100_000, 1_800_000);
  writer.end();
  const file = concat(expected);
  const { chain } = await read([{ delta: writer.take().slice() }], file.length);
  const access = (offset: number, most: number) =>
    base.subarray(offset, offset + most);
  for (const isLasting of [false, true]) {
    for (const sharesMemory of [false, true]) {
      const parts: Uint8Array[] = [];
      const basis = { isLasting, read: access };
      for await (const part of chain.result(basis, { sharesMemory })) {
        parts.push(sharesMemory ? part.slice() : part);
      }
      assert.ok(Buffer.from(concat(parts)).equals(file));
      const isPassedOn = parts.at(-1)?.buffer === base.buffer;
      assert.equal(isPassedOn, isLasting && !sharesMemory);
      const blocks = isLasting ? 6 : Math.ceil(file.length / 2 ** 18);
      assert.equal(parts.length, blocks);
    }
  }
});

test("DeltaChain.read() handles an intermediate content of any size [A8]", async () => {
  // The intermediate content is a terabyte, of which a hundred bytes remain.
  const large: Step[] = [];
  let size = 1000;
  for (let at = 0; at < 30; at++) {
    large.push({ delta: repeat(size, 2) });
    size *= 2;
  }
  const last = new DeltaWriter();
  last.copy(size - 100, 100);
  last.end();
  const base = randomBytes(1000, 1);
  const steps = [...large, { delta: last.take().slice() }];
  const { chain, literals } = await read(steps, 100);
  assert.equal(literals.size, 0);
  assert.deepEqual(await apply(chain, base), base.subarray(900));
});

test("DeltaChain.read() refuses deltas whose results do not have the recorded sizes [A8, F1]", async () => {
  const limit = { name: "DeltarError", code: "limit", object: "delta" };
  const mismatch = { ...limit, code: "mismatch" };
  await assert.rejects(read([{ delta: repeat(1000, 2) }], 1999), limit);
  await assert.rejects(read([{ delta: repeat(1000, 2) }], 2001), mismatch);
  const second = { delta: repeat(10, 1) };
  for (const [result, refusal] of [[1999, limit], [2001, mismatch]] as const) {
    const first = { delta: repeat(1000, 2), result };
    await assert.rejects(read([first, second], 10), refusal);
  }
  // This delta copies from beyond the end of the previous result.
  const short = { delta: repeat(9, 1) };
  await assert.rejects(read([short, second], 10), mismatch);
  const bomb: Step[] = [];
  for (let at = 0, size = 1; at < 18; at++, size *= 2) {
    bomb.push({ delta: repeat(size, 2) });
  }
  await assert.rejects(read(bomb, 1000), limit);
});

test("DeltaChain.read() limits the number of commands in memory [A8]", async () => {
  const writer = new DeltaWriter();
  // Each delta copies the whole previous result, with one command for each
  // byte.
  for (let at = 0; at < 3000; at++) writer.copy(at % 2, 1);
  writer.end();
  const ones = { delta: writer.take().slice() };
  const steps = [ones, { delta: repeat(3000, 3000) }];
  await assert.rejects(read(steps, 9_000_000), {
    code: "limit",
    message: /more than 4194304 parts/,
  });
});
