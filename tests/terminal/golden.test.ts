import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { shellWord } from "../../cli/text.ts";
import { EXAMPLES } from "../../cli/examples.ts";
import { needs } from "../support/peer.ts";
import { type Shell, withShell } from "./shell.ts";

// The expected output on a terminal is in `golden/`. With UPDATE=1, this test
// writes it again; read it afterwards.
const GOLDEN = join(dirname(fileURLToPath(import.meta.url)), "golden");

/**
 * Types a line into a terminal with the given number of columns. Returns
 * everything that the terminal received.
 */
function show(shell: Shell, line: string, columns: number, env = {}): string {
  const typed = `stty cols ${columns} rows 50; ${line}`;
  const { stdout } = spawnSync(
    "script",
    ["-qec", `sh -c ${shellWord(typed)}`, "/dev/null"],
    {
      cwd: shell.project,
      env: {
        ...shell.env,
        TERM: "xterm-256color",
        TZ: "UTC",
        PAGER: "cat",
        ...env,
      },
      encoding: "utf8",
    },
  );
  return stdout.replaceAll("\r\n", "\n");
}

/**
 * Replaces times, speeds and paths in a text, so that it is the same in each
 * run.
 */
function settle(shell: Shell, text: string): string {
  const ids = new Map<string, string>();
  return text
    // Progress is drawn at irregular times, and deleted at the end.
    .split("\n").map((line) => line.split("\r").at(-1)).join("\n")
    .replaceAll(/\d{8}T\d{6}Z-[0-9a-f]{6}/g, (id) => {
      const name = ids.get(id) ?? `<snapshot ${ids.size + 1}>`;
      ids.set(id, name);
      return name;
    })
    .replaceAll(/(?<![0-9a-f])[0-9a-f]{6}(?=\S{0,5} +\d{4}-)/g, "<id>")
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?/g, "<date and time>")
    .replaceAll(/\b\d[\d.]* (?:ms|s)\b/g, "<time>")
    .replaceAll(/\b\d[\d.,]* (?:B|KB|MB|GB)(?: stored| {2})/g, "<stored>  ")
    .replaceAll(/((?:stored|added) +)\d[\d.,]* (?:B|KB)/g, "$1<stored>")
    .replaceAll(/-[0-9a-f]{8}\b/g, "-<sum>")
    .replaceAll(/ssh-ed25519 \S+/g, "ssh-ed25519 <key>")
    .replaceAll(/(machine +).*/g, "$1<user and machine>")
    .replaceAll(/\S*\bnode \S*cli\.ts/g, "node <cli>")
    .replaceAll(shell.home, "<home>");
}

function check(name: string, shown: string): void {
  const file = join(GOLDEN, `${name}.txt`);
  // Escapes are written as visible characters, so that they show in a diff.
  const text = shown.replaceAll("\x1b", "␛");
  if (process.env.UPDATE) {
    fs.mkdirSync(GOLDEN, { recursive: true });
    fs.writeFileSync(file, text);
  }
  assert.equal(text, fs.readFileSync(file, "utf8"), name);
}

const WAYS: [name: string, columns: number, env: object][] = [
  ["80", 80, {}],
  ["120", 120, {}],
  ["plain", 80, { NO_COLOR: "1" }],
];

const LINES: Record<string, string> = {
  help: "deltar --help",
  snapshot: "echo more >> notes.txt; deltar snapshot --label evening",
  unchanged: "deltar snapshot",
  list: "deltar list",
  diff: "rm old.bin; mv new.bin newer.bin; echo x > y; chmod 600 notes.txt; " +
    "deltar snapshot -q; deltar diff latest~1 latest",
  show: "deltar show",
  patch: "deltar diff latest~1 latest --stat --patch",
  restore: "deltar restore latest --to ../restored",
  mistyped: "deltar snapsot; deltar restore --to x; deltar cat latest nots.txt",
};

for (const [name, columns, env] of WAYS) {
  test(
    `a terminal shows the expected output: ${name}`,
    needs("script"),
    async () => {
      for (const [title, line] of Object.entries(LINES)) {
        await withShell((shell) => {
          const shown = settle(shell, show(shell, line, columns, env));
          assert.ok(!("NO_COLOR" in env) || !shown.includes("\x1b"), shown);
          check(`${title}.${name}`, shown);
        });
      }
    },
  );
}

test(
  "a snapshot that takes a while shows the time left",
  needs("script", "fallocate"),
  async () => {
    await withShell((shell) => {
      // The file has no holes, because deltar would not read them.
      const large = join(shell.project, "large");
      execFileSync("fallocate", ["--length", "1GB", large]);
      const shown = show(shell, "deltar snapshot", 120);
      assert.match(
        shown,
        /\d+%, [\d.]+ s left, \S+ .B\/s, \d of 6 entries, [\d.]+ MB of 1.00 GB read {2}large/,
      );
      assert.ok(!show(shell, "deltar snapshot --quiet", 120).includes("\r"));
    });
  },
);

test(
  "an error during the work is printed on a separate line",
  needs("script"),
  async () => {
    await withShell((shell) => {
      const large = new Uint8Array(8_000_000);
      for (let at = 0; at < large.length; at += 65536) {
        crypto.getRandomValues(large.subarray(at, at + 65536));
      }
      fs.writeFileSync(join(shell.project, "large"), large);
      const limited = "trap '' XFSZ; ulimit -f 2000; deltar snapshot";
      const shown = show(shell, limited, 80, { NO_COLOR: "1" });
      assert.match(shown, /entr(?:y|ies), .* read/);
      assert.match(shown.split("\r").at(-1)!, /^deltar: vol.*EFBIG/);
    });
  },
);

test(
  "the help of each command fits the width of the terminal",
  needs("script"),
  async () => {
    await withShell((shell) => {
      for (const command of Object.keys(EXAMPLES)) {
        const help = show(shell, `deltar ${command} --help`, 80);
        check(`help-${command}`, help);
      }
    });
  },
);
