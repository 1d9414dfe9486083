import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { FolderConfig } from "../../extension/src/shared/protocol.ts";
import { editedSince } from "../../extension/src/worker/edited_since.ts";
import { Repositories } from "../../extension/src/worker/repositories.ts";
import { restoreMethods } from "../../extension/src/worker/restore_methods.ts";
import { Dir } from "../../mod.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const work = { signal: new AbortController().signal, progress: () => {} };

/** Makes a folder, and calls `use` with the worker's methods for it. */
async function withFolder(
  use: (parts: {
    config: FolderConfig;
    repositories: Repositories;
    methods: ReturnType<typeof restoreMethods>;
  }) => Promise<void>,
): Promise<void> {
  await withTemp(async (temp) => {
    // The worker stores the id of this machine in this folder.
    process.env.XDG_STATE_HOME = join(temp, "state");
    const directory = join(temp, "folder");
    fs.mkdirSync(directory);
    const config = {
      directory,
      repository: join(temp, "repository"),
      isOwnStorage: true,
      cache: join(temp, "cache"),
      originals: join(temp, "cache", "originals"),
      excludes: [],
      gitignore: true,
      excludeCaches: false,
      encrypt: false,
    };
    const repositories = new Repositories();
    const methods = restoreMethods(repositories);
    await use({ config, repositories, methods });
  });
}

test("previewRevert() returns nothing only if there is nothing to undo", () =>
  withFolder(async ({ config, repositories, methods }) => {
    const { directory } = config;
    const undo = (some: Partial<FolderConfig> = {}) =>
      methods.previewRevert({
        config: { ...config, ...some },
        direction: "undo",
      }, work);
    assert.equal(await undo(), undefined, "no repository yet");
    await assert.rejects(undo({ isOwnStorage: false }), { code: "not-found" });
    const repository = await repositories.openOrCreate(config);
    assert.equal(await undo(), undefined, "no restore yet");

    fs.writeFileSync(join(directory, "a.txt"), "the original\n");
    const { record } = await repository.snapshot(new Dir(directory));
    fs.writeFileSync(join(directory, "a.txt"), "ruined\n");
    await repository.restore(record, directory);
    assert.deepEqual((await undo())?.overwritten, ["a.txt"]);
    for (const name of ["trees", "checkpoints"]) {
      fs.rmSync(join(config.repository, name), { recursive: true });
    }
    await assert.rejects(undo(), { code: "not-found" });
  }));

test(
  "previewRevert() names edited files, even if their names are not UTF-8",
  needsPosix("names that are not UTF-8"),
  () =>
    withFolder(async ({ config, repositories, methods }) => {
      const { directory } = config;
      const place = (name: string) =>
        Buffer.from(join(directory, name), "latin1");
      const write = (name: string, text: string) =>
        fs.writeFileSync(place(name), text);
      const names = ["edited\xe9.txt", "same\xe9.txt"];
      for (const name of names) write(name, "the original\n");
      fs.symlinkSync("target", join(directory, "link"));
      const repository = await repositories.openOrCreate(config);
      const { record } = await repository.snapshot(new Dir(directory));
      for (const name of names) write(name, "ruined\n");
      fs.rmSync(join(directory, "link"));
      fs.symlinkSync("elsewhere", join(directory, "link"));
      await repository.restore(record, directory);
      write(names[0], "edited after the restore\n");
      // Only the time differs.
      fs.utimesSync(place(names[1]), 1, 1);
      const preview = await methods.previewRevert(
        { config, direction: "undo" },
        work,
      );
      assert.deepEqual(preview?.overwritten.sort(), [
        "edited\udce9.txt",
        "link",
        "same\udce9.txt",
      ]);
      assert.deepEqual(preview?.edited, ["edited\udce9.txt"]);
    }),
);

test("editedSince() names paths that cannot be read or were deleted", () =>
  withFolder(async ({ config: { directory }, config, repositories }) => {
    for (const name of ["file", "same"]) {
      fs.writeFileSync(join(directory, name), "the original\n");
    }
    const repository = await repositories.openOrCreate(config);
    const { record } = await repository.snapshot(new Dir(directory));
    const plan = await repository.planRestore(record, directory);
    plan.reverts = record.id;
    fs.rmSync(join(directory, "file"));
    // The system or deltar refuses the other paths.
    const unreadable = ["x".repeat(300), "../outside"];
    const paths = ["file", "same", ...unreadable];
    assert.deepEqual(
      await editedSince(repository, plan, paths, work.signal),
      ["file", ...unreadable],
    );
  }));
