import assert from "node:assert/strict";
import { test } from "node:test";
import { type Place, withPlace } from "./helpers.ts";

/** Calls the hook with the input of an agent. */
function hook(place: Place, fields: object, words: string[] = []): void {
  const input = JSON.stringify({
    cwd: place.root,
    session_id: "one",
    transcript_path: "/home/me/.claude/projects/x/one.jsonl",
    ...fields,
  });
  const done = place.run(["hook", ...words], { input, cwd: place.folder });
  assert.deepEqual(done, { code: 0, out: "", err: "" });
}

const say = (prompt: string) => ({
  hook_event_name: "UserPromptSubmit",
  prompt,
});
const use = (tool: string) => ({
  hook_event_name: "PreToolUse",
  tool_name: tool,
});
const STOP = { hook_event_name: "Stop" };

test("hook stores the turn of each session in the record", async () => {
  await withPlace((place) => {
    const step = (text: string, fields: object, words?: string[]) => {
      place.write({ "notes.txt": text });
      hook(place, fields, words);
    };
    step("1", say("Sort the imports\nand the exports"));
    step("2", use("Edit"));
    step("3", STOP);
    step("4", { ...say("x".repeat(500)), session_id: "two" });
    step("5", say("Now the tests"));
    // The second session has not ended its turn.
    step("6", { ...say("again"), session_id: "two" });
    step("7", { ...use("Bash"), session_id: "two" });
    step("8", { ...say("a secret"), session_id: "three" }, ["--no-prompt"]);
    step("9", { ...use("Bash"), session_id: "three" }, ["--agent", "mine"]);
    const { snapshots } = place.json(["list"]);
    const one = { agent: "claude-code", session: "one" };
    const two = { agent: "claude-code", session: "two" };
    const first = { ...one, turn: 1, prompt: "Sort the imports" };
    assert.deepEqual(snapshots.map(({ turn }: { turn: object }) => turn), [
      { ...first, at: "start" },
      { ...first, tool: "Edit" },
      { ...first, at: "end" },
      { ...two, turn: 2, at: "start", prompt: "x".repeat(200) },
      { ...one, turn: 3, at: "start", prompt: "Now the tests" },
      { ...two, turn: 2, at: "end", prompt: "x".repeat(200) },
      { ...two, turn: 4, prompt: "again", tool: "Bash" },
      { agent: "claude-code", session: "three", turn: 5, at: "start" },
      { agent: "mine", session: "three", turn: 6, at: "start", tool: "Bash" },
    ]);
  });
});
