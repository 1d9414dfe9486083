/** The search for the history of a moved folder, without a window. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createMethods } from "../../extension/src/worker/methods.ts";
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

test("findMoved() recognizes a moved folder by its identity", () =>
  withTemp(async (temp) => {
    const old = await project(temp, "old");
    const config = configOf(temp, "new");
    fs.renameSync(old.directory, config.directory);
    // The files alone would not be enough.
    for (const name of ["notes.md", "list.txt"]) {
      fs.appendFileSync(join(config.directory, name), "more\n");
    }
    const { directory, repository } = old;
    assert.deepEqual(await methods.findMoved({ config }, work), {
      directory,
      repository,
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
    // The files of a new checkout have the same names and sizes only.
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

test("continueHistory() copies the snapshots if the folder has a repository", () =>
  withTemp(async (temp) => {
    const old = await project(temp, "old");
    const config = configOf(temp, "new", [old.directory]);
    fs.renameSync(old.directory, config.directory);
    await methods.snapshot({ config }, work);
    await methods.continueHistory({ config, from: old }, work);
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
