/** Work that several requests share, and its cancellation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedWork } from "../../extension/src/worker/shared_work.ts";

/** Returns work that ends with `end`, and its signal. */
function started() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let signal = new AbortController().signal;
  const work = new SharedWork<string>((fires) => {
    signal = fires;
    fires.addEventListener("abort", () => reject(new Error("stopped")));
    return promise;
  });
  return { work, end: resolve, signal };
}

test("work ends early when all requests are cancelled, and not before", async () => {
  const { work, signal } = started();
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = [work.wait(first.signal), work.wait(second.signal)];
  first.abort();
  await assert.rejects(waits[0], { code: "aborted" });
  assert.equal(signal.aborted, false);
  assert.equal(work.isCancelled, false);
  second.abort();
  await assert.rejects(waits[1], { code: "aborted" });
  assert.equal(signal.aborted, true);
  assert.equal(work.isCancelled, true);
});

test("a request gets the result after another request was cancelled", async () => {
  const { work, end } = started();
  const cancelled = new AbortController();
  const waits = [
    work.wait(cancelled.signal),
    work.wait(new AbortController().signal),
  ];
  cancelled.abort();
  await assert.rejects(waits[0], { code: "aborted" });
  end("result");
  assert.equal(await waits[1], "result");
});

test("finished work is not cancelled", async () => {
  const { work, end } = started();
  end("result");
  assert.equal(await work.wait(new AbortController().signal), "result");
  await assert.rejects(work.wait(AbortSignal.abort()), { code: "aborted" });
  assert.equal(work.isCancelled, false);
});
