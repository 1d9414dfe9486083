import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bytesAccess,
  compose,
  deltaBytes,
  patchBytes,
  signBytes,
} from "../../lib/delta/mod.ts";
import { drain, mutate, pieces, randomBytes } from "./helpers.ts";

const SLOW = Boolean(process.env.SLOW);

test("compose() makes one delta with the result of two deltas", async () => {
  for (let seed = 1; seed <= (SLOW ? 500 : 25); seed++) {
    const options = { blockSize: [16, 100, 512][seed % 3] };
    const one = randomBytes(seed * 977 % 40_000, seed);
    const two = mutate(one, seed + 1);
    const three = mutate(two, seed + 2);
    const first = deltaBytes(signBytes(one, options), two);
    const second = deltaBytes(signBytes(two, options), three);
    const both = await drain(
      compose(bytesAccess(first), pieces(second, 1 + seed * 31 % 500)),
    );
    assert.deepEqual(patchBytes(one, both), three, `seed ${seed}`);
  }
});

test("compose() with a delta of an unchanged file changes nothing", async () => {
  const one = randomBytes(200_000, 1);
  const two = mutate(one, 2);
  const change = deltaBytes(signBytes(one), two);
  const before = deltaBytes(signBytes(one), one);
  const after = deltaBytes(signBytes(two), two);
  for (const [first, second] of [[before, change], [change, after]]) {
    const both = await drain(compose(bytesAccess(first), second));
    assert.deepEqual(patchBytes(one, both), two);
    assert(Math.abs(both.length - change.length) < 32);
  }
});

test("compose() makes one delta of a long chain", async () => {
  const start = randomBytes(50_000, 1);
  let file = start;
  let chain = deltaBytes(signBytes(start), start);
  for (let seed = 1; seed <= 8; seed++) {
    const next = mutate(file, seed);
    const delta = deltaBytes(signBytes(file), next);
    chain = await drain(compose(bytesAccess(chain), delta));
    file = next;
  }
  assert.deepEqual(patchBytes(start, chain), file);
});
