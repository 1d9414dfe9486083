import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { needs } from "../support/peer.ts";
import { noise } from "../support/noise.ts";
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
const STOP = { "hook_event_name": "Stop" };

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
    const id = (at: number) => snapshots[at - 1].id;
    assert.deepEqual(snapshots.map(({ turn }: { turn: object }) => turn), [
      { ...first, at: "start" },
      { ...first, since: id(1), tool: "Edit" },
      { ...first, at: "end", since: id(1) },
      { ...two, turn: 2, at: "start", prompt: "x".repeat(200) },
      { ...one, turn: 3, at: "start", prompt: "Now the tests" },
      { ...two, turn: 2, at: "end", since: id(4), prompt: "x".repeat(200) },
      { ...two, turn: 4, since: id(6), prompt: "again", tool: "Bash" },
      { agent: "claude-code", session: "three", turn: 5, at: "start" },
      { agent: "mine", session: "three", turn: 6, at: "start", tool: "Bash" },
    ]);
  });
});

/** Returns the folders with the notes of the hook. */
const notesIn = (place: Place) =>
  fs.readdirSync(place.env.HOME, { recursive: true }).map(String)
    .filter((path) => basename(path) === "turns")
    .map((path) => join(place.env.HOME, path));

const turnsOf = (place: Place) =>
  place.json(["list"]).snapshots.map(({ turn }: { turn?: object }) => turn);

test("hook records no turn for events after a tool or without a prompt", async () => {
  await withPlace((place) => {
    const used = { ...use("Edit"), "hook_event_name": "PostToolUse" };
    const end = { "hook_event_name": "SessionEnd" };
    for (const [at, fields] of [used, end, STOP].entries()) {
      place.write({ "notes.txt": `${at}` });
      hook(place, fields);
    }
    assert.deepEqual(turnsOf(place), [undefined, undefined, undefined]);
  });
});

test("hook takes a snapshot even if it cannot store the note of the turn", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "1" });
    hook(place, say("Edit"));
    const [notes] = notesIn(place);
    fs.rmSync(notes, { recursive: true });
    fs.writeFileSync(notes, "a file");
    place.write({ "notes.txt": "2" });
    const input = JSON.stringify({ cwd: place.root, ...say("Again") });
    const done = place.run(["hook"], { input, cwd: place.folder });
    assert.equal(done.code, 0);
    assert.match(done.err, /the state of the turn was not stored/);
    assert.deepEqual(turnsOf(place)[1], {
      agent: "agent",
      turn: 2,
      at: "start",
      prompt: "Again",
    });
  });
});

test("hook begins a turn only when its first snapshot was taken", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "1" });
    place.run(["snapshot"]);
    fs.rmSync(join(place.root, "notes.txt"));
    const input = JSON.stringify({ cwd: place.root, ...say("Edit") });
    const failed = place.run(["hook"], { input });
    assert.match(failed.err, /no snapshot was made/);
    place.write({ "notes.txt": "mine" });
    hook(place, { ...use("Edit"), session_id: undefined });
    assert.deepEqual(turnsOf(place)[1], {
      agent: "claude-code",
      turn: 1,
      at: "start",
      tool: "Edit",
    });
  });
});

test("hook stores the end of a turn after a snapshot of another session", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "1" });
    hook(place, say("Edit"));
    place.write({ "notes.txt": "2" });
    hook(place, { ...say("Another"), session_id: "two" });
    hook(place, STOP);
    assert.equal(place.run(["undo", "--turn", "1"]).code, 0);
    const text = fs.readFileSync(join(place.root, "notes.txt"), "utf8");
    assert.equal(text, "1");
  });
});

test("hook stores the end of a turn after a snapshot without a turn", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "1" });
    hook(place, say("Edit"));
    place.write({ "notes.txt": "2" });
    // For example, a snapshot of a schedule or of VS Code.
    place.run(["snapshot"]);
    hook(place, STOP);
    hook(place, STOP);
    assert.equal(turnsOf(place).length, 3);
    place.run(["undo", "--turn", "last"]);
    const text = fs.readFileSync(join(place.root, "notes.txt"), "utf8");
    assert.equal(text, "1");
  });
});

test("undo --turn undoes changes that another snapshot stored first", async () => {
  await withPlace((place) => {
    const notes = join(place.root, "notes.txt");
    const read = () => fs.readFileSync(notes, "utf8");
    const count = () => place.json(["list"]).snapshots.length;
    place.write({ "notes.txt": "before", "secret.txt": "a key" });
    place.run(["snapshot"]);
    // Nothing has changed, so neither hook takes a snapshot.
    hook(place, say("Do nothing"));
    hook(place, STOP);
    assert.equal(count(), 1);
    hook(place, say("Edit"));
    assert.equal(count(), 1);
    place.write({ "notes.txt": "agent" });
    // For example, a snapshot of a schedule or of VS Code.
    place.run(["snapshot"]);
    hook(place, use("Edit"));
    place.write({ "notes.txt": "agent again" });
    hook(place, STOP);
    const [{ prompt, changed }] = place.json(["list", "--turns"]).turns;
    assert.deepEqual([prompt, changed], ["Edit", 2]);
    // A purge replaces the snapshot before the turn.
    assert.equal(place.run(["purge", "secret.txt", "--yes"]).code, 0);
    assert.equal(place.run(["undo", "--turn", "last"]).code, 0);
    assert.equal(read(), "before");
    // At the next prompt, the state is that of the last snapshot of a turn.
    place.write({ "notes.txt": "mine" });
    hook(place, say("Begin"));
    place.write({ "notes.txt": "begun" });
    hook(place, say("Interrupt"));
    place.write({ "notes.txt": "agent" });
    place.run(["snapshot"]);
    hook(place, STOP);
    assert.equal(place.run(["undo", "--turn", "last"]).code, 0);
    assert.equal(read(), "begun");
  });
});

test("undo --turn undoes what another snapshot stored of a running turn", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "before" });
    hook(place, say("Edit"));
    place.write({ "notes.txt": "agent" });
    place.run(["snapshot"]);
    const done = place.run(["undo", "--turn", "last"]);
    assert.equal(done.code, 0, done.err);
    const text = fs.readFileSync(join(place.root, "notes.txt"), "utf8");
    assert.equal(text, "before");
  });
});

test("turns with the same number are distinguished", async () => {
  await withPlace((place) => {
    const begin = (agent: string, text: string) => {
      place.write({ "notes.txt": `before ${text}` });
      place.run(["snapshot"]);
      // Without its notes and with no turn in the last snapshot, the hook
      // begins with 1.
      const notes = notesIn(place);
      assert.equal(notes.length, text === "1" ? 0 : 1);
      for (const folder of notes) fs.rmSync(folder, { recursive: true });
      const call = (fields: object) =>
        hook(place, { ...fields, session_id: undefined }, ["--agent", agent]);
      place.write({ "notes.txt": `${text} start` });
      call(say(text));
      place.write({ "notes.txt": `${text} end` });
      call(STOP);
    };
    begin("x", "1");
    begin("y", "2");
    begin("y", "3");
    const { turns } = place.json(["list", "--turns"]);
    assert.deepEqual(
      turns.map(({ turn, agent }: Record<string, unknown>) => [turn, agent]),
      [[1, "x"], [1, "y"], [1, "y"]],
    );
    const unclear = place.run(["undo", "--turn", "1"]);
    assert.equal(unclear.code, 1);
    assert.match(unclear.err, /: 2 sessions have a turn 1; .*as in 1@x/);
    assert.equal(place.run(["undo", "--turn", "1@y"]).code, 0);
    const text = fs.readFileSync(join(place.root, "notes.txt"), "utf8");
    assert.equal(text, "3 start");
  });
});

/**
 * Returns the kind, mode and content of every path below a folder, and the time
 * of every path that is not a folder.
 */
function stateOf(folder: string): Record<string, string> {
  const state: Record<string, string> = {};
  for (const path of fs.readdirSync(folder, { recursive: true }).sort()) {
    const at = join(folder, String(path));
    const stat = fs.lstatSync(at);
    const content = stat.isFile()
      ? createHash("sha256").update(fs.readFileSync(at)).digest("hex")
      : stat.isSymbolicLink()
      ? fs.readlinkSync(at)
      : "folder";
    const time = stat.isDirectory() ? "" : Math.round(stat.mtimeMs);
    state[String(path)] = `${stat.mode} ${time} ${content}`;
  }
  return state;
}

/** A command that an agent runs, in the shell, during a turn. */
type Step = [tool: string, shell: string];

/** Turns from the reports of users whose agents destroyed their files. */
const TURNS: [prompt: string, steps: Step[]][] = [
  ["edit by shell commands", [
    ["Bash", "for i in 1 2 3 4 5 6; do echo edited >> src/$i.ts; done"],
    ["Bash", "sed -i s/one/two/ notes.txt; chmod 600 notes.txt"],
    ["Write", "echo new > src/new.ts; ln -s new.ts src/link"],
  ]],
  ["free some space", [["Bash", "rm -rf data build"]]],
  ["clean up", [["Bash", "git clean -qfdx"]]],
  ["start again", [
    ["Bash", "git checkout -q -- . && git reset -q --hard HEAD~1"],
  ]],
  ["remove the worktree", [["Bash", "git worktree remove --force trees/one"]]],
  ["remove the library", [
    ["Bash", "rm -rf nested/.git"],
    ["Bash", "cd nested && git init -q && rm library.c"],
  ]],
  ["a folder becomes a file", [["Bash", "rm -rf src && echo x > src"]]],
];

test(
  "undo --turn brings back files that an agent destroyed",
  needs("git"),
  async () => {
    await withPlace((place) => {
      const shell = (script: string) => {
        const env = {
          ...place.env,
          GIT_CONFIG_NOSYSTEM: "1",
          GIT_AUTHOR_NAME: "me",
          GIT_AUTHOR_EMAIL: "me@example.org",
          GIT_COMMITTER_NAME: "me",
          GIT_COMMITTER_EMAIL: "me@example.org",
        };
        const options = { cwd: place.root, env, encoding: "utf8" } as const;
        const done = spawnSync("sh", ["-euc", script], options);
        assert.equal(done.status, 0, `${script}: ${done.stderr}`);
      };
      place.write({
        ".gitignore": "data/\nbuild/\ntrees/\n.env\n",
        "notes.txt": "one\n",
        ".env": "SECRET=1\n",
        "build/out.o": "object",
        "nested/library.c": "int main;\n",
        ...Object.fromEntries(
          [1, 2, 3, 4, 5, 6].map((n) => [`src/${n}.ts`, `export ${n}\n`]),
        ),
      });
      fs.mkdirSync(join(place.root, "data"));
      const large = join(place.root, "data/large.bin");
      fs.writeFileSync(large, noise(50 << 20, 1));
      shell(
        "git -C nested init -q; git -C nested add .; git -C nested commit -qm x;" +
          "git init -q; git add .gitignore src; git commit -qm one;" +
          "echo more >> src/1.ts; git commit -qam two;" +
          "git worktree add -q trees/one 2>&1; echo mine > trees/one/mine.txt;" +
          "echo uncommitted >> src/2.ts; echo untracked > src/untracked.ts",
      );
      for (const [at, [prompt, steps]] of TURNS.entries()) {
        hook(place, say(prompt));
        const before = stateOf(place.root);
        for (const [tool, script] of steps) {
          hook(place, use(tool));
          shell(script);
        }
        // An agent may be stopped before the end of its turn.
        if (at % 2 === 0) hook(place, STOP);
        const harmed = stateOf(place.root);
        assert.notDeepEqual(harmed, before, prompt);
        const undone = place.run(["undo", "--turn", "last"]);
        assert.equal(undone.code, 0, undone.err);
        assert.deepEqual(stateOf(place.root), before, prompt);
        // The undo can be undone, and done again by the number of the turn.
        if (at !== 0) continue;
        assert.equal(place.run(["undo"]).code, 0);
        assert.deepEqual(stateOf(place.root), harmed);
        assert.equal(place.run(["undo", "--turn", `${at + 1}`]).code, 0);
        assert.deepEqual(stateOf(place.root), before);
      }
      const { turns } = place.json(["list", "--turns"]);
      assert.deepEqual(
        turns.map(({ prompt }: { prompt: string }) => prompt),
        TURNS.map(([prompt]) => prompt),
      );
      assert.match(
        place.run(["list", "--turns"]).out,
        /claude-code.*clean up\n/,
      );
    });
  },
);

test("undo --turn keeps what was changed since the turn, unless --force is given", async () => {
  await withPlace((place) => {
    place.write({ "a.txt": "a", "b.txt": "b", "c.txt": "c" });
    hook(place, say("Change them"));
    place.write({ "a.txt": "agent", "b.txt": "agent", "new.txt": "agent" });
    fs.rmSync(join(place.root, "c.txt"));
    hook(place, STOP);
    place.write({ "b.txt": "mine", "d.txt": "mine" });
    const plan = place.json(["undo", "--turn", "1", "--dry-run"]);
    assert.equal(plan.code, 3);
    assert.deepEqual(
      plan.steps.map(({ path, action }: Record<string, string>) =>
        `${action} ${path}`
      ),
      ["replace a.txt", "create c.txt", "delete new.txt"],
    );
    const done = place.run(["undo", "--turn", "last"]);
    assert.equal(done.code, 3);
    assert.match(done.err, /b\.txt was not restored: the path changed again/);
    const read = () =>
      Object.fromEntries(
        fs.readdirSync(place.root).sort().map((name) => [
          name,
          fs.readFileSync(join(place.root, name), "utf8"),
        ]),
      );
    const kept = { "a.txt": "a", "b.txt": "mine", "c.txt": "c" };
    assert.deepEqual(read(), { ...kept, "d.txt": "mine" });
    const forced = place.run(["undo", "--turn", "last", "--force"]);
    assert.equal(forced.code, 0, forced.err);
    assert.deepEqual(read(), { ...kept, "b.txt": "b", "d.txt": "mine" });
    assert.equal(place.run(["undo"]).code, 0);
    assert.equal(read()["b.txt"], "mine");
    const none = place.run(["undo", "--turn", "7"]);
    assert.equal(none.code, 1);
    assert.match(none.err, /no turn "7" is recorded/);
    const useless = place.run(["undo", "--force"]);
    assert.equal(useless.code, 2);
    assert.match(useless.err, /only be used with `--turn`/);
  });
});

test("undo --turn undoes only the turn of one of two sessions", async () => {
  await withPlace((place) => {
    const other = (fields: object) => ({ ...fields, session_id: "two" });
    place.write({ "a.txt": "a", "b.txt": "b", "both.txt": "0" });
    hook(place, say("First"));
    hook(place, other(say("Second")));
    hook(place, use("Edit"));
    place.write({ "a.txt": "first", "both.txt": "1" });
    hook(place, use("Edit"));
    place.write({ "b.txt": "second", "both.txt": "2" });
    hook(place, other(use("Edit")));
    place.write({ "both.txt": "3" });
    hook(place, STOP);
    hook(place, other(STOP));
    const done = place.run(["undo", "--turn", "1"]);
    assert.equal(done.code, 3);
    assert.match(done.err, /both\.txt was not restored/);
    const read = (name: string) =>
      fs.readFileSync(join(place.root, name), "utf8");
    assert.deepEqual(["a.txt", "b.txt", "both.txt"].map(read), [
      "a",
      "second",
      "3",
    ]);
  });
});

test("undo --turn restores nothing into folders whose paths are taken by files", async () => {
  await withPlace((place) => {
    place.write({ "a/1.txt": "a", "b/2.txt": "b", "c.txt": "c" });
    hook(place, say("Delete both folders"));
    for (const name of ["a", "b"]) {
      fs.rmSync(join(place.root, name), { recursive: true });
    }
    hook(place, STOP);
    place.write({ "a": "mine", "b": "mine" });
    const done = place.run(["undo", "--turn", "last"]);
    assert.equal(done.code, 3, done.err);
    for (const path of ["a", "a/1.txt", "b", "b/2.txt"]) {
      const line = new RegExp(`${path} was not restored.*changed`);
      assert.match(done.err, line);
    }
    for (const name of ["a", "b"]) {
      const text = fs.readFileSync(join(place.root, name), "utf8");
      assert.equal(text, "mine");
    }
  });
});

test("undo --turn is limited to the current directory, unless --all is given", async () => {
  await withPlace((place) => {
    place.write({ "sub/a.txt": "a", "b.txt": "b" });
    fs.linkSync(join(place.root, "b.txt"), join(place.root, "sub/link.txt"));
    hook(place, say("Change both"));
    place.write({ "sub/a.txt": "agent", "b.txt": "agent" });
    fs.rmSync(join(place.root, "sub/link.txt"));
    hook(place, STOP);
    const read = (...names: string[]) =>
      names.map((name) => fs.readFileSync(join(place.root, name), "utf8"));
    const all = ["sub/a.txt", "sub/link.txt", "b.txt"];
    const below = { cwd: join(place.root, "sub") };
    const done = place.run(["undo", "--turn", "last"], below);
    assert.equal(done.code, 0, done.err);
    assert.deepEqual(read(...all), ["a", "b", "agent"]);
    const force = ["--all", "--force"];
    const rest = place.run(["undo", "--turn", "last", ...force], below);
    assert.equal(rest.code, 0, rest.err);
    assert.deepEqual(read(...all), ["a", "b", "b"]);
  });
});

test("undo --turn works for several directories", async () => {
  await withPlace((place) => {
    place.write({ "a/1.txt": "a", "b/2.txt": "b", "c.txt": "c" });
    const dirs = ["a", "b"].map((name) => join(place.root, name));
    const repo = ["--repo", join(place.folder, "repo")];
    const first = place.run(["snapshot", ...dirs, ...repo]);
    assert.equal(first.code, 0, first.err);
    const inside = { cwd: dirs[0] };
    hook(place, { ...say("Change them"), ...inside }, repo);
    place.write({ "a/1.txt": "agent" });
    hook(place, { ...use("Edit"), ...inside }, repo);
    place.write({ "a/1.txt": "again", "b/2.txt": "agent", "c.txt": "mine" });
    const done = place.run(
      ["undo", "--turn", "last", "--all", ...repo],
      { cwd: dirs[0] },
    );
    assert.equal(done.code, 0, done.err);
    assert.match(done.err, /the agent has not finished this turn/);
    const read = (name: string) =>
      fs.readFileSync(join(place.root, name), "utf8");
    assert.deepEqual(["a/1.txt", "b/2.txt", "c.txt"].map(read), [
      "a",
      "b",
      "mine",
    ]);
  });
});

test("undo --turn keeps files that were excluded when they were created", async () => {
  await withPlace((place) => {
    const other = (fields: object) => ({ ...fields, session_id: "two" });
    place.write({ "a.txt": "a" });
    hook(place, say("Edit"));
    place.write({ "a.txt": "agent" });
    hook(place, other(say("Another")));
    place.write({ ".deltarignore": "mine.txt\n", "mine.txt": "mine" });
    hook(place, other(STOP));
    fs.rmSync(join(place.root, ".deltarignore"));
    hook(place, STOP);
    const done = place.run(["undo", "--turn", "1"]);
    assert.equal(
      fs.readFileSync(join(place.root, "mine.txt"), "utf8"),
      "mine",
      done.out + done.err,
    );
    assert.equal(fs.readFileSync(join(place.root, "a.txt"), "utf8"), "a");
  });
});

test("hook takes a snapshot of a worktree before its removal", async () => {
  await withPlace((place) => {
    const worktree = join(place.folder, "worktree");
    fs.mkdirSync(worktree);
    fs.writeFileSync(join(worktree, "mine.txt"), "mine");
    hook(place, {
      hook_event_name: "WorktreeRemove",
      worktree_path: worktree,
    });
    fs.rmSync(worktree, { recursive: true });
    const dir = ["--dir", worktree];
    assert.equal(place.run(["cat", "latest", "mine.txt", ...dir]).out, "mine");
  });
});

test("recover brings back missing files and overwrites nothing", async () => {
  await withPlace((place) => {
    place.write({ "data/a.txt": "a", "data/b.txt": "b", "c.txt": "old" });
    place.run(["snapshot"]);
    place.write({ "c.txt": "c" });
    place.run(["snapshot"]);
    fs.rmSync(join(place.root, "data/b.txt"));
    fs.rmSync(join(place.root, "c.txt"));
    place.run(["snapshot"]);
    place.write({ "data/a.txt": "changed" });
    const read = (path: string) =>
      fs.readFileSync(join(place.root, path), "utf8");
    const plan = place.json(["recover", "c.txt", "--dry-run"]);
    assert.deepEqual(
      plan.steps.map(({ path }: { path: string }) => path),
      ["c.txt"],
    );
    assert.equal(place.run(["recover", "c.txt"]).code, 0);
    assert.equal(read("c.txt"), "c");
    assert.equal(place.run(["recover", "data"]).code, 0);
    assert.equal(read("data/a.txt"), "changed");
    assert.equal(read("data/b.txt"), "b");
    const again = place.run(["recover", "data"]);
    assert.equal(again.code, 1);
    assert.match(again.err, /nothing is gone/);
    fs.rmSync(join(place.root, "data"), { recursive: true });
    const inside = { cwd: place.folder };
    const recovered = place.run(
      ["recover", join(place.root, "data"), "--dir", place.root],
      inside,
    );
    assert.equal(recovered.code, 0, recovered.err);
    assert.equal(read("data/a.txt"), "a");
    const never = place.run(["recover", "never.txt"]);
    assert.equal(never.code, 1);
    assert.match(never.err, /no snapshot has this path/);
  });
});

const notesText = (place: Place) =>
  fs.readFileSync(join(place.root, "notes.txt"), "utf8");

test("undo --turn undoes a turn that no snapshot has yet", async () => {
  for (const name of ["last", "2", "2@one"]) {
    await withPlace((place) => {
      place.write({ "notes.txt": "first" });
      hook(place, say("First"));
      place.write({ "notes.txt": "second" });
      hook(place, STOP);
      hook(place, say("Second"));
      hook(place, use("Edit"));
      place.write({ "notes.txt": "third" });
      const plan = place.run(["undo", "--turn", name, "--dry-run"]);
      assert.equal(plan.code, 1);
      assert.match(plan.err, /turn 2 has no snapshot yet/);
      const { code, err } = place.run(["undo", "--turn", name]);
      assert.equal(code, 0, err);
      assert.match(err, /the agent has not finished this turn/);
      assert.equal(notesText(place), "second");
      assert.equal(place.run(["undo", "--turn", "1"]).code, 0);
      assert.equal(notesText(place), "first");
    });
  }
});

test("undo --turn keeps changes before the turn if the snapshot between them no longer exists", async () => {
  await withPlace((place) => {
    place.write({ "notes.txt": "old", "code.ts": "old" });
    place.run(["snapshot"]);
    place.write({ "notes.txt": "mine" });
    const { id } = place.json(["snapshot"]);
    hook(place, say("Edit"));
    place.write({ "code.ts": "agent" });
    hook(place, STOP);
    assert.equal(place.run(["forget", id]).code, 0);
    const { code, err } = place.run(["undo", "--turn", "last"]);
    assert.equal(code, 0, err);
    assert.equal(notesText(place), "mine");
  });
});

test("hook without its notes does not continue the old turn of the agent", async () => {
  await withPlace((place) => {
    const call = (fields: object) =>
      hook(place, { ...fields, session_id: undefined }, ["--agent", "x"]);
    place.write({ "notes.txt": "1", "code.ts": "1" });
    call(say("First"));
    place.write({ "code.ts": "2" });
    call(STOP);
    for (const folder of notesIn(place)) fs.rmSync(folder, { recursive: true });
    place.write({ "notes.txt": "mine" });
    place.run(["snapshot"]);
    call(say("Second"));
    place.write({ "code.ts": "3" });
    call(STOP);
    const { turns } = place.json(["list", "--turns"]);
    assert.deepEqual(turns.map(({ turn }: { turn: number }) => turn), [1, 1]);
    const { code, err } = place.run(["undo", "--turn", "last"]);
    assert.equal(code, 0, err);
    assert.equal(notesText(place), "mine");
    const source = fs.readFileSync(join(place.root, "code.ts"), "utf8");
    assert.equal(source, "2");
  });
});
