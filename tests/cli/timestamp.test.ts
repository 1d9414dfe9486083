import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTimestamp, timestampIn } from "../../cli/timestamp.ts";

const local = (...parts: [number, number, number, ...number[]]) => {
  const [year, month, ...rest] = parts;
  return new Date(year, month - 1, ...rest as [number]).getTime();
};

/** Names, and the times that they contain. */
const NAMES: [name: string, time: number | undefined][] = [
  ["2024-01-31", local(2024, 1, 31)],
  ["20240131", local(2024, 1, 31)],
  ["2024_01_31", local(2024, 1, 31)],
  ["2024/01/31", local(2024, 1, 31)],
  ["backup-2024.01.31", local(2024, 1, 31)],
  ["2024-01-31-120000", local(2024, 1, 31, 12)],
  ["2024-01-31-120000.backup", local(2024, 1, 31, 12)],
  ["2024-01-31_12-34", local(2024, 1, 31, 12, 34)],
  ["2024-01-31 12:34:56", local(2024, 1, 31, 12, 34, 56)],
  ["snap_2024-01-31_123456", local(2024, 1, 31, 12, 34, 56)],
  ["20240131123456", local(2024, 1, 31, 12, 34, 56)],
  ["zfs-auto-snap_daily-2024-01-31-0625", local(2024, 1, 31, 6, 25)],
  ["20240131T120000Z", Date.UTC(2024, 0, 31, 12)],
  ["2024-01-31T12:00:00.250Z", Date.UTC(2024, 0, 31, 12, 0, 0, 250)],
  ["2024-01-31T12:00:00.123456789+01:00", Date.UTC(2024, 0, 31, 11, 0, 0, 123)],
  ["2024-01-31T12:00:00-0530", Date.UTC(2024, 0, 31, 17, 30)],
  ["@GMT-2024.01.31-12.00.00", Date.UTC(2024, 0, 31, 12)],
  ["2024-02-29", local(2024, 2, 29)],
  ["2023-02-29", undefined],
  ["2024-13-01", undefined],
  ["2024-01-31-250000", undefined],
  ["1969-12-31", undefined],
  ["2024-01-31-1", undefined],
  ["2024-01", undefined],
  ["daily.0", undefined],
  ["120240131", undefined],
  ["2024-01-31 to 2024-02-01", undefined],
];

for (const [name, time] of NAMES) {
  test(`timestampIn() reads ${JSON.stringify(name)}`, () => {
    assert.equal(timestampIn(name), time);
  });
}

test("parseTimestamp() reads a whole time and seconds since 1970, and refuses others", () => {
  assert.equal(parseTimestamp("2024-01-31"), local(2024, 1, 31));
  assert.equal(parseTimestamp("@1706702400"), 1706702400_000);
  assert.equal(parseTimestamp("@1706702400.5"), 1706702400_500);
  for (const text of ["", "x", "2024-01-31x", "a 2024-01-31", "@", "@x"]) {
    assert.throws(() => parseTimestamp(text), /Use a time such as/, text);
  }
  assert.throws(() => parseTimestamp("2190-01-01"), /in the future/);
});
