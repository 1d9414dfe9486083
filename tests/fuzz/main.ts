/**
 * Runs the fuzzer by hand:
 *
 *     node tests/fuzz/main.ts                    for a minute, another seed each
 *     SLOW=1 node tests/fuzz/main.ts             for an hour
 *     FUZZ_SEED=5 node tests/fuzz/main.ts        this seed
 *     FUZZ_SEED=5:123 node tests/fuzz/main.ts    one case of it
 *     FUZZ_TIME=600 FUZZ_KINDS=bomb,server FUZZ_CODE=FOLDER node …
 *
 * @module
 */
import process from "node:process";
import { describe, fuzz } from "./run.ts";

const { FUZZ_SEED, FUZZ_TIME, FUZZ_CODE, FUZZ_KINDS, SLOW } = process.env;
const [seed, number] = FUZZ_SEED?.split(":").map(Number) ??
  [Date.now() % 1_000_000];
const known = new Map<string, number>();
const result = await fuzz({
  seed,
  ...number !== undefined && { first: number, count: 1 },
  time: 1000 * Number(FUZZ_TIME ?? (SLOW ? 3600 : 60)),
  code: FUZZ_CODE,
  kinds: FUZZ_KINDS?.split(","),
  onFinding: (finding) => {
    // A repeated finding is only counted.
    const key = `${finding.fault} ${finding.text}`.replaceAll(/\d+/g, "0")
      .slice(0, 160);
    const times = (known.get(key) ?? 0) + 1;
    known.set(key, times);
    if (times <= 2) console.log(describe(finding));
  },
});
for (const [key, times] of known) console.log(`${times} × ${key}`);
const { busiest } = result;
console.log(
  `seed ${seed}: ${result.cases} cases, ${result.findings.length} findings, ` +
    `at most ${Math.round(result.memory)} MiB and ${result.longest} ms; most ` +
    `work in ${seed}:${busiest.number}, ${busiest.busy} ms: ` +
    busiest.step.slice(0, 200),
);
process.exitCode = result.findings.length === 0 ? 0 : 1;
