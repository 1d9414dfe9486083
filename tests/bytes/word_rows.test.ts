import assert from "node:assert/strict";
import { test } from "node:test";
import { WordRows } from "../../lib/bytes/word_rows.ts";

/** Fills rows, and checks that they keep their values. */
function fill(): void {
  const rows = new WordRows(3);
  for (let row = 0; row < 20_000; row++) {
    assert.equal(rows.push(), row);
    assert.equal(rows.get(row, 1), 0);
    rows.set(row, 0, row);
    rows.set(row, 2, 2 ** 32 - 1 - row);
    rows.bytes(row, 1, 4).fill(row);
  }
  assert.equal(rows.all().length, 12 * 20_000);
  for (let row = 0; row < 20_000; row++) {
    assert.equal(rows.get(row, 0), row);
    assert.equal(rows.get(row, 1), 0x01010101 * (row & 255));
    assert.equal(rows.get(row, 2), 2 ** 32 - 1 - row);
  }
}

test("WordRows keep their values while rows are added", fill);

test("WordRows need no shared memory", () => {
  const { SharedArrayBuffer: shared } = globalThis;
  Object.assign(globalThis, { SharedArrayBuffer: undefined });
  try {
    fill();
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer: shared });
  }
});
