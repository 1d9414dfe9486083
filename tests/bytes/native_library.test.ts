import assert from "node:assert/strict";
import { test } from "node:test";
import process from "node:process";
import { loadAside } from "../../lib/bytes/native_library.ts";

const host = globalThis as { Deno?: unknown; Bun?: unknown };
const hasCalls = process.platform === "linux" &&
  (host.Deno !== undefined || host.Bun !== undefined);

test("loadAside() makes calls that do not block the event loop, if the runtime can", async () => {
  const calls = loadAside(["sleep", "close"]);
  if (!hasCalls) return assert.equal(calls, undefined);
  let turns = 0;
  const timer = setInterval(() => turns++, 10);
  const results = await Promise.all([calls!.sleep(1), calls!.close(-1)]);
  clearInterval(timer);
  assert.deepEqual(results, [0, -1]);
  assert.ok(turns > 2, `${turns} turns`);
});

test("loadAside() returns nothing if the library has no such call", () => {
  assert.equal(loadAside(["no_such_call_of_deltar"]), undefined);
});
