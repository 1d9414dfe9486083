import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Context } from "../../cli/context.ts";
import { createProgram } from "../../cli/program.ts";
import { withShell } from "./shell.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(ROOT, "docs/JSON.md"), "utf8");

/** Lines for each command that has `--json`, in an order that works. */
const LINES: Record<string, string[]> = {
  snapshot: [
    "deltar snapshot --dry-run --label x --exclude '*.bin'",
    "deltar snapshot --label x --exclude '*.bin'",
    "deltar snapshot --label y --exclude '*.bin' --max-size 1G",
  ],
  import: [
    "mkdir -p ../b/2024-01-01 ../b/2024-01-02; deltar import ../b/* --source ../c --dry-run",
    "deltar import -q ../b/2024-01-01 --source ../c; deltar import ../b/* --source ../c",
  ],
  init: ["deltar init --encrypt --repo ../encrypted"],
  key: [
    "deltar key list --repo ../encrypted",
    "deltar key show-recipient --repo ../encrypted",
    "deltar key recovery-sheet --repo ../encrypted",
    "deltar key rekey --dry-run --repo ../encrypted",
    "deltar key rotate -q --repo ../encrypted; deltar key rekey --repo ../encrypted",
  ],
  drill: ["deltar drill"],
  list: [
    "deltar list",
    `echo '{"hook_event_name": "UserPromptSubmit", "prompt": "x", "session_id": "s"}' | deltar hook
     echo x > turn.txt
     echo '{"hook_event_name": "Stop", "session_id": "s"}' | deltar hook
     deltar undo -q --turn last; deltar list --turns`,
    "deltar list",
  ],
  recover: [
    "rm notes.txt; deltar recover notes.txt --dry-run",
    "deltar recover notes.txt",
  ],
  show: ["deltar show"],
  diff: [
    "deltar diff latest --stat",
    "mv notes.txt n.txt; deltar snapshot -q --exclude '*.bin'; deltar diff latest~3 latest",
  ],
  files: ["deltar files latest", "deltar files latest --skipped"],
  log: ["deltar log n.txt", "deltar log src --limit 1"],
  find: ["deltar find '*.txt' --kind file --size -1k", "deltar find new.bin"],
  run: [
    "deltar run -- sh -c 'echo new > new.txt 2>&1'",
    "deltar run -- sh -c 'rm new.txt; kill $$' || [ $? = 143 ]",
  ],
  why: ["deltar why src", "deltar why old.bin"],
  restore: [
    "deltar restore latest~2 --in-place --dry-run",
    "echo more >> n.txt; deltar restore latest~1 --in-place",
  ],
  export: ["deltar export latest --to ../x.zip"],
  undo: ["deltar undo", "deltar undo --turn last --dry-run"],
  redo: ["deltar redo"],
  label: ["deltar label latest good"],
  stats: ["deltar stats"],
  copy: ["deltar copy latest --to ../copies"],
  prune: ["deltar prune --keep-last 2 --dry-run", "deltar prune --keep-last 2"],
  forget: ["deltar forget latest~1"],
  undelete: [
    "deltar undelete",
    `deltar undelete $(deltar undelete | sed 's/ .*//;q')`,
  ],
  agent: [
    "deltar agent install claude-code cursor --yes",
    "deltar agent install cursor",
    "deltar agent status",
    "deltar agent uninstall --yes",
  ],
  purge: [
    "deltar purge n.txt --dry-run || [ $? = 3 ]",
    "deltar purge n.txt --yes || [ $? = 3 ]",
  ],
  verify: [
    "deltar verify --data",
    `rm $(deltar doctor | sed -n 's/.*snapshots in //p')/volumes/*vol0*
     ! deltar verify`,
  ],
  repair: ["deltar repair --dry-run || [ $? = 3 ] && true"],
  doctor: ["deltar doctor"],
};

/** The sections of docs/JSON.md that other sections refer to. */
const AS_IN: Record<string, string[]> = {
  run: ["diff"],
  snapshot: ["diff"],
  show: ["list", "diff"],
  stats: ["list"],
  repair: ["verify"],
  undo: ["restore"],
  recover: ["restore"],
  redo: ["restore"],
};

/**
 * Returns the names of the fields of an object, and of the objects in its
 * fields.
 */
function fields(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fields);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    // Some objects have ids of snapshots as keys.
    .../^\d{8}T/.test(name) ? [] : [name],
    ...fields(inner),
  ]);
}

/** Returns each line, with `--json` after the words of its last `deltar`. */
function typed(): [name: string, line: string][] {
  return Object.entries(LINES).flatMap(([name, lines]) =>
    lines.map((line): [string, string] => [
      name,
      line.replace(/ (?:\|\||--) .*|$/, " --json$&"),
    ])
  );
}

test("every command with --json is tested here", async () => {
  const program = await createProgram(
    new Context(() => new AbortController().signal),
  );
  const names = program.commands
    .filter(({ options }) => options.some(({ long }) => long === "--json"))
    .map((command) => command.name());
  assert.deepEqual(names.sort(), Object.keys(LINES).sort());
});

test("the output of --json is as docs/JSON.md describes", async () => {
  await withShell((shell) => {
    for (const [name, line] of typed()) {
      const lines = shell.type(line).split("\n");
      assert.equal(lines.length, 2, line);
      const { version, type, ...rest } = JSON.parse(lines[0]);
      assert.equal(version, 1, line);
      const sections = ["snapshot", name, type, ...AS_IN[name] ?? []].map((
        title,
      ) =>
        page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? ""
      );
      assert.notEqual(sections[2] + sections[1], "", `${type} has no section`);
      for (const field of new Set(fields(rest))) {
        assert.ok(
          sections.some((section) => section.includes(`\`${field}\``)),
          `${type}: nothing is said of ${field}`,
        );
      }
    }
  });
});
