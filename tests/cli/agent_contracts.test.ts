/**
 * Replays the documented contract of each host: the installed command gets the
 * input and the environment of the host, and must give the answer that lets the
 * host continue before the host's time-out.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { needsPosix } from "../support/system.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** An event: its name in the configuration, its input, and the answer. */
type Event = [name: string, input: object, answer: string];

/** A host whose hook is a command. */
interface Contract {
  title: string;
  /** The name in `deltar agent install`. */
  install: string;
  /** The configuration file of a project. */
  file: string;
  /** Returns the command from a handler or a group of handlers. */
  // deno-lint-ignore no-explicit-any
  command: (item: any) => string;
  /** The time after which the host ends a hook, in milliseconds. */
  timeout: number;
  env: (root: string) => Record<string, string>;
  /** The fields of the input of each event. */
  common: (root: string) => object;
  /** The events of a turn: the prompt, the use of a tool, and the end. */
  events: [Event, Event, Event];
  /** The turn that the record of the second snapshot must have. */
  turn: { agent: string; session: string; tool: string };
}

const PROMPT = "Sort the imports\nand the exports";

const CONTRACTS: Contract[] = [
  {
    title: "Claude Code",
    install: "claude-code",
    file: ".claude/settings.json",
    command: ({ hooks }) => hooks[0].command,
    timeout: 600_000,
    env: (root) => ({ CLAUDE_PROJECT_DIR: root, CLAUDE_CODE_REMOTE: "" }),
    common: (root) => ({
      session_id: "00893aaf-19fa-41d2-8238-13269b9b3ca0",
      transcript_path: "/home/me/.claude/projects/x/00893aaf.jsonl",
      cwd: root,
      permission_mode: "default",
    }),
    events: [
      ["UserPromptSubmit", { prompt: PROMPT }, ""],
      ["PreToolUse", {
        tool_name: "Bash",
        tool_input: { command: "rm -rf data", timeout: 120_000 },
        tool_use_id: "toolu_01ABC",
      }, ""],
      ["Stop", { stop_hook_active: false, last_assistant_message: "OK" }, ""],
    ],
    turn: {
      agent: "claude-code",
      session: "00893aaf-19fa-41d2-8238-13269b9b3ca0",
      tool: "Bash",
    },
  },
  {
    title: "Codex",
    install: "codex",
    file: ".codex/hooks.json",
    command: ({ hooks }) => hooks[0].command,
    timeout: 600_000,
    env: () => ({}),
    common: (root) => ({
      session_id: "0199a213-81c0-7800-8aa1-bbab2a035a53",
      transcript_path: null,
      cwd: root,
      model: "gpt-5.4",
      turn_id: "1",
      permission_mode: "default",
    }),
    events: [
      ["UserPromptSubmit", { prompt: PROMPT }, ""],
      ["PreToolUse", {
        tool_name: "apply_patch",
        tool_input: { command: "*** Begin Patch" },
        tool_use_id: "call_1",
      }, ""],
      ["Stop", { stop_hook_active: false, last_assistant_message: null }, ""],
    ],
    turn: {
      agent: "codex",
      session: "0199a213-81c0-7800-8aa1-bbab2a035a53",
      tool: "apply_patch",
    },
  },
  {
    title: "VS Code",
    install: "copilot",
    file: ".github/hooks/deltar.json",
    command: ({ command }) => command,
    timeout: 30_000,
    env: () => ({}),
    common: (root) => ({
      timestamp: "2026-11-25T12:00:00.000Z",
      cwd: root,
      sessionId: "5c0a",
      transcript_path: "/home/me/.config/Code/User/5c0a.json",
    }),
    events: [
      ["UserPromptSubmit", {
        hookEventName: "UserPromptSubmit",
        prompt: PROMPT,
      }, ""],
      ["PreToolUse", {
        hookEventName: "PreToolUse",
        tool_name: "editFiles",
        tool_input: { files: ["notes.txt"] },
        tool_use_id: "tool-123",
      }, ""],
      ["Stop", { hookEventName: "Stop", stop_hook_active: false }, ""],
    ],
    turn: { agent: "vscode", session: "5c0a", tool: "editFiles" },
  },
  {
    title: "Copilot CLI",
    install: "copilot",
    file: ".github/hooks/deltar.json",
    command: ({ bash }) => bash,
    timeout: 30_000,
    env: () => ({}),
    common: (root) => ({
      timestamp: "2026-11-25T12:00:00.000Z",
      cwd: root,
      session_id: "7d1b",
    }),
    events: [
      ["UserPromptSubmit", { prompt: PROMPT }, ""],
      ["PreToolUse", {
        tool_name: "bash",
        tool_input: { command: "rm -rf data" },
      }, ""],
      ["Stop", { transcript_path: "", stop_reason: "end_turn" }, ""],
    ],
    turn: { agent: "copilot", session: "7d1b", tool: "bash" },
  },
  {
    title: "Gemini CLI",
    install: "gemini-cli",
    file: ".gemini/settings.json",
    command: ({ hooks }) => hooks[0].command,
    timeout: 60_000,
    env: (root) => ({
      GEMINI_PROJECT_DIR: root,
      GEMINI_SESSION_ID: "g-1",
      GEMINI_CWD: root,
      CLAUDE_PROJECT_DIR: root,
    }),
    common: (root) => ({
      session_id: "g-1",
      transcript_path: "/home/me/.gemini/tmp/x/chats/g-1.json",
      cwd: root,
      timestamp: "2026-11-25T12:00:00.000Z",
    }),
    events: [
      ["BeforeAgent", { prompt: PROMPT }, "{}\n"],
      ["BeforeTool", {
        tool_name: "write_file",
        tool_input: { file_path: "notes.txt", content: "x" },
      }, "{}\n"],
      ["AfterAgent", { prompt: PROMPT, prompt_response: "Done." }, "{}\n"],
    ],
    turn: { agent: "gemini-cli", session: "g-1", tool: "write_file" },
  },
  {
    title: "Cursor",
    install: "cursor",
    file: ".cursor/hooks.json",
    command: ({ command }) => command,
    timeout: 60_000,
    env: (root) => ({
      CURSOR_PROJECT_DIR: root,
      CURSOR_VERSION: "2.0.77",
      CLAUDE_PROJECT_DIR: root,
    }),
    common: (root) => ({
      conversation_id: "conv-123",
      generation_id: "gen-456",
      model: "gpt-5",
      cursor_version: "2.0.77",
      workspace_roots: [root],
      user_email: null,
      transcript_path: null,
    }),
    events: [
      ["beforeSubmitPrompt", {
        prompt: PROMPT,
        attachments: [],
      }, '{"continue":true}\n'],
      ["preToolUse", {
        tool_name: "Shell",
        tool_input: { command: "rm -rf data", working_directory: "" },
        tool_use_id: "abc",
      }, '{"permission":"allow"}\n'],
      ["stop", { status: "completed", loop_count: 0 }, "{}\n"],
    ],
    turn: { agent: "cursor", session: "conv-123", tool: "Shell" },
  },
];

/** Checks that a turn is stored, and that it can be undone. */
function checkTurn(place: Place, turn: Contract["turn"]): void {
  const { tool, ...who } = turn;
  const prompt = PROMPT.split("\n")[0];
  const { snapshots } = place.json(["list"]);
  const since = snapshots[0].id;
  assert.deepEqual(
    snapshots.map(({ turn }: { turn: object }) => turn),
    [
      { ...who, turn: 1, at: "start", prompt },
      { ...who, turn: 1, tool, prompt, since },
      { ...who, turn: 1, at: "end", prompt, since },
    ],
  );
  assert.equal(place.run(["undo", "--turn", "last"]).code, 0);
  assert.equal(fs.readFileSync(join(place.root, "notes.txt"), "utf8"), "0");
  assert.equal(place.run(["verify", "--data"]).code, 0);
}

for (const contract of CONTRACTS) {
  test(
    `the installed hook keeps the contract of ${contract.title}`,
    needsPosix("sh"),
    async () => {
      await withPlace((place) => {
        const { title, file, events, timeout } = contract;
        // Files that the hosts write themselves are not part of the turn.
        place.write({ ".deltarignore": ".*\n" });
        const install = ["agent", "install", contract.install, "--yes"];
        assert.equal(place.run(install).code, 0);
        const { hooks } = JSON.parse(
          fs.readFileSync(join(place.root, file), "utf8"),
        );
        for (const [at, [name, fields, answer]] of events.entries()) {
          place.write({ "notes.txt": `${at}` });
          const input = JSON.stringify({
            ...contract.common(place.root),
            // VS Code names the event in camel case.
            ...title !== "VS Code" && { hook_event_name: name },
            ...fields,
          });
          const command = contract.command(hooks[name][0]);
          const done = spawnSync("sh", ["-c", command], {
            cwd: place.root,
            env: { ...place.env, ...contract.env(place.root) },
            input,
            encoding: "utf8",
            timeout,
          });
          const { status, stdout, stderr } = done;
          assert.deepEqual(
            { status, stdout },
            { status: 0, stdout: answer },
            `${name}: ${stderr}`,
          );
        }
        checkTurn(place, contract.turn);
      });
    },
  );
}

/** Loads the plugin as OpenCode does, and calls its hooks. */
const OPENCODE = `
import fs from "node:fs";
const [plugin, directory, prompt] = process.argv.slice(-3);
const { default: { id, server } } = await import(plugin);
if (id !== "deltar") throw new Error(id);
const write = (text) => fs.writeFileSync(directory + "/notes.txt", text);
const hooks = await server({ directory, worktree: directory });
const sessionID = "ses_1";
write("0");
await hooks["chat.message"](
  { sessionID, agent: "build", messageID: "msg_1" },
  { message: { role: "user" }, parts: [{ type: "text", text: prompt }] },
);
write("1");
const output = { args: { command: "rm -rf data" } };
await hooks["tool.execute.before"](
  { tool: "bash", sessionID, callID: "call_1" },
  output,
);
write("2");
for (const type of ["session.updated", "session.idle"]) {
  await hooks.event({ event: { type, properties: { sessionID } } });
}
console.log(JSON.stringify(output));
`;

test("the installed plugin keeps the contract of OpenCode", async () => {
  await withPlace((place) => {
    place.write({ ".deltarignore": ".*\nopencode.json\n" });
    const install = ["agent", "install", "opencode", "--yes"];
    assert.equal(place.run(install).code, 0);
    const script = join(place.folder, "opencode.mjs");
    fs.writeFileSync(script, OPENCODE);
    const plugin = join(place.root, ".opencode/plugins/deltar.js");
    const [program, ...words] = [...COMMAND.slice(0, -1), script];
    const done = spawnSync(program, [
      ...words,
      pathToFileURL(plugin).href,
      place.root,
      PROMPT,
    ], { cwd: place.root, env: place.env, encoding: "utf8" });
    assert.equal(
      done.stdout,
      '{"args":{"command":"rm -rf data"}}\n',
      done.stderr,
    );
    checkTurn(place, { agent: "opencode", session: "ses_1", tool: "bash" });
  });
});
