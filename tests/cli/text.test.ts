import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fitColumns,
  formatDate,
  formatDuration,
  formatFileTime,
  redact,
  showLines,
  showPath,
  showText,
  toJson,
} from "../../cli/text.ts";

test("formatDuration() rounds to the next unit, and never to 60 of a unit", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [59_900, "59.9 s"],
    [59_960, "1 min 0 s"],
    [119_400, "1 min 59 s"],
    [119_700, "2 min 0 s"],
    [3_599_700, "1 h 0 min"],
    [7_260_000, "2 h 1 min"],
  ];
  for (const [milliseconds, text] of cases) {
    assert.equal(formatDuration(milliseconds), text);
  }
});

test("a text is truncated at the end of a terminal's line, and never within a character", () => {
  assert.equal(fitColumns("short", 9), "short");
  assert.equal(fitColumns("too long", 3), "too");
  assert.equal(fitColumns("漢字かな", 5), "漢字");
  assert.equal(fitColumns("a😀b", 2), "a");
  assert.equal(fitColumns("e\u0301e\u0301e", 2), "e\u0301e\u0301");
  assert.equal(fitColumns("any", 0), "");
});

/**
 * Characters that a terminal interprets or does not show, and their escapes.
 */
const UNSHOWN: [text: string, shown: string][] = [
  ["\x1b[2J", "\\u001b[2J"],
  ["a\x7fb", "a\\u007fb"],
  ["\x9b31m", "\\u009b31m"],
  ["\u202egpj.exe", "\\u202egpj.exe"],
  ["a\u2066b\u2069", "a\\u2066b\\u2069"],
  ["a\u200bb", "a\\u200bb"],
  ["a\u200db", "a\\u200db"],
  ["\ufeffa", "\\ufeffa"],
  ["a\u2028b", "a\\u2028b"],
  ["a\u00adb", "a\\u00adb"],
  ["a\u115fb\u3164", "a\\u115fb\\u3164"],
  ["a\ufe0f", "a\\ufe0f"],
  ["\u{e0041}", "\\udb40\\udc41"],
  ["\ud800", "\\ud800"],
  ["x\udfff", "x\\udfff"],
];

test("showText() escapes characters that a terminal interprets or does not show [T8]", () => {
  for (const [text, shown] of UNSHOWN) {
    assert.equal(showText(text), shown);
    assert.equal(showPath(text), `"${shown}"`);
    assert.equal(showLines(`${text}\n`), `${shown}\n`);
    const json = toJson({ path: text });
    assert.equal(json, `{"path":"${shown}"}`);
    assert.equal(JSON.parse(json).path, text);
  }
});

test("showText() does not change letters of any script or emoji [T8]", () => {
  const texts = [
    "plain",
    "Ünïcödé e\u0301",
    "漢字かな한글",
    "עברית العربية हिन्दी",
    "👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f 1\ufe0f\u20e3",
  ];
  for (const text of texts) {
    assert.equal(showText(text), text);
    assert.equal(showPath(text), text);
  }
  const colored = "\x1b[31mred\x1b[39m\nnext\n";
  assert.equal(showLines(colored, true), colored);
  assert.equal(showLines("\x1b[31mred"), "\\u001b[31mred");
});

test("redact() removes users and passwords from addresses [A11]", () => {
  const cases: [text: string, told: string][] = [
    ["http://me:secret@host/a", "http://***@host/a"],
    ["at HTTPS://me:p@ss:w@host:80/a, or", "at HTTPS://***@host:80/a, or"],
    ["--repo=https://token@host", "--repo=https://***@host"],
    ["'http://me:se/cret@host/x'", "'http://***@host/x'"],
    ["http://host:8080/a@b", "http://host:8080/a@b"],
    ["https://host/a@b", "https://host/a@b"],
    ["s3://bucket/a@b", "s3://bucket/a@b"],
    ["me@host", "me@host"],
  ];
  for (const [text, told] of cases) assert.equal(redact(text), told);
  assert.equal(
    toJson({ next: "http://me:secret@host", target: "http://me@host" }),
    '{"next":"http://***@host","target":"http://me@host"}',
  );
});

test("formatFileTime() returns a date or, for a time without a date, the seconds [T9]", () => {
  const second = 1_000_000_000n;
  assert.equal(
    formatFileTime(1_700_000_000n * second + 999_999_999n),
    formatDate(1_700_000_000_000),
  );
  assert.equal(formatFileTime(-1n), formatDate(-1000));
  assert.equal(formatFileTime(-second), formatDate(-1000));
  const cases: [seconds: bigint, text: string][] = [
    [8_640_000_000_001n, "@8640000000001"],
    [-8_640_000_000_001n, "@-8640000000001"],
    [253_500_000_000n, "@253500000000"],
    [9_223_372_036n * 1000n, "@9223372036000"],
  ];
  for (const [seconds, text] of cases) {
    assert.equal(formatFileTime(seconds * second), text);
  }
  assert.match(formatFileTime(-60_000_000_000n * second), /^0068-/);
});
