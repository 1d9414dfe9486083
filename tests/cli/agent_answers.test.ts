import assert from "node:assert/strict";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

/** The events of agents that read JSON, and the answers that they expect. */
const EVENTS: [name: string, event: object, answer: object][] = [
  ["Cursor, prompt", {
    hook_event_name: "beforeSubmitPrompt",
    prompt: "Fix the bug",
  }, { continue: true }],
  ["Cursor, shell", {
    hook_event_name: "beforeShellExecution",
    command: "ls",
  }, { permission: "allow" }],
  ["Cursor, tool", {
    hook_event_name: "preToolUse",
    tool_name: "Write",
  }, { permission: "allow" }],
  ["Cursor, end", { hook_event_name: "stop", status: "completed" }, {}],
];

test("hook answers Cursor, and finds the folder of its workspace", async () => {
  await withPlace((place) => {
    for (const [name, event, answer] of EVENTS) {
      place.write({ "notes.txt": name });
      const input = JSON.stringify({
        conversation_id: "c",
        workspace_roots: [place.root],
        ...event,
      });
      const done = place.run(["hook"], { input, cwd: place.folder });
      assert.deepEqual({ ...done, out: JSON.parse(done.out) }, {
        code: 0,
        out: answer,
        err: "",
      });
      assert.equal(place.run(["cat", "latest", "notes.txt"]).out, name);
    }
  });
});

test("hook answers Gemini CLI with JSON, even after a failure", async () => {
  await withPlace((place) => {
    const env = { GEMINI_SESSION_ID: "g" };
    const input = JSON.stringify({
      cwd: place.root,
      session_id: "g",
      hook_event_name: "BeforeTool",
      tool_name: "run_shell_command",
    });
    const done = place.run(["hook"], { input, env });
    assert.deepEqual(done, { code: 0, out: "{}\n", err: "" });
    const failed = place.run(["hook", "--agent", "gemini-cli"], { input: "" });
    assert.equal(failed.code, 0);
    assert.equal(failed.out, "{}\n");
    assert.match(failed.err, /not a JSON object/);
  });
});
