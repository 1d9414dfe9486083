import assert from "node:assert/strict";
import { test } from "node:test";
import type { RestoreStep } from "../../lib/repository/restore/plan.ts";
import { StepFinder } from "../../lib/repository/restore/step_finder.ts";

test("StepFinder finds each step of a plan in any order, and no other path", () => {
  const steps = Array.from({ length: 101 }, (_, at): RestoreStep => ({
    path: `folder/${String(at).padStart(3, "0")}`,
    action: "delete",
    was: "file",
  }));
  const finder = new StepFinder(steps);
  for (const stride of [1, 100, 37]) {
    for (let at = 0; at < steps.length; at++) {
      const step = steps[at * stride % steps.length];
      assert.equal(finder.get(step.path), step);
      assert.equal(finder.get(`${step.path}0`), undefined);
    }
  }
  assert.equal(finder.get("folder"), undefined);
  assert.equal(finder.get("z"), undefined);
  assert.equal(new StepFinder([]).get("folder/000"), undefined);
});
