import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createOnThread } from "../../lib/bytes/sha256_thread.ts";
import { noise } from "../support/noise.ts";

const bytes = noise(5_000_000);
const sumOf = (part: Uint8Array) => createHash("sha256").update(part).digest();

test("a sum on a thread is that of all pieces, regardless of their lengths", () => {
  for (const size of [1000, 65_536, 262_144, 262_145, 1_000_001, 5_000_000]) {
    const part = bytes.subarray(0, Math.min(5_000_000, 40 * size));
    const sum = createOnThread()!;
    for (let at = 0; at < part.length; at += size) {
      sum.update(part.subarray(at, at + size));
    }
    assert.ok(sumOf(part).equals(sum.digest()), `${size}`);
  }
  assert.ok(sumOf(new Uint8Array()).equals(createOnThread()!.digest()));
});

test("sums that are computed alternately do not mix, and one of them can be abandoned", () => {
  const sums = [0, 1, 2].map(() => createOnThread()!);
  createOnThread()!.update(bytes);
  for (let at = 0; at < bytes.length; at += 100_000) {
    for (const [n, sum] of sums.entries()) {
      sum.update(bytes.subarray(at + n, at + 100_000));
    }
  }
  for (const [n, sum] of sums.entries()) {
    const expected = createHash("sha256");
    for (let at = 0; at < bytes.length; at += 100_000) {
      expected.update(bytes.subarray(at + n, at + 100_000));
    }
    assert.ok(expected.digest().equals(sum.digest()), `${n}`);
  }
});

test("a thread that waits for each piece hashes no piece twice", () => {
  const part = bytes.subarray(0, 64);
  for (let round = 0; round < 20; round++) {
    const sum = createOnThread()!;
    const expected = createHash("sha256");
    for (let piece = 0; piece < 5000; piece++) {
      sum.update(part);
      expected.update(part);
      // The pause is so long that the thread sometimes falls asleep.
      for (let spin = piece % 97; spin > 0; spin--) Math.sqrt(spin);
    }
    assert.ok(expected.digest().equals(sum.digest()), `round ${round}`);
  }
});
