import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { deltaBetween } from "../../lib/delta/delta_between.ts";
import { patchBytes } from "../../lib/delta/patch.ts";
import { runs } from "../support/runs.ts";
import { mutate, randomBytes, text } from "./helpers.ts";

test("a delta between two states makes the second of the first", () => {
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

test("one edit costs little more than its bytes", () => {
  const old = randomBytes(100_000, 1);
  const edit = randomBytes(40, 2);
  for (const at of [0, 1, 777, 50_000, 99_999, 100_000]) {
    const now = concat([old.subarray(0, at), edit, old.subarray(at)]);
    assert.ok(deltaBetween(old, now).length < 40 + 40, `at ${at}`);
  }
});
