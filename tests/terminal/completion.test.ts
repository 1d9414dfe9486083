import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { needs } from "../support/peer.ts";
import { withShell } from "./shell.ts";

const WORDS = "COMP_WORDS=(deltar snapshot --ex); COMP_CWORD=2; " +
  'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; ';

const script = "/usr/share/bash-completion/bash_completion";
const bash = existsSync(script) || process.env.CI
  ? needs("bash")
  : { skip: "needs bash-completion" };

test("bash completes commands and options", bash, async () => {
  await withShell((shell) => {
    const out = shell.type(
      `. ${script}; . <(deltar completion bash); ${WORDS}` +
        '__deltar_complete 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"',
      "bash",
    );
    assert.deepEqual(out.trim().split("\n"), ["--exclude", "--exclude-vcs"]);
  });
});

test("fish completes commands and options", needs("fish"), async () => {
  await withShell((shell) => {
    const out = shell.type(
      "deltar completion fish | source; complete -C 'deltar snap'; " +
        "complete -C 'deltar snapshot --exclude-'",
      "fish",
    );
    assert.match(out, /^snapshot\t.*\n--exclude-vcs\t/);
  });
});

test("zsh takes the script", needs("zsh"), async () => {
  await withShell((shell) => {
    const out = shell.type(
      "autoload -U compinit; compinit -u -d $HOME/dump; " +
        "source <(deltar completion zsh); print $_comps[deltar]",
      "zsh",
    );
    assert.equal(out.trim(), "_deltar");
  });
});

test("PowerShell has a script, another shell is refused", async () => {
  await withShell((shell) => {
    const script = shell.type("deltar completion powershell");
    assert.match(script, /Register-ArgumentCompleter/);
    assert.throws(() => shell.type("deltar completion csh"), /exit 2/);
  });
});
