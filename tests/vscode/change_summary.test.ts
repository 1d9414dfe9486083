/**
 * Summaries of the changes between snapshots, compared with the complete lists.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createMethods } from "../../extension/src/worker/methods.ts";
import { withTemp } from "../support/temp.ts";

/** Takes snapshots of a folder, one after each of the edits. */
async function taken(
  temp: string,
  edits: ((at: (path: string) => string) => void)[],
) {
  const config = {
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
  const methods = createMethods();
  const { signal } = new AbortController();
  const work = { signal, progress: () => {} };
  fs.mkdirSync(config.directory);
  for (const edit of edits) {
    edit((path) => join(config.directory, path));
    await methods.snapshot({ config }, work);
  }
  const infos = (await methods.list({ config }, work)).reverse();
  return {
    config,
    methods,
    infos,
    summary: (at: number, within = "") =>
      methods.summary({
        config,
        before: infos[at].before,
        after: infos[at].id,
        within,
      }, work),
    compare: async (at: number, within = "") =>
      (await methods.compare({
        config,
        before: infos[at].before,
        after: infos[at].id,
        within,
      }, work)).filter(({ change }) => change !== "touched"),
    children: (at: number, path: string) =>
      methods.children({ config, id: infos[at].id, path }, work),
  };
}

test("summary has the number of files that compare lists", () =>
  withTemp(async (temp) => {
    const { infos, summary, compare } = await taken(temp, [
      (at) => {
        fs.mkdirSync(at("lib/tree"), { recursive: true });
        for (let n = 0; n < 50; n++) {
          fs.writeFileSync(at(`lib/tree/${n}.ts`), `text ${n}`);
        }
        fs.writeFileSync(at("a.md"), "a");
      },
      (at) => fs.writeFileSync(at("a.md"), "changed"),
      (at) => {
        fs.renameSync(at("lib/tree/7.ts"), at("lib/seven.ts"));
        fs.rmSync(at("lib/tree/8.ts"));
        fs.writeFileSync(at("lib/tree/new.ts"), "new");
        fs.copyFileSync(at("lib/tree/9.ts"), at("lib/tree/copy.ts"));
      },
      (at) => fs.chmodSync(at("a.md"), 0o600),
      (at) => {
        for (let n = 10; n < 40; n++) {
          fs.appendFileSync(at(`lib/tree/${n}.ts`), "more");
        }
      },
      (at) => fs.rmSync(at("lib"), { recursive: true }),
    ]);
    for (const at of infos.keys()) {
      for (const within of ["", "lib", "lib/tree"]) {
        const found = await summary(at, within);
        const listed = await compare(at, within);
        assert.equal(found?.changed, listed.length, `${at} ${within}`);
        for (const { path } of found?.first ?? []) {
          assert.ok(listed.some((one) => one.path === path), path);
        }
      }
    }
    assert.deepEqual(await summary(1), {
      changed: 1,
      first: [{ path: "a.md", change: "updated" }],
      folder: "",
    });
    assert.deepEqual(await summary(2), {
      changed: 4,
      first: [
        { path: "lib/seven.ts", change: "renamed" },
        { path: "lib/tree/copy.ts", change: "created" },
      ],
      folder: "lib",
    });
    assert.deepEqual((await summary(3))?.changed, 0);
    assert.equal((await summary(4))?.folder, "lib/tree");
  }));

test("summary returns nothing if more paths differ than it compares", () =>
  withTemp(async (temp) => {
    const { summary } = await taken(temp, [
      (at) => fs.writeFileSync(at("a.md"), "a"),
      (at) => {
        for (let n = 0; n <= 10_000; n++) fs.writeFileSync(at(`${n}`), "");
      },
    ]);
    assert.equal(await summary(1), undefined);
  }));

test("children lists one folder of a snapshot with kinds and sizes", () =>
  withTemp(async (temp) => {
    const { children } = await taken(temp, [(at) => {
      fs.mkdirSync(at("lib/deep/deeper"), { recursive: true });
      fs.writeFileSync(at("lib/deep/deeper/a.ts"), "a");
      fs.writeFileSync(at("lib/b.ts"), "bb");
      fs.writeFileSync(at("lib.ts"), "c");
    }]);
    assert.deepEqual(
      (await children(0, "lib")).map(({ name, kind }) => [name, kind]),
      [["b.ts", "file"], ["deep", "directory"]],
    );
    assert.equal((await children(0, "lib"))[0].size, 2);
    assert.deepEqual((await children(0, "")).map(({ name }) => name), [
      "lib",
      "lib.ts",
    ]);
  }));

test("compare names a source only for renamed and copied files", () =>
  withTemp(async (temp) => {
    const { compare } = await taken(temp, [
      (at) => {
        fs.writeFileSync(at("a.txt"), "the same content\n");
        fs.writeFileSync(at("b.txt"), "another content\n");
      },
      (at) => {
        fs.copyFileSync(at("a.txt"), at("b.txt"));
        fs.copyFileSync(at("a.txt"), at("c.txt"));
      },
    ]);
    assert.deepEqual(
      (await compare(1)).map(({ path, change, from }) => [path, change, from]),
      [["b.txt", "updated", undefined], ["c.txt", "copied", "a.txt"]],
    );
  }));

test("compare ends when the request is cancelled", () =>
  withTemp(async (temp) => {
    const { config, methods, infos: [, after] } = await taken(temp, [
      (at) => fs.writeFileSync(at("a.txt"), "one\n"),
      (at) => fs.writeFileSync(at("a.txt"), "another\n"),
    ]);
    const params = { config, before: after.before, after: after.id };
    const compare = (signal: AbortSignal) =>
      methods.compare(params, { signal, progress: () => {} });
    const controller = new AbortController();
    const cancelled = compare(controller.signal);
    controller.abort();
    await assert.rejects(cancelled, { code: "aborted" });
    // The trees and the list were not read to the end, so the next request has
    // to read them.
    fs.rmSync(join(config.repository, "trees"), { recursive: true });
    await assert.rejects(compare(new AbortController().signal), {
      code: "not-found",
    });
  }));
