import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { ExtendedSignature } from "../../lib/delta/extended_signature.ts";
import { FileScan } from "../../lib/delta/file_scan.ts";
import { signBytes } from "../../lib/delta/sign.ts";
import type { Signature } from "../../lib/delta/signature.ts";
import { noise } from "../support/noise.ts";

const blockSize = 256;

/** Returns the signature of `after` that is made with its delta to `before`. */
async function extend(
  before: Uint8Array,
  after: Uint8Array,
  step = 1000,
): Promise<Signature | undefined> {
  const basis = signBytes(before, { blockSize });
  const extended = new ExtendedSignature(basis);
  const scan = new FileScan({
    basis,
    size: after.length,
    onDelta: (bytes) => extended.pushDelta(bytes),
  });
  for (let at = 0; at < after.length; at += step) {
    const part = after.subarray(at, at + step);
    await scan.push(part);
    extended.push(part);
  }
  await scan.finish();
  return extended.finish();
}

test("ExtendedSignature equals the signature of the whole file", async () => {
  for (const size of [256, 257, 5000, 5120, 300_000]) {
    for (const added of [0, 1, 100, 256, 10_000]) {
      const before = noise(size, size);
      const after = concat([before, noise(added, 7)]);
      const { strongLength } = signBytes(before, { blockSize });
      const expected = signBytes(after, { blockSize, strongLength });
      for (const step of [1, 255, 1000, 1_000_000]) {
        if (step === 1 && size > 10_000) continue;
        const found = await extend(before, after, step);
        assert.deepEqual(found, expected, `${size} + ${added} by ${step}`);
      }
    }
  }
});

test("ExtendedSignature covers a file whose short last block changed", async () => {
  const before = noise(5000, 1);
  const after = concat([before.subarray(0, 4900), noise(3000, 2)]);
  const { strongLength } = signBytes(before, { blockSize });
  assert.deepEqual(
    await extend(before, after),
    signBytes(after, { blockSize, strongLength }),
  );
});

test("ExtendedSignature is undefined for other changes", async () => {
  const before = noise(5000, 1);
  const cut = before.subarray(0, 4000);
  const changed = before.slice();
  changed[3000] ^= 1;
  const inserted = concat([noise(10, 3), before]);
  const moved = concat([before.subarray(2560), before]);
  for (const after of [cut, changed, inserted, moved, noise(5000, 9)]) {
    assert.equal(await extend(before, after), undefined);
  }
  // There is no whole block whose sums could be taken.
  const small = noise(100, 1);
  assert.equal(await extend(small, concat([small, before])), undefined);
});
