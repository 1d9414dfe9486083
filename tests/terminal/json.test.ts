import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createProgram } from "../../cli/program.ts";
import { withShell } from "./shell.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(ROOT, "docs/JSON.md"), "utf8");

/** A line of each command that has `--json`, in an order that works. */
const LINES: Record<string, string> = {
  snapshot: "deltar snapshot --label x --exclude '*.bin'",
  list: "deltar list",
  diff: "deltar diff latest~2 latest",
  files: "deltar files latest",
  why: "deltar why notes.txt",
  restore: "echo more >> notes.txt; deltar restore latest~1 --in-place",
  undo: "deltar undo",
  redo: "deltar redo",
  label: "deltar label latest good",
  verify: "deltar verify --data",
  repair: "deltar repair --dry-run",
  stats: "deltar stats",
  drill: "deltar drill",
  copy: "deltar copy latest --to ../copies",
  prune: "deltar prune --keep-last 2",
  forget: "deltar forget latest~1",
  undelete: "deltar undelete",
  doctor: "deltar doctor",
};

/** The fields of an object, and of the objects in its fields. */
function fields(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(fields);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    name,
    ...fields(inner),
  ]);
}

test("every command with --json is here", async () => {
  const program = await createProgram({
    signal: new AbortController().signal,
    code: 0,
  });
  const names = program.commands
    .filter(({ options }) => options.some(({ long }) => long === "--json"))
    .map((command) => command.name());
  assert.deepEqual(names.sort(), Object.keys(LINES).sort());
});

test("what --json prints is what docs/JSON.md says", async () => {
  await withShell((shell) => {
    for (const [name, line] of Object.entries(LINES)) {
      const lines = shell.type(`${line} --json`).split("\n");
      assert.equal(lines.length, 2, line);
      const { version, type, ...rest } = JSON.parse(lines[0]);
      assert.equal(version, 1, line);
      const sections = ["snapshot", name, type].map((title) =>
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
