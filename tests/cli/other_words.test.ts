import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS } from "../../cli/commands.ts";
import { Context } from "../../cli/context.ts";
import { suggestionFor } from "../../cli/other_words.ts";
import { createProgram } from "../../cli/program.ts";
import { withPlace } from "./helpers.ts";

/** Words that users of restic, borg, git or tar might type first. */
const TYPED = [
  ...["ls", "snapshots", "history", "check", "mount", "dump", "gc"],
  ...["init-repo", "create", "extract", "status", "compare", "tag", "rm"],
  "unlock",
];

test("commands of other programs are answered with commands of deltar", async () => {
  await withPlace((place) => {
    for (const word of ["ls", "mount"]) {
      const { code, out, err } = place.run([word, "--help"]);
      assert.deepEqual([code, out], [2, ""], err);
      const start = `error: unknown command '${word}'. In deltar, \`deltar `;
      assert.ok(err.startsWith(start), err);
      assert.doesNotMatch(err, /Did you mean/);
    }
    const forget = place.run(["forget", "--keep-daily=7", "--prune"]);
    assert.equal(forget.code, 2);
    assert.match(
      forget.err,
      /^error: unknown option '--keep-daily'\. In deltar, `deltar prune /,
    );
    const backup = place.run(["backup", "./project"]);
    assert.equal(backup.code, 1);
    assert.match(backup.err, /use `deltar snapshot \.\/project`/);
    assert.match(place.run(["snapsot"]).err, /Did you mean snapshot\?/);
  });
});

test("suggestions name existing commands and options", async () => {
  const program = await createProgram(
    new Context(() => new AbortController().signal),
  );
  for (const name of Object.keys(COMMANDS)) {
    assert.equal(suggestionFor([name], false), undefined, name);
  }
  for (const word of TYPED) assert.ok(suggestionFor([word], false), word);
  const texts = [
    ...TYPED.map((word) => suggestionFor([word], false)!.text),
    suggestionFor(["forget", "--prune"], true)!.text,
  ];
  for (const text of texts) {
    for (const [, line] of text.matchAll(/`deltar ([^`]+)`/g)) {
      const [name, ...words] = line.split(" ");
      assert.ok(Object.hasOwn(COMMANDS, name), line);
      const command = program.commands.find((one) => one.name() === name)!;
      for (const option of words.filter((one) => one.startsWith("--"))) {
        assert.ok(command.options.some(({ long }) => long === option), line);
      }
    }
  }
});
