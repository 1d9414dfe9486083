import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import {
  deltaBytes,
  FileScan,
  patchBytes,
  type Signature,
  signBytes,
} from "../../lib/delta/mod.ts";
import { rabinKarpPortable } from "../../lib/delta/rabin_karp.ts";
import { pieces, randomBytes, text } from "./helpers.ts";

// The file is large enough for the second thread and the kernel.
const basis = randomBytes(12_345_678, 1);

/** Compares the sums of a signature with their plain definition. */
function check(signature: Signature, bytes: Uint8Array): void {
  const { blockSize, strongLength, weak } = signature;
  for (let block = 0; block < weak.length; block++) {
    const start = block * blockSize;
    const part = bytes.subarray(start, start + blockSize);
    const sum = rabinKarpPortable(part, 0, part.length);
    assert.equal(weak[block], sum, `weak sum of block ${block}`);
    const digest = sha256(part).subarray(0, strongLength);
    assert(signature.hasStrong(block, digest), `strong sum of block ${block}`);
  }
}

test("the signature of a large file has the sums of the plain definition", () => {
  for (const blockSize of [1000, 2048, 100_000]) {
    check(signBytes(basis, { blockSize }), basis);
  }
});

test("two signatures that are made alternately do not disturb each other", async () => {
  const other = randomBytes(basis.length, 2);
  const scans = [basis, other].map((bytes) => ({
    bytes,
    scan: new FileScan({ blockSize: 2048, size: bytes.length }),
  }));
  for (let at = 0; at < basis.length; at += 1_000_000) {
    for (const { bytes, scan } of scans) {
      scan.push(bytes.subarray(at, at + 1_000_000));
    }
  }
  for (const { bytes, scan } of scans) {
    const { signature } = await scan.finish();
    check(signature!, bytes);
  }
});

test("the delta of a large file finds all unchanged bytes", () => {
  const edits = [1_000_000, 1_000_100, 5_000_000, 9_000_000];
  const file = basis.slice();
  for (const at of edits) file.set(text("edited"), at);
  const inserted = concat([
    file.subarray(0, 100),
    text("inserted"),
    file.subarray(100, 7_000_000),
    randomBytes(3000, 3),
    file.subarray(7_000_000),
  ]);
  const blockSize = 2048;
  const delta = deltaBytes(signBytes(basis, { blockSize }), inserted);
  assert.deepEqual(patchBytes(basis, delta), inserted);
  assert(delta.length < 3000 + 6 * blockSize + 200, `${delta.length}`);
});

test("many large files, one after the other, do not exhaust the memory of the kernels", async () => {
  const file = basis.subarray(0, 200_000);
  const signature = signBytes(file);
  for (let round = 0; round < 300; round++) {
    const scan = new FileScan({ basis: signature, size: file.length });
    for (const piece of pieces(file, 150_000)) scan.push(piece);
    const { deltaSize } = await scan.finish();
    assert(deltaSize! < 20);
  }
});
