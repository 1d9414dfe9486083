import assert from "node:assert/strict";
import { test } from "node:test";
import { unlessAborted } from "../../lib/bytes/abort.ts";

const never = new Promise<never>(() => {});

test("unlessAborted() waits for the work, and passes its failure on", async () => {
  const { signal } = new AbortController();
  for (const one of [signal, undefined]) {
    assert.equal(await unlessAborted(Promise.resolve(1), one), 1);
    await assert.rejects(unlessAborted(Promise.reject(new Error("no")), one), {
      message: "no",
    });
  }
});

test("unlessAborted() stops waiting for the work when the signal fires", async () => {
  const controller = new AbortController();
  const waiting = unlessAborted(never, controller.signal);
  controller.abort();
  await assert.rejects(waiting, { code: "aborted" });
  await assert.rejects(unlessAborted(never, controller.signal), {
    code: "aborted",
  });
  const failing = Promise.reject(new Error("nobody hears it"));
  await assert.rejects(unlessAborted(failing, controller.signal), {
    code: "aborted",
  });
});
