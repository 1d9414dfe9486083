import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatDate,
  formatDay,
  formatMoment,
  formatMomentInText,
  formatTime,
} from "../../extension/src/host/ui/text.ts";

const now = new Date(2026, 10, 27, 18, 5, 3).getTime();

test("formatTime() returns the time of day, even at midnight", () => {
  assert.equal(formatTime(now), "18:05:03");
  assert.equal(formatTime(new Date(2026, 10, 27).getTime()), "00:00:00");
});

test("formatDay() returns the day, with the year if it is long ago", () => {
  const day = (...parts: [number, number, number]) =>
    formatDay(new Date(...parts).getTime(), now);
  assert.equal(day(2026, 10, 27), "Today");
  assert.equal(day(2026, 10, 26), "Yesterday");
  assert.equal(day(2026, 10, 24), "Tuesday, November 24");
  assert.equal(day(2025, 10, 24), "Monday, November 24, 2025");
});

test("formatMoment() includes the day of a time before today", () => {
  const old = new Date(2026, 10, 26, 9, 8, 7).getTime();
  assert.equal(formatMoment(now, now), "18:05:03");
  assert.equal(formatMoment(old, now), "Yesterday, 09:08:07");
});

test("formatDate() includes the day and the year", () => {
  assert.equal(formatDate(now), "Friday, November 27, 2026, 18:05:03");
});

test("formatMomentInText() does not capitalize yesterday", () => {
  const at = (day: number) => new Date(2026, 10, day, 9, 8, 7).getTime();
  assert.equal(formatMomentInText(now, now), "18:05:03");
  assert.equal(formatMomentInText(at(26), now), "yesterday, 09:08:07");
  assert.equal(
    formatMomentInText(at(24), now),
    "Tuesday, November 24, 09:08:07",
  );
});
