import assert from "node:assert/strict";
import { test } from "node:test";
import { EXAMPLES } from "../../cli/examples.ts";
import { Context } from "../../cli/context.ts";
import { createProgram } from "../../cli/program.ts";
import { manualPage } from "../../tasks/man.ts";
import { withShell } from "./shell.ts";

const program = await createProgram(
  new Context(() => new AbortController().signal),
);
const names = program.commands.map((command) => command.name())
  .filter((name) => !["complete", "help"].includes(name));

/** The commands to run before an example. */
const BEFORE: Record<string, string[]> = {
  snapshot: [
    "mkdir ~/notes ~/photos; tar -czf ~/old.tar.gz src",
    "printf '#!/bin/sh\necho SELECT 1' > ~/bin/pg_dump; chmod +x ~/bin/pg_dump",
  ],
  import: [
    "mkdir -p ~/backups/2024-01-01/src ~/backups/2024-01-02/src",
    "mkdir -p ~/rsnapshot/daily.0 ~/rsnapshot/daily.1",
    "touch -d 2024-01-05 ~/rsnapshot/daily.1",
  ],
  run: ["printf 'upgrade:\\n\\techo 2 > version\\n' > Makefile"],
  key: [
    "rm -r ~/.local/share/deltar; deltar init --encrypt",
    "echo correct horse battery staple > ~/passphrase",
  ],
  purge: [
    "mkdir secrets; echo key > secrets/key; echo x > .env; echo film > video.mov",
    "deltar snapshot",
  ],
  undo: [
    `echo '{"hook_event_name": "UserPromptSubmit", "prompt": "x"}' | deltar hook`,
    "echo x > made-by-an-agent.txt",
    `echo '{"hook_event_name": "Stop"}' | deltar hook`,
    "deltar restore latest~2 --in-place",
  ],
  recover: ["rm notes.txt"],
  redo: ["deltar restore latest~1 --in-place", "deltar undo"],
};

test("every command has examples, and no other command has any", () => {
  assert.deepEqual(Object.keys(EXAMPLES).sort(), [...names].sort());
});

for (const [name, examples] of Object.entries(EXAMPLES)) {
  test(`the examples of deltar ${name} have the described effects`, async () => {
    await withShell((shell) => {
      shell.addNpm();
      for (const line of BEFORE[name] ?? []) shell.type(line);
      for (const [line] of examples) {
        // Examples with S3 need keys, and are tested in tests/storage.
        if (!line.includes("s3://")) shell.type(line);
      }
    });
  });
}

test("the manual page has every command and option", () => {
  const page = manualPage(program).replaceAll("\\-", "-");
  for (const command of program.commands) {
    if (!names.includes(command.name())) continue;
    assert.ok(page.includes(`.SS deltar ${command.name()}\n`), command.name());
    for (const option of command.options) {
      assert.ok(page.includes(option.long!), option.long);
    }
  }
});
