import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { DeltaReader } from "../../lib/delta/delta_reader.ts";
import { DeltaWriter } from "../../lib/delta/delta_writer.ts";
import { Signature, signBytes } from "../../lib/delta/mod.ts";
import { randomBytes, text } from "./helpers.ts";

test("commands have the shortest possible parameters, of up to 64 bits", () => {
  const writer = new DeltaWriter();
  writer.copy(255, 255);
  writer.copy(256, 65_535);
  writer.copy(2 ** 32 - 1, 2 ** 16);
  writer.copy(2 ** 33 + 5, 2 ** 32);
  writer.literal(text("ab"));
  writer.literal(text("c".repeat(65)));
  writer.copy(10, 5);
  writer.copy(15, 6);
  writer.copy(21, 0);
  writer.end();
  const bytes = writer.take().slice();
  assert.equal(bytes.length, writer.size);
  assert.equal(
    toHex(bytes),
    [
      "72730236",
      "45ffff",
      "4a0100ffff",
      "4fffffffff00010000",
      "5400000002000000050000000100000000",
      "026162",
      "4141" + "63".repeat(65),
      "450a0b",
      "00",
    ].join(""),
  );
  const commands = [...new DeltaReader().read(bytes)];
  assert.deepEqual(
    commands.map((one) =>
      one.kind === "copy" ? [one.offset, one.length] : one.length
    ),
    [
      [255, 255],
      [256, 65_535],
      [2 ** 32 - 1, 2 ** 16],
      [2 ** 33 + 5, 2 ** 32],
      2,
      65,
      [10, 11],
    ],
  );
});

test("copies that meet at offset zero are kept", () => {
  const writer = new DeltaWriter();
  writer.copy(0, 8);
  writer.copy(0, 8);
  writer.copy(8, 8);
  writer.end();
  assert.equal(toHex(writer.take()), "72730236" + "450008" + "450010" + "00");
});

test("a signature is unchanged after encoding and decoding", () => {
  for (const length of [0, 1, 511, 512, 513, 10_000]) {
    const signature = signBytes(randomBytes(length, 1), { blockSize: 512 });
    assert.equal(signature.fileSize, length);
    const bytes = signature.encode();
    // Decoding does not need an aligned offset.
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    assert.deepEqual(Signature.decode(moved.subarray(1)), signature);
  }
});

test("the sums of a signature are those that the format page specifies", () => {
  const { weak, strong, strongLength } = signBytes(text("abc"));
  // 1 M^3 + 97 M^2 + 98 M + 99 modulo 2^32, with M = 0x08104225.
  const m = 0x08104225n;
  const sum = (m ** 3n + 97n * m ** 2n + 98n * m + 99n) % 2n ** 32n;
  assert.equal(weak[0], Number(sum));
  assert.equal(strongLength, 8);
  assert.equal(toHex(strong), "ba7816bf8f01cfea"); // SHA-256 of "abc"
});

test("a signature is read from any offset in memory", () => {
  const signature = signBytes(randomBytes(10_000, 3), { blockSize: 100 });
  const encoded = signature.encode();
  for (const offset of [1, 2, 3, 4]) {
    const room = new Uint8Array(offset + encoded.length);
    room.set(encoded, offset);
    const decoded = Signature.decode(room.subarray(offset));
    assert.deepEqual(decoded.weak, signature.weak);
    assert.deepEqual(decoded.strong, signature.strong);
  }
});
