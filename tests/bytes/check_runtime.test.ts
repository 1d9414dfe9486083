import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRuntime } from "../../lib/bytes/check_runtime.ts";

test("checkRuntime() refuses a Node that is too old, and names the required version [L6]", () => {
  for (const node of ["18.0.0", "20.20.2", "22.14.0"]) {
    assert.throws(() => checkRuntime({ node }), {
      message: `deltar needs Node 22.15 or later, but runs on Node ${node}. ` +
        "Install a newer version, or use Deno or Bun.",
    });
  }
  for (const node of ["22.15.0", "22.23.3", "23.0.0", "24.1.0"]) {
    checkRuntime({ node });
  }
  checkRuntime({ node: "20.0.0", deno: "2.9.0" });
  checkRuntime({ node: "20.0.0", bun: "1.4.0" });
  checkRuntime(undefined);
});
