import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { columnsOf } from "../../cli/text.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { needs } from "../support/peer.ts";
import { withProxy } from "../support/proxy.ts";
import { withS3Server } from "../support/s3_server.ts";
import { Pty } from "./pty.ts";
import { withShell } from "./shell.ts";

const ESC = "\x1b";
const CLEAR = `${ESC}[J`;

/**
 * Returns the output of a restore to a terminal with the given number of
 * columns.
 */
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

/** Returns the texts of the progress lines. */
function drawn(shown: string): string[] {
  return shown.split("\r").map((part) => part.split(CLEAR)[0].trimEnd())
    .filter((text) => /^\d+%/.test(text));
}

const pty = needs("script");

test(
  "progress is truncated to the width of the terminal, and its least important parts are omitted first [T8]",
  pty,
  async () => {
    const shown = await sent(50, "");
    const lines = drawn(shown);
    assert.ok(lines.length > 0, JSON.stringify(shown));
    for (const line of lines) {
      assert.match(line, /^\d+%, /);
      assert.ok(columnsOf(line) < 50, line);
    }
    // The cursor is at the beginning of the line, so that a narrower terminal
    // keeps the rest in place.
    assert.ok(shown.includes(`${lines[0]}${CLEAR}\r\r`));
  },
);

test(
  "a dumb terminal gets no escape codes and no progress [T8]",
  pty,
  async () => {
    const shown = await sent(80, "TERM=dumb");
    assert.ok(!shown.includes(ESC), shown);
    assert.doesNotMatch(shown, /%,/);
    assert.match(shown, /Restored/);
  },
);

test("NO_COLOR turns all escape codes off [T8]", pty, async () => {
  const shown = await sent(80, "NO_COLOR=1");
  assert.ok(!shown.includes(ESC), shown);
  assert.ok(drawn(shown).length > 0);
});

test(
  "verify and copy begin with the percentage and the remaining time",
  pty,
  async () => {
    await withShell(async (shell) => {
      fs.writeFileSync(join(shell.project, "large"), noise(4_000_000, 1));
      shell.type("deltar snapshot -q");
      // The bucket answers slowly, so that the work takes a while on any
      // machine.
      await withS3Server(new MemoryStorage(), async (server) => {
        await withProxy(server, { latency: 60 }, async ({ address }) => {
          Object.assign(shell.env, {
            DELTAR_S3_ADDRESSING: "path",
            AWS_ENDPOINT_URL: address,
            AWS_ACCESS_KEY_ID: "key",
            AWS_SECRET_ACCESS_KEY: "secret",
          });
          const pty = new Pty(shell, "sh", 100);
          try {
            for (
              const line of [
                "copy --to s3://bucket/copy",
                "verify --data --repo s3://bucket/copy",
              ]
            ) {
              const from = pty.shown.length;
              pty.type(`deltar ${line}; printf 'DONE%s' 1\n`);
              await pty.see(/DONE1/, from);
              const lines = drawn(pty.shown.slice(from));
              assert.ok(lines.length > 0, pty.shown.slice(from));
              for (const one of lines) assert.match(one, /^\d+%, /);
            }
          } finally {
            await pty.close();
          }
        });
      });
    });
  },
);

test(
  "progress adapts to a terminal that becomes narrower [T8]",
  pty,
  async () => {
    await withShell(async (shell) => {
      fs.writeFileSync(join(shell.project, "large"), noise(300_000_000, 1));
      shell.type("deltar snapshot -q");
      const pty = new Pty(shell, "sh", 120);
      try {
        pty.type("tty > tty; deltar verify --data; printf 'DONE%s' 1\n");
        const [wide] = await pty.see(/\d+%, .*large/);
        assert.ok(columnsOf(wide) > 30, wide);
        shell.type('stty cols 28 < "$(cat tty)"');
        const from = pty.shown.length;
        await pty.see(/DONE1/, from);
        const lines = drawn(pty.shown.slice(from)).slice(1);
        assert.ok(lines.length > 0, pty.shown.slice(from));
        for (const line of lines) assert.ok(columnsOf(line) < 28, line);
      } finally {
        await pty.close();
      }
    });
  },
);
