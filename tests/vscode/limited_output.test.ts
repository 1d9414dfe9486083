import assert from "node:assert/strict";
import { test } from "node:test";
import { limitedOutput } from "../../extension/src/host/limited_output.ts";

test("limitedOutput() writes 64 KiB in a minute, and says once that there was more", () => {
  let time = 5;
  const written: string[] = [];
  const output = limitedOutput((text) => written.push(text), () => time);
  const more =
    "The process writes too much. No output is logged for up to a minute.";
  output("a warning\n");
  assert.deepEqual(written.splice(0), ["a warning"]);
  const long = "x".repeat(50_000);
  for (let count = 0; count < 100; count++) output(long);
  const rest = 65_536 - "a warning\n".length - long.length;
  assert.deepEqual(written.splice(0), [long, "x".repeat(rest), more]);
  time += 59_999;
  output("in the same minute\n");
  assert.deepEqual(written, []);
  time += 1;
  output("in the next minute\n");
  output("\n");
  assert.deepEqual(written, ["in the next minute"]);
});

test("limitedOutput() says that there was more after output of exactly 64 KiB", () => {
  const written: string[] = [];
  const output = limitedOutput((text) => written.push(text), () => 0);
  output("x".repeat(65_536));
  assert.equal(written.length, 1);
  output("more\n");
  output("and more\n");
  assert.equal(written.length, 2);
  assert.match(written[1], /writes too much/);
});
