import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { FIRST } from "../frozen/frozen.ts";
import { folderOf, needsCommit } from "../frozen/old_code.ts";
import { describe, fuzz } from "./run.ts";

/**
 * Skips if the system has no `/proc`, which shows the resources of a process,
 * or no `mkfifo`.
 */
const linux = process.platform !== "linux" ? { skip: true } : {};
/**
 * The number of cases for each seed: they take about 25 seconds or, with
 * `SLOW=1`, hours.
 */
const COUNT = process.env.SLOW ? 20_000 : 100;
const SEEDS = process.env.SLOW
  ? [1, 2, 3].map((n) => n + Date.now() % 1_000_000)
  : [1, 2, 3];

for (const seed of SEEDS) {
  test(`no input of the fuzzer does harm: seed ${seed}`, linux, async () => {
    const { findings, cases } = await fuzz({
      seed,
      count: COUNT,
      time: 3 * 3_600_000,
    });
    assert.equal(findings.map(describe).join("\n"), "");
    assert.equal(cases, COUNT);
  });
}

test("fuzz() finds a known fault of the first version", {
  ...needsCommit(FIRST),
  ...linux,
}, async () => {
  const { findings } = await fuzz({
    seed: 1,
    count: 30,
    time: 300_000,
    kinds: ["bomb"],
    code: folderOf(FIRST),
    untilFinding: true,
  });
  assert.ok(
    findings.some(({ fault }) => /memory|disk|hang/.test(fault)),
    findings.map(describe).join("\n"),
  );
});
