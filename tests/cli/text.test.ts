import assert from "node:assert/strict";
import { test } from "node:test";
import { fitColumns, formatDuration } from "../../cli/text.ts";

test("a duration is rounded to the next unit, never to 60 of one", () => {
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

test("a text is cut where the terminal's line ends, not within a character", () => {
  assert.equal(fitColumns("short", 9), "short");
  assert.equal(fitColumns("too long", 3), "too");
  assert.equal(fitColumns("漢字かな", 5), "漢字");
  assert.equal(fitColumns("a😀b", 2), "a");
  assert.equal(fitColumns("e\u0301e\u0301e", 2), "e\u0301e\u0301");
  assert.equal(fitColumns("any", 0), "");
});
