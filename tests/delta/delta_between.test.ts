import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { deltaBetween } from "../../lib/delta/delta_between.ts";
import { patchBytes } from "../../lib/delta/patch.ts";
import { runs } from "../support/runs.ts";
import { mutate, randomBytes, text } from "./helpers.ts";

test("deltaBetween() makes a delta that makes the new content from the old one", () => {
  const some = [
    new Uint8Array(),
    text("a"),
    text("aa"),
    text("aaaa"),
    text("baa"),
    randomBytes(5000, 1),
    new Uint8Array(3000),
  ];
  for (const old of some) {
    for (const now of some) {
      assert.deepEqual(patchBytes(old, deltaBetween(old, now)), now);
    }
  }
  for (let seed = 1; seed <= runs(60).numRuns; seed++) {
    const old = mutate(randomBytes(seed * 997 % 20_000, seed), seed);
    const now = mutate(old, seed + 1);
    assert.deepEqual(patchBytes(old, deltaBetween(old, now)), now, `${seed}`);
  }
});

test("the delta of one edit is little larger than the edited bytes", () => {
  const old = randomBytes(100_000, 1);
  const edit = randomBytes(40, 2);
  for (const at of [0, 1, 777, 50_000, 99_999, 100_000]) {
    const now = concat([old.subarray(0, at), edit, old.subarray(at)]);
    assert.ok(deltaBetween(old, now).length < 40 + 40, `at ${at}`);
  }
});

test("the delta of overwritten bytes is little larger than these bytes", () => {
  const old = randomBytes(100_000, 1);
  const now = old.slice();
  for (const at of [0, 900, 925, 50_000, 99_950]) {
    now.set(randomBytes(50, at + 2), at);
  }
  const delta = deltaBetween(old, now);
  assert.deepEqual(patchBytes(old, delta), now);
  assert.ok(delta.length < 4 * 50 + 25 + 60, `${delta.length} bytes`);
});

test("deltaBetween() finds bytes that moved between changed bytes", () => {
  const [moved, one, other] = [20_000, 3, 4].map((length) =>
    randomBytes(length === 20_000 ? length : 2000, length)
  );
  const old = concat([text("a"), moved, one, other, text("z")]);
  const now = concat([text("b"), one, moved, other, text("y")]);
  const delta = deltaBetween(old, now);
  assert.deepEqual(patchBytes(old, delta), now);
  assert.ok(delta.length < 3000, `${delta.length} bytes`);
});

test("deltaBetween() copies short pieces in another order", () => {
  const pieces = Array.from({ length: 100 }, (_, at) => randomBytes(100, at));
  const old = concat(pieces);
  const now = concat(pieces.toReversed());
  const delta = deltaBetween(old, now);
  assert.deepEqual(patchBytes(old, delta), now);
  assert.ok(delta.length < 100 * 8, `${delta.length} bytes`);
});
