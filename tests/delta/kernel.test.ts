import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { KERNEL_SOURCE } from "../../lib/delta/kernel_wasm.ts";
import { RabinKarp } from "../../lib/delta/rabin_karp.ts";
import { RabinKarpKernel } from "../../lib/delta/rabin_karp_kernel.ts";
import type { RollingSum } from "../../lib/delta/rolling_sum.ts";
import { random, randomBytes } from "./helpers.ts";

test("kernel_wasm.ts is compiled from the current kernel.wat (deno task kernel)", () => {
  const source = new URL("../../lib/delta/kernel.wat", import.meta.url);
  assert.equal(toHex(sha256(readFileSync(source))), KERNEL_SOURCE);
});

/**
 * Yields all offsets that pass the filter, with their sums, by searching window
 * by window.
 */
function* found(
  sum: RollingSum,
  file: Uint8Array,
  width: number,
): Generator<[place: number, sum: number]> {
  const room = sum.buffer.length - 1;
  let end = 0;
  let at = 0;
  for (let read = 0; read < file.length;) {
    const part = file.subarray(read, read + room - end);
    sum.buffer.set(part, end);
    if (read === 0) sum.start(0);
    read += part.length;
    end += part.length;
    const last = end - width - 1;
    while ((at = sum.seek(at, last)) <= last) {
      yield [read - end + at, sum.value];
      sum.roll(at++);
    }
    sum.drop(at, end);
    end -= at;
    at = 0;
  }
}

for (
  const [name, density] of [
    ["few", 2],
    ["many", 6],
    ["all", Infinity],
  ] as const
) {
  test(`WebAssembly and TypeScript find the same offsets if ${name} pass`, () => {
    const file = randomBytes(700_000, 1);
    for (const width of [5, 64, 1000, 4096]) {
      const shape = { width, capacity: 150_001, filterWords: 1024 };
      const kernel = RabinKarpKernel.create(shape);
      assert(kernel, "every runtime of ours has WebAssembly with SIMD");
      const portable = new RabinKarp(shape);
      const next = random(width);
      for (let bit = 0; bit < Math.min(density, 99) * 4 * 1024; bit++) {
        portable.filter[next() % 1024] |= 1 << (next() & 31);
      }
      if (density === Infinity) portable.filter.fill(-1);
      kernel.filter.set(portable.filter);
      const all = found(kernel, file, width);
      let count = 0;
      for (const expected of found(portable, file, width)) {
        const { value } = all.next();
        count++;
        if (value?.[0] !== expected[0] || value[1] !== expected[1]) {
          assert.deepEqual(value, expected);
        }
      }
      assert(all.next().done);
      assert(count > 100, `${count}`);
      kernel.free();
    }
  });
}
