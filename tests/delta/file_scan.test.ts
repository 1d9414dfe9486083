import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { deltaBytes, FileScan, signBytes } from "../../lib/delta/mod.ts";
import { mutate, randomBytes } from "./helpers.ts";

const basis = randomBytes(1_000_000, 1);
const file = mutate(basis, 2);

for (const wait of [false, true]) {
  test(`FileScan returns everything after one pass, ${wait ? "awaiting" : "not awaiting"} the sink`, async () => {
    const parts: Uint8Array[] = [];
    const scan = new FileScan({
      basis: signBytes(basis),
      blockSize: 2048,
      size: wait ? 10 : file.length,
      onDelta: async (bytes) => {
        if (wait) await Promise.resolve();
        parts.push(bytes.slice());
      },
    });
    const chunk = new Uint8Array(300_000);
    for (let at = 0; at < file.length; at += chunk.length) {
      const part = file.subarray(at, at + chunk.length);
      chunk.set(part);
      await scan.push(chunk.subarray(0, part.length));
    }
    const result = await scan.finish();
    const delta = deltaBytes(signBytes(basis), file);
    assert.deepEqual(concat(parts), delta);
    assert.equal(result.deltaSize, delta.length);
    assert.equal(result.size, file.length);
    assert.deepEqual(
      Uint8Array.from(result.sha256),
      Uint8Array.from(sha256(file)),
    );
    const expected = signBytes(file, { blockSize: 2048 });
    assert.deepEqual(result.signature?.weak, expected.weak);
  });
}

test("FileScan.push() is synchronous if the sink is", () => {
  const scan = new FileScan({ basis: signBytes(basis), onDelta: () => {} });
  assert.equal(scan.push(file), undefined);
});

test("FileScan makes only what is requested", async () => {
  const scan = new FileScan();
  scan.push(file);
  const result = await scan.finish();
  assert.deepEqual(Object.keys(result).sort(), ["sha256", "size"]);
});
