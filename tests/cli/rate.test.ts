import assert from "node:assert/strict";
import { test } from "node:test";
import { Rate } from "../../cli/rate.ts";

test("the rate is told once it means something, with the time left", () => {
  const rate = new Rate();
  assert.equal(rate.tell(100, { bytes: 0 }), "");
  assert.equal(rate.tell(500, { bytes: 8e6 }), "");
  assert.equal(rate.tell(1100, { bytes: 2e7 }), ", 20.0 MB/s");
  assert.equal(
    rate.tell(2100, { bytes: 4e7, allBytes: 1e8 }),
    ", 20.0 MB/s, 3.0 s left",
  );
  // What has grown meanwhile is not done before its time.
  assert.match(
    rate.tell(3100, { bytes: 6e7, allBytes: 5e7 }),
    /, 1\.0 s left$/,
  );
});

test("a long walk before the first large file is no slow reading", () => {
  const rate = new Rate();
  for (let at = 0; at < 60_000; at += 100) {
    const told = rate.tell(at, { bytes: at / 1000, allBytes: 1e9 });
    assert.equal(told, "");
  }
  let told = "";
  for (let at = 60_000; at <= 70_000; at += 100) {
    told = rate.tell(at, { bytes: 60 + (at - 60_000) * 1e4, allBytes: 1e9 });
  }
  assert.equal(told, ", 10.0 MB/s, 1 min 30 s left");
});
