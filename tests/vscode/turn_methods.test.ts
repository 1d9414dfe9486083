/** The turns of agents in the worker of the extension, without a window. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { thisMachine } from "../../extension/src/worker/machine.ts";
import { createMethods } from "../../extension/src/worker/methods.ts";
import {
  Dir,
  DirSet,
  LocalStorage,
  Repository,
  type SnapshotRecord,
} from "../../mod.ts";
import {
  type Machine,
  repositoryName,
  type TurnRecord,
} from "../../lib/repository/mod.ts";
import { truePlace } from "../../lib/tree/mod.ts";
import { TurnNotes } from "../../shared/turn_notes.ts";
import { withTemp } from "../support/temp.ts";

const TURN = { agent: "claude-code", session: "one", turn: 3 };

/** A folder with snapshots that a hook took. */
class Project {
  readonly config;
  readonly #methods = createMethods();
  readonly #work = { signal: new AbortController().signal, progress() {} };
  #repository: Promise<Repository> | undefined;

  constructor(temp: string, folder = "folder") {
    this.config = {
      directory: join(temp, folder),
      repository: join(temp, "repository"),
      isOwnStorage: false,
      cache: join(temp, "cache"),
      originals: join(temp, "cache", "originals"),
      excludes: [],
      gitignore: false,
      excludeCaches: false,
      encrypt: false,
    };
    fs.mkdirSync(this.config.directory);
  }

  write(files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) {
      fs.writeFileSync(join(this.config.directory, name), text);
    }
  }

  read(): Record<string, string> {
    const { directory } = this.config;
    return Object.fromEntries(
      fs.readdirSync(directory).sort().map((name) => [
        name,
        fs.readFileSync(join(directory, name), "utf8"),
      ]),
    );
  }

  /** Writes files, and takes a snapshot as `deltar hook` does. */
  async hook(
    turn: TurnRecord | undefined,
    files: Record<string, string> = {},
    machine?: Machine,
    dir = new Dir(this.config.directory),
  ): Promise<SnapshotRecord> {
    this.write(files);
    const storage = new LocalStorage(this.config.repository);
    const repository = await (this.#repository ??= Repository.create(storage, {
      machine,
    }));
    return (await repository.snapshot(dir, { turn })).record;
  }

  async list() {
    return (await this.#methods.list({ config: this.config }, this.#work))
      .reverse();
  }

  preview(turn: string) {
    const params = { config: this.config, turn };
    return this.#methods.previewUndoTurn(params, this.#work);
  }

  /**
   * Undoes a turn as the preview shows it, or with the last snapshot `last`.
   */
  async undo(turn: string, force: boolean, last?: string) {
    last ??= (await this.preview(turn)).last;
    const params = { config: this.config, turn, last, force };
    return await this.#methods.undoTurn(params, this.#work);
  }

  endTurn(turn: string) {
    return this.#methods.endTurn({ config: this.config, turn }, this.#work);
  }

  undoRestore() {
    return this.#methods.undo({ config: this.config }, this.#work);
  }
}

test("list names the turn during which each snapshot was taken", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const prompt = "Sort the imports";
    await project.hook(undefined, { "a.txt": "a" });
    const first = await project.hook(
      { ...TURN, at: "start", prompt },
      { "a.txt": "mine" },
    );
    await project.hook({ ...TURN, tool: "Edit" }, { "a.txt": "b" });
    const other = { agent: "codex", turn: 4 };
    const second = await project.hook({ ...other, at: "start" }, {
      "d.txt": "d",
    });
    const last = await project.hook(
      { ...TURN, at: "end" },
      { "b.txt": "b", "c.txt": "c" },
    );
    const turns = (await project.list()).map(({ turn }) => turn);
    const one = {
      id: first.id,
      agent: "claude-code",
      session: "one",
      number: 3,
      prompt,
      start: first.time,
      end: last.time,
      changed: 4,
    };
    const two = {
      id: second.id,
      agent: "codex",
      number: 4,
      start: second.time,
      end: second.time,
      changed: 0,
    };
    assert.deepEqual(turns, [undefined, one, one, two, one]);
  }));

test("list names the turn that made the changes in each snapshot", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const { id: since } = await project.hook(undefined, { "a.txt": "a" });
    // Nothing has changed before the turn, so the hook takes no snapshot of the
    // state before it.
    const turn = { ...TURN, since };
    await project.hook({ ...turn, tool: "Edit" }, { "a.txt": "b" });
    // The extension takes a snapshot during the turn.
    await project.hook(undefined, { "a.txt": "c" });
    await project.hook({ ...turn, at: "end" }, { "a.txt": "d" });
    const other = { ...TURN, turn: 4 };
    await project.hook({ ...other, at: "start" }, { "a.txt": "mine" });
    await project.hook({ ...other, at: "end" }, { "a.txt": "e" });
    await project.hook(undefined, { "a.txt": "mine again" });
    const made = (await project.list()).map(({ madeBy }) => madeBy?.number);
    assert.deepEqual(made, [undefined, 3, 3, 3, undefined, 4, undefined]);
  }));

test("list names no turn if the changes can be from several turns", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const other = { agent: "codex", turn: 7 };
    await project.hook({ ...TURN, at: "start" }, { "a.txt": "a" });
    await project.hook({ ...other, at: "start" }, { "a.txt": "b" });
    await project.hook(undefined, { "a.txt": "c" });
    await project.hook({ ...TURN, at: "end" }, { "a.txt": "d" });
    await project.hook({ ...other, at: "end" }, { "a.txt": "e" });
    const made = (await project.list()).map(({ madeBy }) => madeBy?.number);
    assert.deepEqual(made, [undefined, 3, undefined, 3, 7]);
  }));

test("undoTurn keeps what was changed since the turn, unless forced", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const before = { "a.txt": "a", "b.txt": "b", "c.txt": "c" };
    const { id } = await project.hook({ ...TURN, at: "start" }, before);
    fs.rmSync(join(project.config.directory, "c.txt"));
    await project.hook({ ...TURN, at: "end" }, {
      "a.txt": "agent",
      "b.txt": "agent",
      "new.txt": "agent",
    });
    project.write({ "b.txt": "mine", "d.txt": "mine" });
    const { overwritten, created, deleted, conflicts, failed } = await project
      .preview(id);
    assert.deepEqual({ overwritten, created, deleted, conflicts, failed }, {
      overwritten: ["a.txt"],
      created: ["c.txt"],
      deleted: ["new.txt"],
      conflicts: ["b.txt"],
      failed: [],
    });
    const { written, failed: kept } = await project.undo(id, false);
    assert.equal(written, 2);
    assert.deepEqual(kept.map(({ path }) => path), ["b.txt"]);
    const undone = { ...before, "b.txt": "mine", "d.txt": "mine" };
    assert.deepEqual(project.read(), undone);
    assert.deepEqual((await project.undo(id, true)).failed, []);
    assert.deepEqual(project.read(), { ...undone, "b.txt": "b" });
    await project.undoRestore();
    assert.deepEqual(project.read(), undone);
    const safety = (await project.list()).filter(({ isSafety }) => isSafety);
    assert.equal(safety[0].label, "before undoing turn 3");
    assert.equal(safety[0].turn, undefined);
  }));

test("undoTurn refuses a turn that has continued since the preview", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const start = { ...TURN, at: "start" } as const;
    const { id } = await project.hook(start, { "a.txt": "a" });
    await project.hook({ ...TURN, tool: "Edit" }, { "a.txt": "b" });
    const { last } = await project.preview(id);
    await project.hook({ ...TURN, at: "end" }, { "a.txt": "c" });
    await assert.rejects(project.undo(id, false, last), {
      code: "changed",
      message:
        /the turn got a new snapshot after the question was shown; try again$/,
    });
    assert.deepEqual(project.read(), { "a.txt": "c" });
    assert.equal((await project.undo(id, false)).written, 1);
    assert.deepEqual(project.read(), { "a.txt": "a" });
  }));

test("previewUndoTurn counts folders", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const start = { ...TURN, at: "start" } as const;
    const { id } = await project.hook(start, { "a.txt": "a" });
    fs.mkdirSync(join(project.config.directory, "empty"));
    await project.hook({ ...TURN, at: "end" });
    const { folders, deleted, touched } = await project.preview(id);
    assert.deepEqual({ folders, deleted, touched }, {
      folders: 1,
      deleted: [],
      touched: 0,
    });
  }));

/** Runs `work` with a project and the notes of its turns. */
function withNotes(
  folder: string,
  work: (project: Project, notes: TurnNotes) => Promise<void>,
): Promise<void> {
  return withTemp(async (temp) => {
    const state = process.env.XDG_STATE_HOME;
    process.env.XDG_STATE_HOME = join(temp, "state");
    try {
      const project = new Project(temp, folder);
      const { directory } = project.config;
      await work(project, new TurnNotes(repositoryName(truePlace(directory))));
    } finally {
      if (state === undefined) delete process.env.XDG_STATE_HOME;
      else process.env.XDG_STATE_HOME = state;
    }
  });
}

test("endTurn stores the changes of a turn that is not finished", () =>
  withNotes("folder", async (project, notes) => {
    const start = { ...TURN, at: "start" } as const;
    const { id } = await project.hook(
      start,
      { "a.txt": "a" },
      await thisMachine(),
    );
    project.write({ "a.txt": "mine" });
    // Without a note of the hook, the turn is not running.
    assert.equal(await project.endTurn(id), false);
    assert.equal((await project.list()).length, 1);
    const note = { turn: TURN.turn, isOver: false };
    notes.write(TURN.agent, TURN.session, note);
    // A snapshot without a turn already has the changes.
    await project.hook(undefined, { "a.txt": "agent" });
    assert.equal(await project.endTurn(id), true);
    const [, , { turn }] = await project.list();
    assert.equal(turn?.id, id);
    assert.equal((await project.undo(id, false)).written, 1);
    assert.deepEqual(project.read(), { "a.txt": "a" });
    notes.write(TURN.agent, TURN.session, { ...note, isOver: true });
    assert.equal(await project.endTurn(id), false);
  }));

test("endTurn takes a snapshot of several directories", () =>
  withNotes("{one,two}", async (project, notes) => {
    const { directory, repository } = project.config;
    const dirs = ["one", "two"].map((name) => join(directory, "..", name));
    for (const dir of dirs) fs.mkdirSync(dir);
    fs.writeFileSync(join(dirs[0], "a.txt"), "a");
    const { id } = await project.hook(
      { ...TURN, at: "start" },
      {},
      await thisMachine(),
      new DirSet(dirs),
    );
    notes.write(TURN.agent, TURN.session, { turn: TURN.turn, isOver: false });
    fs.writeFileSync(join(dirs[1], "b.txt"), "agent");
    assert.equal(await project.endTurn(id), true);
    const records = await (await Repository.open(new LocalStorage(repository)))
      .snapshots();
    const { directory: name, counts } = records[1];
    assert.equal(name, records[0].directory);
    assert.deepEqual([counts.created, counts.deleted], [1, 0]);
  }));

test("previewUndoTurn refuses a turn that no longer exists or is of another machine", () =>
  withTemp(async (temp) => {
    const project = new Project(temp);
    const machine = { id: "other", host: "elsewhere" };
    const turn = { ...TURN, at: "start" } as const;
    const { id } = await project.hook(turn, { "a.txt": "a" }, machine);
    await assert.rejects(project.preview(id), {
      code: "unsafe",
      message:
        /^turn 3 ran on another machine: elsewhere\. Undo the turn there$/,
    });
    await assert.rejects(project.preview(`${id}x`), {
      code: "not-found",
      message: /first snapshot of the turn no longer exists/,
    });
  }));
