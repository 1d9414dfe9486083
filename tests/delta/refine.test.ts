import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, concat } from "../../lib/bytes/source.ts";
import { deltaBytes } from "../../lib/delta/delta.ts";
import type { NeededRanges } from "../../lib/delta/needed_ranges.ts";
import { patchBytes } from "../../lib/delta/patch.ts";
import { bytesAccess } from "../../lib/delta/random_access.ts";
import { readSegments } from "../../lib/delta/read_segments.ts";
import { refineDelta } from "../../lib/delta/refine.ts";
import { signBytes } from "../../lib/delta/sign.ts";
import { runs } from "../support/runs.ts";
import { mutate, random, randomBytes, text } from "./helpers.ts";

/** Returns a basis that refuses reads outside of the requested ranges. */
function basis(bytes: Uint8Array) {
  return {
    size: bytes.length,
    read(ranges: NeededRanges) {
      return Promise.resolve({
        size: bytes.length,
        read(offset: number, length: number) {
          const wanted = ranges.cursor().next(offset, offset + length);
          assert.deepEqual(wanted, { start: offset, end: offset + length });
          return bytes.slice(offset, offset + length);
        },
        [Symbol.dispose]() {},
      });
    },
  };
}

async function refined(old: Uint8Array, delta: Uint8Array) {
  return await collect(refineDelta(bytesAccess(delta), basis(old)));
}

async function both(old: Uint8Array, now: Uint8Array, blockSize = 512) {
  const coarse = deltaBytes(signBytes(old, { blockSize }), now);
  const exact = await refined(old, coarse);
  assert.deepEqual(patchBytes(old, exact), now);
  return { coarse: coarse.length, exact: exact.length };
}

test("refineDelta() makes a delta with the right result, from any edits", async () => {
  for (let seed = 1; seed <= runs(80).numRuns; seed++) {
    const length = seed % 7 === 0 ? 900_000 : seed * 997 % 30_000;
    const start = randomBytes(length, seed);
    const old = seed % 2 === 0 ? start : mutate(start, seed);
    let now = old;
    for (let edit = 0; edit <= seed % 4; edit++) now = mutate(now, seed + edit);
    const sizes = await both(old, now, [64, 512, 2048][seed % 3]);
    assert.ok(sizes.exact <= sizes.coarse, `seed ${seed}`);
  }
});

test("refineDelta() of repeating content has the same result", async () => {
  const zeros = new Uint8Array(300_000);
  const lines = text("the same line\n".repeat(20_000));
  for (
    const [old, now] of [
      [zeros, zeros.slice(7)],
      [zeros, concat([zeros, text("x"), zeros])],
      [lines, concat([lines.slice(5), lines, text("end")])],
      [concat([lines, zeros]), concat([zeros, lines])],
      [new Uint8Array(), lines],
      [lines, new Uint8Array()],
    ]
  ) await both(old, now);
});

test("the delta of overwritten bytes is little larger than these bytes", async () => {
  const next = random(7);
  const old = randomBytes(2_000_000, 1);
  const now = old.slice();
  for (let edit = 0; edit < 100; edit++) {
    now.set(randomBytes(50, edit + 2), next() % (now.length - 50));
  }
  const { coarse, exact } = await both(old, now, 2048);
  assert.ok(coarse > 190_000, `${coarse}`);
  assert.ok(exact < 100 * (50 + 17) + 100, `${exact}`);
});

test("refineDelta() copies bytes that moved to any offset", async () => {
  const old = randomBytes(400_000, 1);
  // The pieces are shorter than a block, and are in another order.
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < old.length; at += 800) {
    pieces.push(old.subarray(at, at + 800));
  }
  const next = random(3);
  pieces.sort(() => next() % 2 - 0.5);
  const { coarse, exact } = await both(old, concat(pieces), 2048);
  assert.ok(coarse > 300_000, `${coarse}`);
  assert.ok(exact < 500 * 20, `${exact}`);
});

test("the delta of an append is as large as the appended bytes", async () => {
  const old = randomBytes(100_000 + 1234, 1);
  const more = randomBytes(3000, 2);
  const { exact } = await both(old, concat([old, more]), 2048);
  assert.ok(exact < 3000 + 20, `${exact}`);
});

test("refineDelta() copies bytes in one place in the order of the old content", async () => {
  const old = randomBytes(300_000, 1);
  const now = old.slice();
  for (let at = 100; at < now.length; at += 5000) now.set([1, 2, 3], at);
  const delta = await refined(
    old,
    deltaBytes(signBytes(old, { blockSize: 2048 }), now),
  );
  const segments = await readSegments(bytesAccess(delta));
  assert.equal(segments.isInOrder, true);
});

test("refineDelta() refuses an invalid delta", async () => {
  const old = randomBytes(5000, 1);
  const delta = deltaBytes(signBytes(old), mutate(old, 1));
  await assert.rejects(refined(old, delta.slice(0, -1)), { code: "truncated" });
  await assert.rejects(refined(old, delta.slice(1)), { code: "corrupt" });
});

test("refineDelta() fails with `aborted` if its signal fires", async () => {
  const old = randomBytes(5000, 1);
  const delta = deltaBytes(signBytes(old), mutate(old, 1));
  const signal = AbortSignal.abort();
  const parts = refineDelta(bytesAccess(delta), basis(old), { signal });
  await assert.rejects(collect(parts), { code: "aborted" });
});
