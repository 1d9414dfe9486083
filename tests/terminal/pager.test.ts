import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { shellWord } from "../../cli/text.ts";
import { needs } from "../support/peer.ts";
import { Pty } from "./pty.ts";
import { type Shell, withShell } from "./shell.ts";

const needsPty = needs("script");

/** Returns the output of a line to a terminal, and its exit code. */
function show(shell: Shell, line: string, env: object = {}): [string, number] {
  const typed = `stty cols 80 rows 20; ${line}`;
  const { stdout, status } = spawnSync(
    "script",
    ["-qec", `sh -c ${shellWord(typed)}`, "/dev/null"],
    {
      cwd: shell.project,
      env: { ...shell.env, TERM: "xterm", ...env },
      encoding: "utf8",
    },
  );
  return [stdout.replaceAll("\r\n", "\n"), status ?? -1];
}

const PATCH = "deltar diff latest~1 latest notes.txt --patch";

test("diff and show use a pager on a terminal [T8]", needsPty, async () => {
  await withShell((shell) => {
    const paged = (line: string, env: object) =>
      /^P:/m.test(show(shell, line, { NO_COLOR: "1", ...env })[0]);
    const PAGER = "sed s/^/P:/";
    for (const line of [PATCH, "deltar diff latest~1 latest", "deltar show"]) {
      assert.ok(paged(line, { PAGER }), line);
      assert.ok(!paged(`${line} --no-pager`, { PAGER }), line);
      assert.ok(!paged(`${line} | cat`, { PAGER }), line);
      assert.ok(
        !paged(`${line.replace("--patch", "")} --json`, { PAGER }),
        line,
      );
    }
    assert.ok(paged(PATCH, { PAGER: "cat", DELTAR_PAGER: PAGER }));
    assert.ok(!paged(PATCH, { PAGER, DELTAR_PAGER: "" }));
    assert.ok(!paged(PATCH, { PAGER, DELTAR_PAGER: "cat" }));
    assert.ok(!paged(PATCH, { PAGER, TERM: "dumb" }));
  });
});

test(
  "a patch on a terminal is colored, and its control characters are escaped [T8]",
  needsPty,
  async () => {
    await withShell((shell) => {
      shell.write("notes.txt", "\x1b]0;title\x07\ttab\r\n");
      const line = "deltar diff latest --patch";
      const [shown, code] = show(shell, line, { PAGER: "cat" });
      assert.equal(code, 0);
      assert.ok(shown.includes("\x1b[31m-second\x1b[39m\n"), shown);
      assert.ok(shown.includes("\x1b[1mdiff --git"), shown);
      assert.ok(shown.includes("\x1b[36m@@ -1 +1 @@"), shown);
      assert.ok(!shown.includes("\x1b]") && !shown.includes("\x07"), shown);
      assert.ok(shown.includes("\\u001b]0;title\\u0007"), shown);
      assert.ok(shown.includes("\t") && shown.includes("tab\\u000d"), shown);
      for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
        const [plain] = show(shell, line, { PAGER: "cat", ...env });
        assert.ok(!plain.includes("\x1b"), plain);
      }
      const piped = shell.type("deltar diff latest --patch");
      assert.ok(piped.includes("+\x1b]0;title\x07\ttab\r\n"), piped);
    });
  },
);

test(
  "quitting the pager early ends the command without an error [T8]",
  needsPty,
  async () => {
    await withShell((shell) => {
      const text = Array.from({ length: 100_000 }, (_, at) => `line ${at}\n`);
      shell.write("large", text.join(""));
      for (const PAGER of ["true", "head -3", "sleep 0.1"]) {
        const [shown, code] = show(shell, "deltar diff latest -p", { PAGER });
        assert.equal(code, 0, shown);
        assert.ok(shown.split("\n").length < 6, shown);
      }
      for (
        const [PAGER, what] of [
          ["nosuch", /nosuch: cannot run the pager\. Set DELTAR_PAGER/],
          ["/etc/passwd", /passwd: cannot run the pager\. Set DELTAR_PAGER/],
          ["exit 3", /exit 3: the pager failed with exit code 3\. Set DELTAR/],
        ] as const
      ) {
        const [shown, code] = show(shell, "deltar diff latest", { PAGER });
        assert.equal(code, 1, shown);
        assert.match(shown, what);
        assert.doesNotMatch(shown, / at .*\.ts/);
      }
    });
  },
);

test("less shows a patch, and can be quit with q or after an interrupt [T8]", {
  ...needs("script", "less"),
}, async () => {
  for (const [keys, exit] of [["q", 0], ["\x03", 130]] as const) {
    await withShell(async (shell) => {
      const text = Array.from({ length: 300_000 }, (_, at) => `line ${at}\n`);
      shell.write("large", text.join(""));
      const pty = new Pty(shell, "sh", 80);
      try {
        pty.type("stty -echo rows 20; PS1=\n");
        pty.type("deltar diff latest --patch; printf 'DONE %s\\n' $?\n");
        await pty.see(/\+line 5/);
        pty.type(keys);
        if (keys !== "q") {
          await new Promise((resolve) => setTimeout(resolve, 2000));
          pty.type("q");
        }
        // less may discard a key that is pressed soon after an interrupt.
        const again = setInterval(() => pty.type("q"), 10_000);
        const [, code] = await pty.see(/DONE (\d+)/)
          .finally(() => clearInterval(again));
        assert.equal(Number(code), exit, pty.shown.slice(-500));
        assert.doesNotMatch(pty.shown, / at .*\.ts/);
        // The shell reads the terminal again.
        pty.type("echo AGAIN-$((1+1))\n");
        await pty.see(/AGAIN-2/);
      } finally {
        await pty.close();
      }
    });
  }
});
