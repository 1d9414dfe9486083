import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { isWithin } from "../../lib/tree/path.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { runs } from "../support/runs.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import {
  anyTree,
  stateOf,
  treeAndEdited,
  writeTree,
} from "../support/trees.ts";
import { everything } from "./helpers.ts";

/** Returns the complete state of a directory, including its own. */
function whole(root: string): unknown {
  const { mode, mtime } = lstat(root);
  return { "": { mode, mtime }, ...stateOf(root) };
}

/** Returns the state of a path and below it. */
function within(state: unknown, path: string): unknown {
  return Object.fromEntries(
    Object.entries(state as object).filter(([at]) => isWithin(at, path)),
  );
}

const pair = fc.oneof(fc.tuple(anyTree, anyTree), treeAndEdited);

test("restore, undo and redo of any tree over any other produce each state exactly", async () => {
  await fc.assert(
    fc.asyncProperty(pair, fc.boolean(), async ([wanted, there], removes) => {
      await withTemp(async (folder) => {
        const source = join(folder, "source");
        const target = join(folder, "target");
        writeTree(source, wanted);
        writeTree(target, there);
        // Not every runtime can set a time to the nanosecond.
        for (const root of [source, target]) setTimes(root, 10n ** 18n);
        const repository = await Repository.create(new MemoryStorage());
        const { record } = await repository.snapshot(everything(source));
        const before = whole(target);
        const options = { delete: removes };
        const plan = await repository.planRestore(record, target, options);
        assert.deepEqual(whole(target), before, "a plan changes nothing");
        const done = await repository.restore(record, target, options);
        // Without `delete`, a folder that is not empty is not emptied.
        const refused = done.failed.map(({ path }) => path);
        for (const { path, error } of done.failed) {
          assert.match(
            error.message,
            /a folder that is not empty|the folder .* could not/,
          );
          assert.ok(!removes);
          assert.deepEqual(within(whole(target), path), within(before, path));
        }
        const after = whole(target);
        if (removes) assert.deepEqual(after, whole(source));
        else {
          const all = stateOf(target);
          for (const [path, state] of Object.entries(stateOf(source))) {
            if (refused.some((at) => isWithin(path, at))) continue;
            assert.deepEqual(
              { ...all[path] as object, sameFileAs: 0 },
              { ...state as object, sameFileAs: 0 },
              path,
            );
          }
        }
        const again = await repository.planRestore(record, target, options);
        assert.deepEqual(again.steps, []);
        if (done.safety === undefined) {
          assert.ok(plan.steps.every(({ action }) => action === "create"));
          if (plan.steps.length === 0) return;
          const undone = await repository.revert(target);
          assert.deepEqual(undone.failed, []);
          assert.deepEqual(stateOf(target), {});
          return;
        }
        for (let round = 0; round < 2; round++) {
          const undone = await repository.revert(target);
          assert.deepEqual(undone.failed, []);
          assert.deepEqual(whole(target), before, "undone");
          const redone = await repository.revert(target, { direction: "redo" });
          assert.deepEqual(redone.failed, []);
          assert.deepEqual(whole(target), after, "redone");
        }
        await assert.rejects(repository.revert(target, { direction: "redo" }), {
          code: "not-found",
        });
      });
    }),
    runs(15),
  );
});

test(
  "restore() writes nothing into the repository itself",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const home = join(folder, "home");
      const place = join(home, "repository");
      const source = join(folder, "source");
      fs.mkdirSync(join(source, "repository/snapshots"), { recursive: true });
      fs.writeFileSync(join(source, "repository/deltar.json"), "not settings");
      fs.writeFileSync(join(source, "other"), "other");
      const repository = await Repository.create(new LocalStorage(place));
      const { record } = await repository.snapshot(everything(source));
      const before = stateOf(home);
      fs.symlinkSync(home, join(folder, "link"), "junction");
      for (
        const target of [
          home,
          place,
          join(place, "snapshots"),
          join(place, "new/new"),
          join(folder, "link/repository"),
        ]
      ) {
        for (const removes of [false, true]) {
          const options = { delete: removes };
          for (
            const work of [
              () => repository.planRestore(record, target, options),
              () => repository.restore(record, target, options),
            ]
          ) {
            await assert.rejects(work, { name: "DeltarError", code: "unsafe" });
          }
        }
      }
      assert.deepEqual(stateOf(home), before);
      // Paths next to the repository, or outside of it, are restored.
      await repository.restore(record, `${place}-2`);
      await repository.restore(record, home, {
        paths: ["other"],
        delete: true,
      });
      assert.equal(fs.readFileSync(join(home, "other"), "utf8"), "other");
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
    });
  },
);

test("restore() without a safety snapshot replaces and deletes files, and stores nothing", async () => {
  await fc.assert(
    fc.asyncProperty(pair, async ([wanted, there]) => {
      await withTemp(async (folder) => {
        const source = join(folder, "source");
        const target = join(folder, "target");
        writeTree(source, wanted);
        writeTree(target, there);
        const storage = new MemoryStorage();
        const repository = await Repository.create(storage);
        const { record } = await repository.snapshot(everything(source));
        const before = [...storage.objects.keys()];
        const options = { delete: true, safety: false };
        const wasEmpty = fs.readdirSync(target).length === 0;
        const { failed, safety } = await repository
          .restore(record, target, options);
        assert.deepEqual([failed, safety], [[], undefined]);
        assert.deepEqual(stateOf(target), stateOf(source));
        assert.deepEqual(fs.readdirSync(folder).sort(), ["source", "target"]);
        if (wasEmpty) return;
        assert.deepEqual([...storage.objects.keys()], before);
        await assert.rejects(repository.revert(target), { code: "not-found" });
      });
    }),
    runs(60),
  );
});
