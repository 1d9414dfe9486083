import assert from "node:assert/strict";
import { test } from "node:test";
import { advisedIn } from "../../extension/src/host/ui/advice.ts";

test("advisedIn() returns each action once, and an action for each setting", () => {
  const location = "one: read-only. Check deltar.repository.location.";
  const endpoint = "two: no such host. Check deltar.repository.endpoint.";
  const key = "three: locked. Run Deltar: Enter Key.";
  assert.deepEqual(advisedIn(location, key, endpoint, key, location), [
    { title: "Open Settings", setting: "deltar.repository.location" },
    { title: "Enter Key\u2026", command: "deltar.enterKey" },
    { title: "Open Settings", setting: "deltar.repository.endpoint" },
  ]);
  assert.deepEqual(advisedIn("four: no such file"), []);
});
