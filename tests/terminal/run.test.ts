import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs } from "../support/peer.ts";
import { Pty } from "./pty.ts";
import { withShell } from "./shell.ts";

test(
  "an interrupt in the terminal ends the command that run started, and not run",
  needs("script"),
  async () => {
    await withShell(async (shell) => {
      const pty = new Pty(shell, "sh");
      try {
        // A shell may lose an interrupt before it starts a program.
        const script = "echo changed > notes.txt; exec tail -f notes.txt";
        pty.type(`deltar run -- sh -c "${script}"; echo "code=$?"\r`);
        await pty.see(/changed\r\n/);
        const from = pty.shown.length;
        pty.type("\x03");
        const [, code] = await pty.see(/code=(\d+)/, from);
        const shown = pty.shown.slice(from);
        assert.equal(code, "130", shown);
        assert.match(shown, /was ended by SIGINT after .*changed 1 path:/);
        assert.match(shown, /~ notes\.txt/);
        assert.doesNotMatch(shown, /interrupted/);
      } finally {
        await pty.close();
      }
      assert.equal(
        JSON.parse(shell.type("deltar list --json")).snapshots.length,
        3,
      );
    });
  },
);

test(
  "the command that run started reads from the terminal and writes to it",
  needs("script"),
  async () => {
    await withShell(async (shell) => {
      const pty = new Pty(shell, "sh");
      try {
        const script =
          "test -t 1 && echo re''ady; read answer; echo $answer > answer";
        pty.type(
          `deltar run -- sh -c '${
            script.replaceAll("''", "")
          }'; echo "code=$?"\r`,
        );
        await pty.see(/ready\r\n/);
        pty.type("forty-two\r");
        const [, code] = await pty.see(/code=(\d+)/);
        assert.equal(code, "0", pty.shown);
      } finally {
        await pty.close();
      }
      const answer = fs.readFileSync(join(shell.project, "answer"), "utf8");
      assert.equal(answer, "forty-two\n");
    });
  },
);
