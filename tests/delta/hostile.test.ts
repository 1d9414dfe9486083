import assert from "node:assert/strict";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import {
  bytesAccess,
  compose,
  decodeLibrsyncSignature,
  deltaBytes,
  encodeLibrsyncSignature,
  patch,
  patchBytes,
  Signature,
  signBytes,
} from "../../lib/delta/mod.ts";
import { drain, mutate, random, randomBytes } from "./helpers.ts";

const SLOW = Boolean(process.env.SLOW);
const basis = randomBytes(3000, 1);
const MAGIC = [0x72, 0x73, 0x02, 0x36];

function refused(code: string, offset?: number) {
  return (error: unknown) =>
    error instanceof DeltarError && error.code === code &&
    (offset === undefined || error.offset === offset);
}

const BAD: [string, number[], string, number?][] = [
  ["empty", [], "truncated", 0],
  ["bad magic", [0x72, 0x73, 0x01, 0x36, 0], "corrupt", 0],
  ["no end", [...MAGIC], "truncated", 4],
  ["cut parameters", [...MAGIC, 0x45, 1], "truncated", 6],
  ["cut literal", [...MAGIC, 3, 1, 2], "truncated", 7],
  ["unknown command", [...MAGIC, 0x55], "corrupt", 4],
  ["highest command", [...MAGIC, 0xff], "corrupt", 4],
  ["bytes after the end", [...MAGIC, 0, 0], "corrupt", 5],
  ["empty literal", [...MAGIC, 0x41, 0, 0], "corrupt"],
  ["empty copy", [...MAGIC, 0x45, 0, 0, 0], "corrupt"],
  ["copy beyond", [...MAGIC, 0x4a, 0x0b, 0xb8, 0, 1, 0], "mismatch"],
  [
    "huge copy",
    [...MAGIC, 0x54, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1f, ...Array(6).fill(255), 0],
    "mismatch",
  ],
  [
    "parameter over 2^53",
    [...MAGIC, 0x54, ...Array(16).fill(255), 0],
    "corrupt",
  ],
  [
    "huge literal",
    [...MAGIC, 0x44, 0, 0x1f, ...Array(6).fill(255), 1, 2, 3],
    "truncated",
  ],
];

for (const [name, bytes, code, offset] of BAD) {
  test(`a delta with ${name} is refused`, async () => {
    const delta = Uint8Array.from(bytes);
    const check = refused(code, offset);
    assert.throws(() => patchBytes(basis, delta), check);
    const access = bytesAccess(basis);
    await assert.rejects(drain(patch(access, delta)), check);
    const identity = deltaBytes(signBytes(basis), basis);
    await assert.rejects(drain(compose(bytesAccess(identity), delta)), check);
  });
}

test("a small delta makes a large result only if the caller allows it", async () => {
  const copies = Array(1000).fill([0x46, 0, 0x0b, 0xb8]).flat();
  const delta = Uint8Array.from([...MAGIC, ...copies, 0]);
  const options = { maxSize: 100_000, object: "evil" };
  assert.throws(
    () => patchBytes(basis, delta, options),
    /^DeltarError: evil: /,
  );
  await assert.rejects(
    drain(patch(bytesAccess(basis), delta, options)),
    refused("limit"),
  );
  assert.equal(patchBytes(basis, delta).length, 3_000_000);
});

function flip(bytes: Uint8Array, seed: number): Uint8Array {
  const next = random(seed);
  const copy = bytes.slice(
    0,
    next() % 4 === 0 ? next() % bytes.length : undefined,
  );
  for (let flips = 1 + next() % 3; flips > 0 && copy.length > 0; flips--) {
    copy[next() % Math.min(copy.length, 64)] ^= 1 << next() % 8;
  }
  return copy;
}

test("mutated deltas cause a result or an error", async () => {
  const delta = deltaBytes(
    signBytes(basis, { blockSize: 64 }),
    mutate(basis, 3),
  );
  for (let seed = 0; seed < (SLOW ? 20_000 : 1000); seed++) {
    const bad = flip(delta, seed);
    try {
      patchBytes(basis, bad, { maxSize: 1_000_000 });
    } catch (error) {
      assert(error instanceof DeltarError, String(error));
    }
    try {
      await drain(compose(bytesAccess(bad), bad, { maxSize: 1_000_000 }));
    } catch (error) {
      assert(error instanceof DeltarError, String(error));
    }
  }
});

test("Signature.decode() refuses a flipped bit anywhere", () => {
  const bytes = signBytes(basis).encode();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = bytes.slice();
    bad[bit >> 3] ^= 1 << (bit & 7);
    assert.throws(() => Signature.decode(bad), DeltarError);
  }
  for (let length = 0; length < bytes.length; length++) {
    const options = { object: "sig" };
    assert.throws(
      () => Signature.decode(bytes.subarray(0, length), options),
      (error) => error instanceof DeltarError && error.object === "sig",
    );
  }
});

test("mutated librsync signatures cause a delta or an error", () => {
  const file = mutate(basis, 3);
  const options = { blockSize: 64, strongKind: "blake2b" as const };
  const bytes = encodeLibrsyncSignature(signBytes(basis, options));
  for (let seed = 0; seed < (SLOW ? 5000 : 200); seed++) {
    try {
      deltaBytes(decodeLibrsyncSignature(flip(bytes, seed)), file);
    } catch (error) {
      assert(error instanceof DeltarError, String(error));
    }
  }
});

test("a signature with only one weak sum does not slow the search down", () => {
  const blocks = 100_000;
  const signature = new Signature({
    blockSize: 16,
    fileSize: blocks * 16,
    strongLength: 8,
    weak: new Uint32Array(blocks).fill(signBytes(new Uint8Array(16)).weak[0]),
    strong: randomBytes(blocks * 8, 1),
  });
  const delta = deltaBytes(signature, new Uint8Array(50_000));
  assert(delta.length > 50_000);
});
