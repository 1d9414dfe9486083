import assert from "node:assert/strict";
import { test } from "node:test";
import { EngineError } from "../../extension/src/host/engine.ts";
import { explain } from "../../extension/src/host/ui/explain.ts";

test("explain() has no parentheses within parentheses", () => {
  const error = new EngineError({
    message: "/disk: read-only file system (EROFS)",
    system: "EROFS",
    isOfFolder: true,
  });
  assert.equal(
    explain(error),
    "The file system is read-only. Remount the file system as writable. " +
      "(/disk: read-only file system, EROFS)",
  );
});
