import assert from "node:assert/strict";
import { test } from "node:test";
import { namedTime } from "../../lib/repository/store/named_time.ts";

/** A Friday, in local time. */
const NOW = new Date(2026, 10, 20, 15, 30, 0).getTime();

test("namedTime() returns the end of the named day or moment", () => {
  const day = (year: number, month: number, date: number) =>
    new Date(year, month - 1, date + 1).getTime();
  const cases: [string, number][] = [
    ["today", day(2026, 11, 20)],
    ["Yesterday", day(2026, 11, 19)],
    ["0 days ago", day(2026, 11, 20)],
    ["1 day ago", day(2026, 11, 19)],
    ["a day ago", day(2026, 11, 19)],
    ["3 days ago", day(2026, 11, 17)],
    ["2 weeks ago", day(2026, 11, 6)],
    ["1 month ago", day(2026, 10, 20)],
    ["2 years ago", day(2024, 11, 20)],
    ["30 days ago", day(2026, 10, 21)],
    ["2026-11-20", day(2026, 11, 20)],
    ["2024-02-29", day(2024, 2, 29)],
    ["2026-10", day(2026, 10, 31)],
    ["2026-12", day(2026, 12, 31)],
    ["2026-11-20 14:00", new Date(2026, 10, 20, 14, 1).getTime()],
    ["2026-11-20T14:00:05", new Date(2026, 10, 20, 14, 0, 6).getTime()],
    ["2026-11-20T14:00:05.250Z", Date.UTC(2026, 10, 20, 14, 0, 5, 251)],
    ["an hour ago", NOW - 3_600_000 + 1],
    ["90 minutes ago", NOW - 5_400_000 + 1],
  ];
  for (const [text, end] of cases) {
    assert.equal(namedTime(text, NOW)?.end, end, text);
  }
});

test("namedTime() returns the start of the named day or moment", () => {
  const cases: [string, number][] = [
    ["today", new Date(2026, 10, 20).getTime()],
    ["yesterday", new Date(2026, 10, 19).getTime()],
    ["2 weeks ago", new Date(2026, 10, 6).getTime()],
    ["2026-02", new Date(2026, 1, 1).getTime()],
    ["2026-01-01", new Date(2026, 0, 1).getTime()],
    ["2026-11-20 14:00", new Date(2026, 10, 20, 14).getTime()],
    ["2026-11-20T14:00:05.250Z", Date.UTC(2026, 10, 20, 14, 0, 5, 250)],
    ["an hour ago", NOW - 3_600_000],
  ];
  for (const [text, start] of cases) {
    assert.equal(namedTime(text, NOW)?.start, start, text);
  }
});

test("namedTime() stays in the named month", () => {
  const now = new Date(2026, 2, 31, 12).getTime();
  assert.equal(
    namedTime("1 month ago", now)?.end,
    new Date(2026, 2, 1).getTime(),
  );
  const leap = new Date(2024, 1, 29, 12).getTime();
  assert.equal(namedTime("1y ago", leap)?.end, new Date(2023, 2, 1).getTime());
});

test("namedTime() accepts the years 0 to 99 as they are written", () => {
  const start = Date.parse("0099-02-28T12:30:00Z");
  assert.equal(namedTime("0099-02-28 12:30Z", NOW)?.start, start);
  const fields = (text: string) => {
    const time = new Date(namedTime(text, NOW)?.start ?? NaN);
    return [time.getFullYear(), time.getMonth(), time.getDate()];
  };
  assert.deepEqual(fields("0026-11-20"), [26, 10, 20]);
  assert.deepEqual(fields("0026-11-20 12:30"), [26, 10, 20]);
  assert.deepEqual(fields("0000-02"), [0, 1, 1]);
  // The year 0 is a leap year, and 1900 is not.
  assert.deepEqual(fields("0000-02-29"), [0, 1, 29]);
  assert.equal(namedTime("0001-02-29", NOW), undefined);
  assert.deepEqual(fields("2000 years ago"), [26, 10, 20]);
});

test("namedTime() accepts no other text as a time", () => {
  for (
    const text of [
      "",
      "now",
      "2026",
      "2026-13",
      "2026-00-01",
      "2026-02-30",
      "2025-02-29",
      "2026-11-20 24:00",
      "2026-11-20 14:60",
      "2026-11-20 14",
      "days ago",
      "3 fortnights ago",
      "-1 days ago",
      "3 days",
      "constructor ago",
      "1 constructor ago",
      "20261120T140000Z",
      "999999 years ago",
    ]
  ) assert.equal(namedTime(text, NOW), undefined, text);
});
