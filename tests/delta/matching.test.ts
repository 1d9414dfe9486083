import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import {
  chooseBlockSize,
  deltaBytes,
  patchBytes,
  signBytes,
} from "../../lib/delta/mod.ts";
import { randomBytes, text } from "./helpers.ts";

const basis = randomBytes(100_300, 1);

function deltaSize(from: Uint8Array, to: Uint8Array): number {
  const delta = deltaBytes(signBytes(from), to);
  assert.deepEqual(patchBytes(from, delta), to);
  return delta.length;
}

test("the delta of an unchanged file is one copy", () => {
  assert.equal(deltaSize(basis, basis), 4 + 1 + 1 + 4 + 1);
  const small = text("less than a block");
  assert.equal(deltaSize(small, small), 4 + 1 + 1 + 1 + 1);
});

test("the delta of an insertion is about one block", () => {
  const file = concat([
    basis.subarray(0, 5),
    text("inserted"),
    basis.subarray(5),
  ]);
  assert(deltaSize(basis, file) < 1024 + 64);
});

test("the delta of an appended log is as large as the appended bytes", () => {
  for (const length of [1, 10, 700, 5000]) {
    const file = concat([basis, randomBytes(length, 2)]);
    assert(deltaSize(basis, file) <= length + 32, `${length}`);
  }
});

test("the delta of a truncated file is as large as its last partial block", () => {
  assert(deltaSize(basis, basis.subarray(0, 50_000)) < 1024 + 32);
});

test("moved blocks are found", () => {
  const file = concat([basis.subarray(51_200), basis.subarray(0, 51_200)]);
  assert(deltaSize(basis, file) < 64);
});

test("the delta of zeros against zeros has copies, not literals", () => {
  const zeros = new Uint8Array(1_000_000);
  assert.equal(deltaSize(zeros, zeros), 4 + 1 + 1 + 4 + 1);
  assert(deltaSize(zeros.subarray(0, 10_000), zeros) < 20_000);
  assert(deltaSize(concat([basis, zeros]), zeros) < 20_000);
});

test("a page moved by a multiple of its size is found", () => {
  const pages = randomBytes(4096 * 200, 3);
  const order = Array.from({ length: 200 }, (_, page) => page * 77 % 200);
  const file = concat(
    order.map((page) => pages.subarray(page * 4096, page * 4096 + 4096)),
  );
  assert(deltaSize(pages, file) < 4096);
});

test("chooseBlockSize() grows with the file, and returns a power of two", () => {
  let last = 0;
  for (let size = 1; size < 2 ** 52; size *= 2) {
    const blockSize = chooseBlockSize(size);
    assert(blockSize >= last && Number.isInteger(Math.log2(blockSize)));
    assert(size / blockSize <= 2 ** 22);
    last = blockSize;
  }
  assert.throws(() => chooseBlockSize(-1), RangeError);
  assert.throws(() => chooseBlockSize(NaN), RangeError);
});
