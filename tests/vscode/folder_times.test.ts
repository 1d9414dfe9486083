import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createMethods } from "../../extension/src/worker/methods.ts";
import { withTemp } from "../support/temp.ts";

/** Returns the configuration of a folder, as the extension makes it. */
function configOf(temp: string, name: string) {
  return {
    directory: join(temp, name),
    repository: join(temp, "repository"),
    isOwnStorage: false,
    cache: join(temp, "cache"),
    originals: join(temp, "cache", "originals"),
    excludes: ["*.log"],
    gitignore: false,
    excludeCaches: false,
    encrypt: false,
  };
}

test("snapshot with ignoresFolderTimes ignores excluded files", () =>
  withTemp(async (temp) => {
    const methods = createMethods();
    const config = configOf(temp, "folder");
    const at = (path: string) => join(config.directory, path);
    const take = async (ignoresFolderTimes = true) => {
      const work = { signal: new AbortController().signal, progress() {} };
      const params = { config, ignoresFolderTimes };
      const { isNew, snapshot } = await methods.snapshot(params, work);
      return { isNew, id: snapshot.id };
    };
    fs.mkdirSync(at("sub"), { recursive: true });
    fs.writeFileSync(at("sub/notes.md"), "first\n");
    const first = await take();
    assert.equal(first.isNew, true);
    fs.writeFileSync(at("sub/made.log"), "made\n");
    fs.utimesSync(at("sub"), 1, 1);
    assert.deepEqual(await take(), { isNew: false, id: first.id });
    assert.deepEqual(await take(), { isNew: false, id: first.id });
    // All other changes that a snapshot stores are noticed.
    fs.chmodSync(at("sub"), 0o700);
    assert.equal((await take()).isNew, true);
    fs.chmodSync(at(""), 0o700);
    assert.equal((await take()).isNew, true);
    fs.chmodSync(at(""), 0o750);
    fs.utimesSync(at("sub"), 3, 3);
    assert.equal((await take()).isNew, true);
    fs.mkdirSync(at("empty"));
    assert.equal((await take()).isNew, true);
    fs.utimesSync(at("sub/notes.md"), 1, 1);
    assert.equal((await take()).isNew, true);
    fs.rmdirSync(at("empty"));
    assert.equal((await take()).isNew, true);
    // The next manual snapshot stores the times.
    fs.utimesSync(at("sub"), 2, 2);
    assert.equal((await take()).isNew, false);
    assert.equal((await take(false)).isNew, true);
    assert.equal((await take(false)).isNew, false);
  }));

test("snapshot never includes the extension's own folders", () =>
  withTemp(async (temp) => {
    const methods = createMethods();
    const work = { signal: new AbortController().signal, progress() {} };
    const { directory, ...rest } = configOf(temp, "folder");
    const ownFolders = ["storage", "logs"].map((name) => join(directory, name));
    const config = { ...rest, directory, ownFolders };
    for (const folder of ownFolders) {
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(join(folder, "last"), "1");
    }
    fs.writeFileSync(join(directory, "notes.md"), "first\n");
    const { snapshot } = await methods.snapshot({ config }, work);
    assert.equal(snapshot.counts.files, 1);
    for (const folder of ownFolders) {
      fs.writeFileSync(join(folder, "last"), "two");
    }
    assert.equal((await methods.snapshot({ config }, work)).isNew, false);
    const request = { id: snapshot.id, deleteOthers: true };
    await methods.restore({ config, request }, work);
    for (const folder of ownFolders) {
      assert.equal(fs.readFileSync(join(folder, "last"), "utf8"), "two");
    }
  }));

test("snapshot with ignoresFolderTimes stores the first snapshot at a new path", () =>
  withTemp(async (temp) => {
    const methods = createMethods();
    const work = { signal: new AbortController().signal, progress() {} };
    const old = configOf(temp, "old");
    fs.mkdirSync(join(old.directory, "sub"), { recursive: true });
    await methods.snapshot({ config: old }, work);
    const config = configOf(temp, "new");
    fs.renameSync(old.directory, config.directory);
    const take = async () => {
      const { isNew } = await methods.snapshot({
        config,
        ignoresFolderTimes: true,
        continues: old.directory,
      }, work);
      return isNew;
    };
    fs.utimesSync(join(config.directory, "sub"), 1, 1);
    assert.equal(await take(), true);
    assert.equal(await take(), false);
    const list = await methods.list({ config }, work);
    assert.deepEqual(list.map(({ directory }) => directory), [
      config.directory,
      old.directory,
    ]);
  }));
