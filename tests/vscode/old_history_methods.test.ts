/** The search for the history of a moved folder, without a window. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { createMethods } from "../../extension/src/worker/methods.ts";
import { Repositories } from "../../extension/src/worker/repositories.ts";
import { newIdentity } from "../../lib/age/mod.ts";
import { repositoryName } from "../../lib/repository/mod.ts";
import { withTemp } from "../support/temp.ts";

const methods = createMethods();
const work = { signal: new AbortController().signal, progress() {} };

/** Returns the configuration of a folder, as the extension makes it. */
function configOf(temp: string, name: string, former: readonly string[] = []) {
  const directory = join(temp, name);
  return {
    directory,
    repository: join(temp, "repositories", repositoryName(directory)),
    isOwnStorage: true,
    cache: join(temp, "cache"),
    originals: join(temp, "cache", "originals"),
    excludes: [],
    gitignore: false,
    excludeCaches: false,
    former,
    encrypt: false,
  };
}

/** Makes a folder with two files, and takes a snapshot of it. */
async function project(temp: string, name: string) {
  const config = configOf(temp, name);
  fs.mkdirSync(config.directory);
  fs.writeFileSync(join(config.directory, "notes.md"), "notes\n");
  fs.writeFileSync(join(config.directory, "list.txt"), "list\n");
  await methods.snapshot({ config }, work);
  return config;
}

/** Runs a test with a temporary folder, in which pins are stored, too. */
function withState(work: (temp: string) => Promise<void>): Promise<void> {
  return withTemp(async (temp) => {
    const { XDG_STATE_HOME: before } = process.env;
    process.env.XDG_STATE_HOME = join(temp, "state");
    try {
      await work(temp);
    } finally {
      if (before === undefined) delete process.env.XDG_STATE_HOME;
      else process.env.XDG_STATE_HOME = before;
    }
  });
}

test("findMoved() recognizes a moved folder by its identity", () =>
  withTemp(async (temp) => {
    const old = await project(temp, "old");
    const config = configOf(temp, "new");
    fs.renameSync(old.directory, config.directory);
    // The files alone would not be sufficient.
    for (const name of ["notes.md", "list.txt"]) {
      fs.appendFileSync(join(config.directory, name), "more\n");
    }
    const { directory, repository } = old;
    assert.deepEqual(await methods.findMoved({ config }, work), {
      directory,
      repository,
      isMoved: true,
    });
  }));

test("findMoved() recognizes a folder on another disk by its files", () =>
  withTemp(async (temp) => {
    const old = await project(temp, "old");
    await project(temp, "other");
    const config = configOf(temp, "new");
    execFileSync("cp", ["-a", old.directory, config.directory]);
    assert.equal(await methods.findMoved({ config }, work), undefined);
    fs.rmSync(old.directory, { recursive: true });
    const found = await methods.findMoved({ config }, work);
    assert.equal(found?.directory, old.directory);
    // The original might be on a disk that is not mounted.
    assert.equal(found?.isMoved, false);
    // The files of a new checkout only have the same names and sizes.
    for (const name of ["notes.md", "list.txt"]) {
      fs.utimesSync(join(config.directory, name), 1, 1);
    }
    assert.equal(await methods.findMoved({ config }, work), undefined);
  }));

test("a folder keeps its history if it is moved twice, and if the first snapshot after a move is removed", () =>
  withTemp(async (temp) => {
    const one = await project(temp, "one");
    const two = configOf(temp, "two");
    fs.renameSync(one.directory, two.directory);
    await methods.continueHistory({ config: two, from: one }, work);
    assert.ok(!fs.existsSync(one.repository));
    fs.writeFileSync(join(two.directory, "notes.md"), "second\n");
    await methods.snapshot({ config: two, continues: one.directory }, work);
    const former = [two.directory, one.directory];
    const three = configOf(temp, "three", former);
    fs.renameSync(two.directory, three.directory);
    await methods.continueHistory({ config: three, from: two }, work);
    const first = await methods.snapshot({
      config: three,
      continues: two.directory,
    }, work);
    fs.writeFileSync(join(three.directory, "notes.md"), "third\n");
    await methods.snapshot({ config: three }, work);
    const shown = async () => ({
      list: (await methods.list({ config: three }, work))
        .map(({ directory }) => directory),
      sizes: (await methods.history({ config: three, path: "notes.md" }, work))
        .map(({ size }) => size),
    });
    const directories = [three, two, one].map(({ directory }) => directory);
    assert.deepEqual(await shown(), {
      list: [three.directory, ...directories],
      sizes: [6, 7, 6],
    });
    await methods.forget({ config: three, id: first.snapshot.id }, work);
    assert.deepEqual(await shown(), { list: directories, sizes: [6, 7, 6] });
  }));

test("the snapshots are copied if the folder has a repository", () =>
  withTemp(async (temp) => {
    const old = await project(temp, "old");
    const config = configOf(temp, "new", [old.directory]);
    fs.renameSync(old.directory, config.directory);
    await methods.snapshot({ config }, work);
    const both = { config, from: old };
    assert.deepEqual(await methods.continueHistory(both, work), {
      isMoved: false,
    });
    assert.ok(fs.existsSync(old.repository));
    await methods.copyHistory(both, work);
    fs.writeFileSync(join(config.directory, "notes.md"), "second\n");
    await methods.snapshot({ config }, work);
    const list = await methods.list({ config }, work);
    assert.deepEqual(list.map(({ directory }) => directory), [
      config.directory,
      config.directory,
      old.directory,
    ]);
    assert.equal(list[1].before, list[2].id);
    const versions = await methods.history({ config, path: "notes.md" }, work);
    assert.deepEqual(versions.map(({ id }) => id), [list[0].id, list[2].id]);
  }));

test("a folder keeps its history if it is moved back and then on", () =>
  withTemp(async (temp) => {
    const one = await project(temp, "one");
    fs.writeFileSync(join(one.directory, "notes.md"), "1\n");
    await methods.snapshot({ config: one }, work);
    const two = configOf(temp, "two", [one.directory]);
    const move = async (
      from: ReturnType<typeof configOf>,
      to: ReturnType<typeof configOf>,
      text: string,
    ) => {
      fs.renameSync(from.directory, to.directory);
      const { directory, repository } = from;
      assert.deepEqual(await methods.findMoved({ config: to }, work), {
        directory,
        repository,
        isMoved: true,
      });
      await methods.continueHistory({ config: to, from }, work);
      const [{ directory: continues }] = await methods.list(
        { config: to },
        work,
      );
      assert.equal(continues, directory);
      fs.writeFileSync(join(to.directory, "notes.md"), text);
      await methods.snapshot({ config: to, continues }, work);
    };
    const shown = async (config: ReturnType<typeof configOf>) =>
      (await methods.list({ config }, work)).map(({ directory }) => directory);
    await move(one, two, "22\n");
    const back = { ...one, former: [two.directory] };
    await move(two, back, "333\n");
    const [a, b] = [one.directory, two.directory];
    assert.deepEqual(await shown(back), [a, b, a, a]);
    const [last, older] = await methods.list({ config: back }, work);
    assert.equal(last.before, older.id);
    const versions = await methods.history(
      { config: back, path: "notes.md" },
      work,
    );
    assert.deepEqual(versions.map(({ size }) => size), [4, 3, 2, 6]);
    const three = configOf(temp, "three", [a, b]);
    await move(back, three, "4444\n");
    assert.deepEqual(await shown(three), [three.directory, a, b, a, a]);
  }));

test("findMoved() compares files if the repository of a moved folder no longer exists", () =>
  withTemp(async (temp) => {
    const old = await project(temp, "old");
    const elsewhere = join(temp, "repositories", "renamed-1");
    fs.renameSync(old.repository, elsewhere);
    const config = configOf(temp, "new");
    fs.renameSync(old.directory, config.directory);
    assert.deepEqual(await methods.findMoved({ config }, work), {
      directory: old.directory,
      repository: elsewhere,
      isMoved: false,
    });
  }));

test("a copy of the history at a new location has the safety snapshots", () =>
  withTemp(async (temp) => {
    const from = await project(temp, "folder");
    const [{ id }] = await methods.list({ config: from }, work);
    const notes = join(from.directory, "notes.md");
    fs.writeFileSync(notes, "second\n");
    const request = { id, deleteOthers: false };
    await methods.restore({ config: from, request }, work);
    assert.equal(fs.readFileSync(notes, "utf8"), "notes\n");
    const config = { ...from, repository: join(temp, "elsewhere") };
    assert.deepEqual(await methods.copyHistory({ config, from }, work), {
      copied: 2,
    });
    await methods.undo({ config }, work);
    assert.equal(fs.readFileSync(notes, "utf8"), "second\n");
  }));

test("a copy of the history made later precedes the snapshots at the new location", () =>
  withTemp(async (temp) => {
    const from = await project(temp, "folder");
    const config = { ...from, repository: join(temp, "elsewhere") };
    fs.writeFileSync(join(from.directory, "notes.md"), "second\n");
    await methods.snapshot({ config }, work);
    await methods.copyHistory({ config, from }, work);
    const [last, first] = await methods.list({ config }, work);
    assert.equal(last.before, first.id);
    // The copy in the other direction adds the later snapshot.
    const back = { config: from, from: config };
    assert.deepEqual(await methods.copyHistory(back, work), { copied: 1 });
    const list = await methods.list({ config: from }, work);
    assert.deepEqual(list.map(({ id }) => id), [last.id, first.id]);
  }));

test("copyHistory() copies an encrypted history to an unencrypted repository only with mayDecrypt", () =>
  withState(async (temp) => {
    const config = configOf(temp, "folder");
    const from = {
      ...config,
      repository: join(temp, "secret"),
      encrypt: true,
      key: await newIdentity(),
    };
    const { id } = await methods.draft({ config: from }, work);
    await methods.create({ config: from, id }, work);
    fs.mkdirSync(config.directory);
    fs.writeFileSync(join(config.directory, "notes.md"), "notes\n");
    await methods.snapshot({ config: from }, work);
    const both = { config, from };
    await assert.rejects(methods.copyHistory(both, work), {
      code: "uncreated",
    });
    assert.ok(!fs.existsSync(config.repository));
    fs.appendFileSync(join(config.directory, "notes.md"), "more\n");
    await methods.snapshot({ config }, work);
    await assert.rejects(methods.copyHistory(both, work), {
      code: "unsupported",
      message: /is not encrypted, but the history to copy is/,
    });
    assert.equal((await methods.list({ config }, work)).length, 1);
    const allowed = { ...both, mayDecrypt: true };
    assert.deepEqual(await methods.copyHistory(allowed, work), { copied: 1 });
  }));

for (const isCopied of [false, true]) {
  const way = isCopied ? "copied" : "moved";
  test(`the last restore before a move can be undone if the history is ${way}`, () =>
    withTemp(async (temp) => {
      const old = await project(temp, "old");
      const [{ id }] = await methods.list({ config: old }, work);
      const notes = join(old.directory, "notes.md");
      fs.writeFileSync(notes, "second\n");
      const request = { id, deleteOthers: false };
      await methods.restore({ config: old, request }, work);
      const config = configOf(temp, "new", [old.directory]);
      fs.renameSync(old.directory, config.directory);
      const both = { config, from: old };
      if (isCopied) await methods.copyHistory(both, work);
      else await methods.continueHistory(both, work);
      const list = await methods.list({ config }, work);
      assert.deepEqual(list.map(({ isSafety }) => isSafety), [true, undefined]);
      const read = () =>
        fs.readFileSync(join(config.directory, "notes.md"), "utf8");
      const direction = "undo";
      const plan = await methods.previewRevert({ config, direction }, work);
      assert.deepEqual(plan?.overwritten, ["notes.md"]);
      await methods.undo({ config }, work);
      assert.equal(read(), "second\n");
      const again = await methods.previewRevert({ config, direction }, work);
      assert.equal(again, undefined);
      await methods.redo({ config }, work);
      assert.equal(read(), "notes\n");
    }));
}

test("findMoved() does not record encrypted repositories of others as used", () =>
  withState(async (temp) => {
    const pins = join(temp, "state", "deltar", "pins");
    const key = await newIdentity();
    const config = { ...configOf(temp, "folder"), encrypt: true, key };
    const maker = new Repositories();
    await maker.create(config, (await maker.draft(config)).id);
    fs.rmSync(pins, { recursive: true });
    await new Repositories().peek(config);
    assert.ok(!fs.existsSync(pins));
    await new Repositories().open(config);
    assert.equal(fs.readdirSync(pins).length, 1);
  }));
