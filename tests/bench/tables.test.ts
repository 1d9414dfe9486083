/** The tables of the benchmark say where another program is better than deltar. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  lossesTable,
  scoresTable,
  workloadTable,
} from "../../bench/report/tables.ts";
import type { Row } from "../../bench/repository/bars.ts";

function row(
  step: string,
  peer: string,
  seconds: number,
  memory: number,
  bytes?: number,
): Row {
  return { workload: "w", step, peer, seconds, cpu: 0, memory, bytes };
}

const ROWS = [
  row("first", "deltar", 2, 90e6, 5e6),
  row("first", "tar", 1, 10e6, 6e6),
  row("first", "borg", 1.5, 95e6, 7e6),
  row("second", "deltar", 0.501, 90e6, 100),
  row("second", "tar", 0.504, 10e6, 6e6),
  row("second", "borg", 0.499, 95e6, -500),
  row("restore", "deltar", 0.5, 90e6),
  row("restore", "tar", 0.6, 10e6),
  row("restore", "borg", 0.7, 95e6),
];

test("workloadTable() has the best figures of a row in bold, and deltar's ratio to them", () => {
  assert.deepEqual(workloadTable(ROWS), [
    "| | deltar | tar | borg |",
    "| --- | --- | --- | --- |",
    "| first, time | 2.0 s (×2.00) | **1.0 s** | 1.5 s |",
    "| first, added | **5.0 MB** | 6.0 MB | 7.0 MB |",
    "| first, memory | 90 MB (×9.00) | **10 MB** | 95 MB |",
    // Figures that are printed alike count as equal.
    "| second, time | **0.50 s** | **0.50 s** | **0.50 s** |",
    "| second, added | 0.1 KB | 6.0 MB | **-0.5 KB** |",
    "| restore, time | **0.50 s** | 0.60 s | 0.70 s |",
    "| restore, memory | 90 MB (×9.00) | **10 MB** | 95 MB |",
  ]);
});

test("workloadTable() has nothing in bold if only deltar was measured", () => {
  assert.deepEqual(workloadTable([row("first", "deltar", 2, 90e6)]), [
    "| | deltar |",
    "| --- | --- |",
    "| first, time | 2.0 s |",
    "| first, memory | 90 MB |",
  ]);
});

test("lossesTable() has each figure in which another program is better, the best program first", () => {
  assert.deepEqual(lossesTable(ROWS), [
    "| | deltar | better |",
    "| --- | --- | --- |",
    "| w first, time | 2.0 s | tar (1.0 s); borg (1.5 s) |",
    "| w first, memory | 90 MB | tar (10 MB) |",
    "| w second, added | 0.1 KB | borg (-0.5 KB) |",
    "| w restore, memory | 90 MB | tar (10 MB) |",
  ]);
});

test("scoresTable() counts the steps in which deltar is better than each program", () => {
  assert.deepEqual(scoresTable(ROWS), [
    "| | faster in | fewer bytes in | less memory in |",
    "| --- | --- | --- | --- |",
    "| tar | 1 of 3 | 2 of 2 | 0 of 2 |",
    "| borg | 1 of 3 | 1 of 2 | 2 of 2 |",
  ]);
});
