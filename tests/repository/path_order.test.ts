import assert from "node:assert/strict";
import { test } from "node:test";
import { pathOrder } from "../../lib/repository/snapshot/path_order.ts";
import { comparePaths } from "../../lib/tree/path.ts";
import { random } from "../delta/helpers.ts";

test("pathOrder() sorts paths, keeps the order of equal paths, and yields often", () => {
  const next = random(1);
  for (const length of [0, 1, 2047, 2048, 2049, 4097, 20_000]) {
    const texts = Array.from({ length }, () => {
      const number = next() % 5000;
      return number % 3 === 0 ? `a/${number}` : `a.${number}`;
    });
    let calls = 0;
    const steps = pathOrder({
      length,
      path(number) {
        calls++;
        return texts[number];
      },
    });
    let step = steps.next();
    while (!step.done) {
      assert.ok(calls <= 5000, `${calls} calls`);
      calls = 0;
      step = steps.next();
    }
    assert.deepEqual(
      [...step.value],
      [...texts.keys()].sort((a, b) =>
        comparePaths(texts[a], texts[b]) || a - b
      ),
    );
  }
});
