import assert from "node:assert/strict";
import { test } from "node:test";
import { Rate } from "../../cli/rate.ts";

test("Rate.tell() returns the rate and the remaining time as soon as they are meaningful", () => {
  const rate = new Rate();
  assert.deepEqual(rate.tell(100, { bytes: 0 }), []);
  assert.deepEqual(rate.tell(500, { bytes: 8e6 }), []);
  assert.deepEqual(rate.tell(1100, { bytes: 2e7 }), ["20.0 MB/s"]);
  assert.deepEqual(
    rate.tell(2100, { bytes: 4e7, allBytes: 1e8 }),
    ["40%", "3.0 s left", "20.0 MB/s"],
  );
  // If the total has grown in the meantime, the work does not count as done.
  assert.deepEqual(
    rate.tell(3100, { bytes: 6e7, allBytes: 5e7 }).slice(0, 2),
    ["99%", "1.0 s left"],
  );
});

test("a long walk before the first large file does not count as slow reading", () => {
  const rate = new Rate();
  for (let at = 0; at < 60_000; at += 100) {
    const told = rate.tell(at, { bytes: at / 1000, allBytes: 1e9 });
    assert.deepEqual(told, ["0%"]);
  }
  let told: string[] = [];
  for (let at = 60_000; at <= 70_000; at += 100) {
    told = rate.tell(at, { bytes: 60 + (at - 60_000) * 1e4, allBytes: 1e9 });
  }
  assert.deepEqual(told, ["10%", "1 min 30 s left", "10.0 MB/s"]);
});
