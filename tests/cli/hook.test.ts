import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

/** The events of agents, as the documentation of the agents shows them. */
const EVENTS: [label: string, event: object][] = [
  ["agent: SessionStart", {
    session_id: "abc123",
    transcript_path: "/home/me/.claude/projects/x/transcript.jsonl",
    permission_mode: "default",
    hook_event_name: "SessionStart",
    source: "startup",
  }],
  ["agent: UserPromptSubmit", {
    hook_event_name: "UserPromptSubmit",
    session_id: "abc123",
    timestamp: "2026-02-09T10:30:00.000Z",
    prompt: "change it",
  }],
  ["agent: PreToolUse Edit", {
    session_id: "abc123",
    hook_event_name: "PreToolUse",
    tool_name: "Edit",
    tool_input: { file_path: "notes.txt", old_string: "a", new_string: "b" },
  }],
  ["agent: PreToolUse editFiles", {
    timestamp: "2026-02-09T10:30:00.000Z",
    sessionId: "session-identifier",
    hookEventName: "PreToolUse",
    tool_name: "editFiles",
    tool_input: { files: ["src/main.ts"] },
    tool_use_id: "tool-123",
  }],
  ["agent: bash", {
    sessionId: "s",
    timestamp: 1704614400000,
    toolName: "bash",
    toolArgs: '{"command":"ls"}',
  }],
  ["agent: Stop", { hook_event_name: "Stop", stop_hook_active: false }],
];

test("hook takes a snapshot of the state before the agent's change", async () => {
  await withPlace((place) => {
    const away = { cwd: place.folder };
    for (const [at, [, event]] of EVENTS.entries()) {
      place.write({ "notes.txt": `${at}` });
      const input = JSON.stringify({ cwd: place.root, ...event });
      // The hook runs twice. The second run takes no snapshot, because nothing
      // changed.
      for (let times = 0; times < 2; times++) {
        const done = place.run(["hook"], { ...away, input });
        assert.deepEqual(done, { code: 0, out: "", err: "" });
      }
    }
    const { snapshots } = place.json(["list"]);
    assert.deepEqual(
      snapshots.map(({ label }: { label: string }) => label),
      EVENTS.map(([label]) => label),
    );
    // The agent's current directory can be any folder of its project.
    place.write({ "notes.txt": "at last" });
    const input = JSON.stringify({ cwd: place.folder });
    const env = { CLAUDE_PROJECT_DIR: place.root };
    assert.equal(place.run(["hook"], { env, input }).code, 0);
    assert.equal(place.run(["cat", "latest", "notes.txt"]).out, "at last");
  });
});

test("hook ignores input that is too large, and still takes a snapshot", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "1" });
    const input = JSON.stringify({ cwd: "/gone", prompt: "x".repeat(65e6) });
    const { code, err } = place.run(["hook"], { input });
    assert.equal(code, 0);
    assert.match(err, /more than 64 MB/);
    assert.equal(place.run(["cat", "latest", "notes.txt"]).out, "1");
  });
});

test("hook that fails prints the error, and does not stop the agent", async () => {
  await withPlace((place) => {
    const gone = join(place.folder, "gone");
    const failing: [string, RegExp][] = [
      ["", /not a JSON object/],
      ['"text"', /not a JSON object/],
      ["[]", /not a JSON object/],
      [JSON.stringify({ cwd: gone }), /no such directory/],
    ];
    for (const [input, said] of failing) {
      const { code, out, err } = place.run(["hook"], { input });
      assert.equal(code, 0, err);
      assert.equal(out, "");
      assert.match(err, said);
    }
    const log = join(place.data, "hook.log");
    const lines = fs.readFileSync(log, "utf8").trimEnd().split("\n");
    assert.equal(lines.length, failing.length);
    for (const [at, [, said]] of failing.entries()) {
      assert.match(lines[at], said);
    }
    assert.match(place.run(["doctor"]).out, /warning {2}agent hook .*such dir/);
    // The exit code 2 would make the agent cancel its step.
    const wrong = place.run(["hook", "--wrong"], { input: "{}" });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /unknown option/);
  });
});
