/**
 * The turns of an agent in real VS Code, with snapshots of `deltar hook`: they
 * are listed, and one of them is undone. The agent also gets the MCP server of
 * the command.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { COMMAND } from "../cli/helpers.ts";
import type { Editor } from "./editor.ts";
import { NO_AUTOMATIC_SNAPSHOTS, suite } from "./suite.ts";
import type { Window } from "./window.ts";

let editor: Editor;
let window: Window;
let folder: string;
let env: NodeJS.ProcessEnv;

const at = (path: string) => join(folder, path);
const read = (path: string) => fs.readFileSync(at(path), "utf8");
const write = (path: string, text: string) =>
  fs.writeFileSync(at(path), `${text}\n`);

/** Calls the hook as Claude Code does. */
function hook(event: string, fields: object = {}): void {
  const [program, ...words] = COMMAND;
  const { status, stderr } = spawnSync(program, [...words, "hook"], {
    cwd: folder,
    env,
    encoding: "utf8",
    input: JSON.stringify({
      cwd: folder,
      session_id: "session-one",
      transcript_path: "/home/me/.claude/projects/x/one.jsonl",
      hook_event_name: event,
      ...fields,
    }),
  });
  assert.equal(status, 0, stderr);
}

const turn = (number: number) => window.row(`claude-code, turn ${number}`);

suite([
  ["the snapshots of a turn are listed under its prompt", async (suite) => {
    folder = join(suite.folder, "folder");
    fs.mkdirSync(folder);
    const program = join(suite.folder, "deltar");
    fs.writeFileSync(
      program,
      `#!/bin/sh\nexec ${COMMAND.map((word) => `'${word}'`).join(" ")} "$@"\n`,
      { mode: 0o755 },
    );
    editor = await suite.editor("editor", {
      settings: {
        ...NO_AUTOMATIC_SNAPSHOTS,
      },
      packages: [suite.companion()],
    });
    env = {
      ...process.env,
      XDG_DATA_HOME: join(suite.folder, "data"),
      XDG_CACHE_HOME: join(suite.folder, "cache"),
      // The command and the extension use the same id of the machine.
      XDG_CONFIG_HOME: join(editor.folder, "config"),
      XDG_STATE_HOME: join(editor.folder, "state"),
    };
    write("a.txt", "a");
    write("b.txt", "b");
    write("gone.txt", "gone");
    const prompt = "Fix $(trash) [it](command:x) **now**\nand more";
    hook("UserPromptSubmit", { prompt });
    write("a.txt", "agent");
    hook("PreToolUse", { tool_name: "Edit" });
    write("b.txt", "agent");
    write("new.txt", "agent");
    fs.rmSync(at("gone.txt"));
    hook("Stop");
    write("a.txt", "a, edited");
    hook("UserPromptSubmit", { prompt: "Go on" });
    window = await suite.open(editor, { folder });
    // The settings of the machine are set in a window.
    await editor.set({
      "deltar.command": program,
      "deltar.repository.location": join(
        suite.folder,
        "data/deltar/repositories",
      ),
    });
    await window.command("View: Show Deltar");
    await turn(2).waitFor();
    const rows = await window.texts("Snapshots");
    assert.equal(rows.length, 3, rows.join("\n"));
    assert.match(rows[1], /claude-code, turn 2 ?Go on · no changes/);
    assert.match(
      rows[2],
      /turn 1 ?Fix \$\(trash\) \[it\]\(command:x\) \*\*now\*\* · 4 changes/,
    );
    assert.equal(await turn(1).locator(".codicon-trash").count(), 0);
    const details = window.page.locator(".monaco-hover, .workbench-hover")
      .filter({ hasText: "Session: session-one" })
      .filter({ hasText: /Last snapshot: \w+, .*, \d\d:\d\d:\d\d/ });
    const tooltip = () => window.hoverFor(turn(1), details);
    await tooltip();
    await window.picture("turn-tooltip", tooltip);
    await window.expand(turn(1));
    const snapshots = window.rows("Snapshots")
      .filter({ hasText: /agent: (UserPromptSubmit|PreToolUse|Stop)/ });
    await snapshots.nth(2).waitFor();
    assert.equal(await snapshots.count(), 3);
    await window.picture("turns");
    await window.expand(snapshots.nth(0));
    await window.row(/^new\.txt.*from a\.txt/).waitFor();
    // This file also has the new content of a.txt, but it is not a copy.
    await window.row(/^b\.txt.*6 B/).waitFor();
    await window.picture("turn-changes");
  }],

  ["a snapshot of the hook appears in the open list", async () => {
    write("later.txt", "agent");
    hook("Stop");
    await window.row(/claude-code, turn 2 ?Go on · 1 change/).waitFor();
  }],

  [
    "undoing a turn names the files that were changed since the turn, and keeps them",
    async () => {
      write("b.txt", "mine");
      await window.press(turn(1), "Undo Turn…");
      const text = await window.dialog().innerText();
      assert.match(text, /Undo turn 1 of claude-code in folder\?/);
      assert.match(text, /1 file will be created:\s+gone\.txt/);
      assert.match(text, /1 file will be deleted:\s+new\.txt/);
      assert.match(
        text,
        /2 paths changed after the turn \(kept, unless[^:]*:\s+a\.txt\s+b\.txt/,
      );
      assert.doesNotMatch(text, /has not finished this turn/);
      await window.picture("undo-turn");
      await window.answer("Cancel");
      assert.equal(read("new.txt"), "agent\n");
      await window.press(turn(1), "Undo Turn…");
      await window.answer(/^Undo Turn$/);
      const told = await window.isTold(
        /Restored: 1 file written, 1 path deleted\./,
      );
      // The user knows that the changed files stay.
      assert.doesNotMatch(await told.innerText(), /could not be restored/);
      await window.picture("undo-turn-done");
      await window.hush();
      assert.equal(read("gone.txt"), "gone\n");
      assert.ok(!fs.existsSync(at("new.txt")));
      assert.equal(read("a.txt"), "a, edited\n");
      assert.equal(read("b.txt"), "mine\n");
    },
  ],

  [
    "files that were changed since the turn are undone only if the user chooses so",
    async () => {
      await window.press(turn(1), "Undo Turn…");
      await window.answer("Also Undo 2 Changed Paths");
      await window.isTold("Restored: 2 files written.");
      assert.equal(read("a.txt"), "a\n");
      assert.equal(read("b.txt"), "b\n");
      await window.pressTold("Restored: 2 files written.", "Undo");
      await window.answer("Undo Restore");
      await window.isTold("Undone: 2 files written.");
      await window.hush();
      assert.equal(read("a.txt"), "a, edited\n");
      assert.equal(read("b.txt"), "mine\n");
      await window.row(/before undoing turn 1 · 2 files/).waitFor();
      await window.picture("undone-turn");
    },
  ],

  [
    "a turn that is not finished is undone, except for unsaved edits",
    async () => {
      hook("UserPromptSubmit", { prompt: "Once more" });
      hook("PreToolUse", { tool_name: "Edit" });
      await turn(3).waitFor();
      write("a.txt", "third");
      write("b.txt", "third");
      await window.openFile(at("b.txt"));
      await window.page.getByText("third").first().waitFor();
      await window.type("only in the editor\n");
      await window.press(turn(3), "Undo Turn…");
      const text = await window.dialog().innerText();
      assert.match(text, /The agent has not finished this turn/);
      assert.match(text, /1 file will be overwritten:\s+a\.txt/);
      assert.match(
        text,
        /1 path changed after the turn \(kept[^:]*:\s+b\.txt/,
      );
      await window.picture("undo-running-turn");
      await window.answer(/^Undo Turn$/);
      const told = await window.isTold("Restored: 1 file written.");
      assert.doesNotMatch(await told.innerText(), /could not be restored/);
      await window.hush();
      assert.equal(read("a.txt"), "a, edited\n");
      assert.match(read("b.txt"), /only in the editor/);
    },
  ],

  ["the server of the command is offered, and starts", async () => {
    await editor.set({ "chat.disableAIFeatures": false });
    await window.reload();
    await window.command("MCP: List Servers");
    await window.line(/deltar/).waitFor();
    await window.picture("mcp-servers");
    await window.choose(/^deltar/);
    await window.picture("mcp-server");
    await window.choose("Start Server");
    await window.until("the server runs", async () => {
      await window.command("MCP: List Servers");
      const running = window.line(/^deltar\s*Running/);
      return await running.waitFor({ timeout: 5000 }).then(
        () => true,
        () => false,
      );
    });
    await window.picture("mcp-server-runs");
  }],
]);
