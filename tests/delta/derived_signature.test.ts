import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, concat } from "../../lib/bytes/source.ts";
import { deltaBytes } from "../../lib/delta/delta.ts";
import { DerivedSignature } from "../../lib/delta/derived_signature.ts";
import { patchBytes } from "../../lib/delta/patch.ts";
import { bytesAccess } from "../../lib/delta/random_access.ts";
import { readSegments } from "../../lib/delta/read_segments.ts";
import { signBytes } from "../../lib/delta/sign.ts";
import { noise } from "../support/noise.ts";

const BLOCK = 256;

/**
 * Makes a delta from `now` to `next`, knowing only the old content and its
 * delta.
 */
async function through(
  old: Uint8Array,
  now: Uint8Array,
  next: Uint8Array,
): Promise<Uint8Array> {
  const signature = signBytes(old, { blockSize: BLOCK });
  const delta = deltaBytes(signature, now);
  const literals = bytesAccess(delta);
  const segments = await readSegments(literals);
  const derived = await DerivedSignature.of(signature, { segments, literals });
  const raw = deltaBytes(derived.signature, next);
  return await collect(derived.translate(raw));
}

const old = noise(20_100, 1);
const cases: Record<string, Uint8Array> = {
  "the same": old,
  "overwritten": concat([
    old.subarray(0, 5000),
    noise(50, 2),
    old.subarray(5050),
  ]),
  "shifted": concat([noise(7, 3), old]),
  "grown": concat([old, noise(3000, 4)]),
  "shrunk": old.subarray(0, 9000),
  "without its beginning": old.subarray(777),
  "halves swapped": concat([old.subarray(10_001), old.subarray(0, 10_001)]),
  "twice": concat([old, old]),
  "another": noise(5000, 5),
  "short": noise(10, 6),
  "empty": new Uint8Array(),
};

test("a delta against derived blocks makes the next content from the current one", async () => {
  for (const [one, now] of Object.entries(cases)) {
    for (const [other, next] of Object.entries(cases)) {
      const delta = await through(old, now, next);
      assert.deepEqual(patchBytes(now, delta), next, `${one}, ${other}`);
    }
  }
});

test("DerivedSignature finds copied and new blocks", async () => {
  for (const name of ["overwritten", "shifted", "grown", "halves swapped"]) {
    const now = cases[name];
    const next = concat([now.subarray(0, 15_000), now.subarray(15_001)]);
    const { length } = await through(old, now, next);
    assert.ok(length < 6 * BLOCK, `${name}: ${length}`);
  }
});
