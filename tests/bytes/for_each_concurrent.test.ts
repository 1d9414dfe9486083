import assert from "node:assert/strict";
import { test } from "node:test";
import { forEachConcurrent } from "../../lib/bytes/for_each_concurrent.ts";

test("forEachConcurrent() starts nothing after a failure, and waits for running work", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    if (item === 2) throw new Error("item 2");
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended.push(item);
  };
  const slowly = async function* () {
    for (let item = 1; item <= 9; item++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield item;
    }
  };
  for (const items of [[1, 2, 3, 4, 5], slowly()]) {
    begun.length = ended.length = 0;
    await assert.rejects(forEachConcurrent(items, 4, work), {
      message: "item 2",
    });
    assert.deepEqual([begun, ended], [[1, 2], [1]]);
  }
});
