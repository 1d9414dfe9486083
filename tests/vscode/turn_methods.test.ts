/** The turns of agents in the worker of the extension, without a window. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createMethods } from "../../extension/src/worker/methods.ts";
import {
  Dir,
  LocalStorage,
  Repository,
  type SnapshotRecord,
} from "../../mod.ts";
import type { Machine, TurnRecord } from "../../lib/repository/mod.ts";
import { withTemp } from "../support/temp.ts";

const TURN = { agent: "claude-code", session: "one", turn: 3 };

/** A folder with snapshots that a hook took. */
class Project {
  readonly config;
  readonly #methods = createMethods();
  readonly #work = { signal: new AbortController().signal, progress() {} };
  #repository: Promise<Repository> | undefined;

  constructor(temp: string) {
    this.config = {
      directory: join(temp, "folder"),
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

  /** Takes a snapshot as `deltar hook` does, after writing files. */
  async hook(
    turn: TurnRecord | undefined,
    files: Record<string, string> = {},
    machine?: Machine,
  ): Promise<SnapshotRecord> {
    this.write(files);
    const storage = new LocalStorage(this.config.repository);
    const repository = await (this.#repository ??= Repository.create(storage, {
      machine,
    }));
    const dir = new Dir(this.config.directory);
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

  undo(turn: string, force: boolean) {
    const params = { config: this.config, turn, force };
    return this.#methods.undoTurn(params, this.#work);
  }

  undoRestore() {
    return this.#methods.undo({ config: this.config }, this.#work);
  }
}

test("list gives each snapshot the turn that it belongs to", () =>
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
      isOver: true,
      changed: 4,
    };
    const two = {
      id: second.id,
      agent: "codex",
      number: 4,
      start: second.time,
      end: second.time,
      isOver: false,
      changed: 0,
    };
    assert.deepEqual(turns, [undefined, one, one, two, one]);
  }));

test("undoTurn keeps what was changed since, unless forced", () =>
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

test("previewUndoTurn refuses a turn that is gone or of another machine", () =>
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
