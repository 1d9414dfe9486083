import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { markRestored } from "../../extension/src/host/commands/mark_restored.ts";
import { Dir, MemoryStorage, Repository } from "../../mod.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

/** A time in the past, in seconds since 1970. */
const OLD = 1_000_000_000;

test("markRestored() marks replaced files, also after a failure", () =>
  withTemp(async (folder) => {
    const at = (name: string) => join(folder, name);
    const time = (name: string) => fs.lstatSync(at(name)).mtimeMs / 1000;
    const names = ["changed", "gone", "same", "touched"];
    for (const name of [...names, "closed"]) {
      fs.writeFileSync(at(name), "the original\n");
      fs.utimesSync(at(name), OLD, OLD);
    }
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(new Dir(folder));
    fs.writeFileSync(at("changed"), "edited later\n");
    fs.writeFileSync(at("closed"), "edited later\n");
    fs.rmSync(at("gone"));
    fs.utimesSync(at("touched"), OLD + 9, OLD + 9);
    const began = Date.now() / 1000 - 2;
    const failure = new Error("cancelled");
    const work = markRestored(names.map(at), async () => {
      await repository.restore(record, folder);
      throw failure;
    });
    await assert.rejects(work, failure);
    for (const name of ["changed", "gone"]) assert.ok(time(name) > began, name);
    for (const name of ["same", "touched", "closed"]) {
      assert.equal(time(name), OLD, name);
    }
  }));

test(
  "markRestored() follows no symlink",
  needsSymlinks,
  () =>
    withTemp(async (folder) => {
      const [link, target] = ["link", "target"].map((name) =>
        join(folder, name)
      );
      fs.writeFileSync(target, "");
      fs.utimesSync(target, OLD, OLD);
      await markRestored([link], async () => {
        await fs.promises.symlink("target", link);
      });
      assert.equal(fs.statSync(target).mtimeMs / 1000, OLD);
    }),
);
