import assert from "node:assert/strict";
import { test } from "node:test";
import { NeededRanges } from "../../lib/delta/needed_ranges.ts";
import { KeptRanges } from "../../lib/repository/content/kept_ranges.ts";
import { noise } from "./helpers.ts";

test("KeptRanges reads only ranges that were not kept", async () => {
  const content = noise(10_000);
  using kept = new KeptRanges();
  const part = (offset: number, length: number) => ({
    offset,
    bytes: content.slice(offset, offset + length),
  });
  kept.keep([part(4000, 1000), part(5000, 1000)], 4900, 5100);
  kept.keep([part(0, 1000)], 100, 200);
  // The second half of this range is not in memory.
  kept.keep([part(0, 1000)], 900, 1100);
  kept.keep([part(0, 1000)], 2000, 2100);
  const ranges = NeededRanges.of([
    { offset: 50, length: 100 },
    { offset: 950, length: 100 },
    { offset: 4800, length: 400 },
  ]);
  const missing: { start: number; end: number }[] = [];
  let isDisposed = false;
  const access = await kept.access(ranges, (rest) => {
    const cursor = rest.cursor();
    for (
      let range = cursor.next(0, rest.end);
      range !== undefined;
      range = cursor.next(range.end, rest.end)
    ) missing.push(range);
    return Promise.resolve({
      size: content.length,
      read(offset: number, length: number) {
        const wanted = rest.cursor().next(offset, offset + length);
        assert.deepEqual(wanted, { start: offset, end: offset + length });
        return content.slice(offset, offset + length);
      },
      [Symbol.dispose]: () => void (isDisposed = true),
    });
  });
  assert.deepEqual(missing, [
    { start: 50, end: 100 },
    { start: 1000, end: 1050 },
    { start: 4800, end: 4900 },
    { start: 5100, end: 5200 },
  ]);
  for (
    const [offset, length] of [[50, 100], [120, 30], [950, 100], [4800, 400]]
  ) {
    const bytes = await access.read(offset, length);
    assert.deepEqual(bytes, content.subarray(offset, offset + length));
  }
  access[Symbol.dispose]();
  assert.ok(isDisposed);
});
