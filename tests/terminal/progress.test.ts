import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf } from "../../cli/text.ts";
import { needs } from "../support/peer.ts";
import { Pty } from "./pty.ts";
import { withShell } from "./shell.ts";

const ESC = "\x1b";
const CLEAR = `${ESC}[J`;

/** Returns what a restore sends to a terminal of some columns. */
async function sent(columns: number, env: string): Promise<string> {
  let shown = "";
  await withShell(async (shell) => {
    for (let at = 0; at < 50; at++) {
      shell.write(`${"漢字".repeat(20)}${at}`, "x".repeat(100_000));
    }
    shell.type("deltar snapshot -q");
    const pty = new Pty(shell, "sh", columns);
    pty.type(
      `stty -echo; PS1=; ${env} deltar restore latest --to ../out; printf 'DONE%s' 1\n`,
    );
    await pty.see(/DONE1/);
    ({ shown } = pty);
    await pty.close();
  });
  return shown.slice(shown.lastIndexOf("DONE%s"));
}

/** The texts of the lines of progress. */
function drawn(shown: string): string[] {
  return shown.split("\r").map((part) => part.split(CLEAR)[0].trimEnd())
    .filter((text) => /^\d+%/.test(text));
}

const pty = needs("script");

test(
  "progress is cut to the terminal's width, the shortest first [T8]",
  pty,
  async () => {
    const shown = await sent(50, "");
    const lines = drawn(shown);
    assert.ok(lines.length > 0, JSON.stringify(shown));
    for (const line of lines) {
      assert.match(line, /^\d+%, /);
      assert.ok(columnsOf(line) < 50, line);
    }
    // The cursor is left at the beginning, where a narrower terminal finds all.
    assert.ok(shown.includes(`${lines[0]}${CLEAR}\r\r`));
  },
);

test("a dumb terminal is sent no codes and no progress [T8]", pty, async () => {
  const shown = await sent(80, "TERM=dumb");
  assert.ok(!shown.includes(ESC), shown);
  assert.doesNotMatch(shown, /%,/);
  assert.match(shown, /Restored/);
});

test("NO_COLOR keeps all codes off [T8]", pty, async () => {
  const shown = await sent(80, "NO_COLOR=1");
  assert.ok(!shown.includes(ESC), shown);
  assert.ok(drawn(shown).length > 0);
});
