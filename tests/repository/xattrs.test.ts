import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { useFolderAccess } from "../../lib/tree/open_folder.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { needsOtherDisk, withOtherDisk } from "../support/other_disk.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes } from "../support/trees.ts";
import {
  differences,
  isRoot,
  needsXattrs,
  needsXattrsOfRoot,
  setXattr,
  shownXattrs,
  writeAttributed,
} from "../support/xattrs.ts";
import { everything, later } from "./helpers.ts";

/** Runs work as a runtime does that cannot read or set attributes. */
async function withoutCalls<Result>(
  work: () => Promise<Result>,
): Promise<Result> {
  useFolderAccess("proc");
  try {
    return await work();
  } finally {
    useFolderAccess(undefined);
  }
}

/** Runs work with a folder with attributes, and its repository. */
async function withAttributed(
  work: (
    place: { source: string; target: string; cache: string },
    repository: Repository,
  ) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const source = join(folder, "source");
    fs.mkdirSync(source);
    writeAttributed(source);
    const target = join(folder, "target");
    const cache = join(folder, "cache");
    const repository = await Repository.create(new MemoryStorage());
    await work({ source, target, cache }, repository);
  });
}

test(
  "a snapshot restores all attributes and ACLs",
  needsXattrs,
  async () => {
    await withAttributed(async ({ source, target, cache }, repository) => {
      const walker = everything(source);
      const { record } = await repository.snapshot(walker, { cache });
      const done = await repository.restore(record, target);
      assert.deepEqual(done.failed, []);
      assert.equal(differences(source, target), "");
      const again = await repository.restore(record, target);
      assert.equal(again.touched + again.files, 0);
      const { xattrs } = await repository.verify({ data: true });
      assert.equal(xattrs, isRoot ? 7 : 5);
      const drilled = await repository.drill();
      assert.equal(drilled.xattrs, isRoot ? 5 : 4);
      assert.equal(drilled.xattrsCompared, 3);
      await withoutCalls(async () => {
        const { xattrs, xattrsCompared, failed } = await repository.drill();
        assert.equal(xattrs, drilled.xattrs);
        assert.deepEqual([xattrsCompared, failed], [0, []]);
      });
    });
  },
);

test(
  "drill() finds an extended attribute that the disk did not store",
  { ...needsXattrs, ...needsOtherDisk() },
  () =>
    withOtherDisk("lossy", async (scratch, folder) => {
      const source = join(folder, "source");
      fs.mkdirSync(source);
      for (const name of ["kept", "lost"]) {
        fs.writeFileSync(join(source, name), name);
        setXattr(join(source, name), `user.${name}`, "1");
      }
      const repository = await Repository.create(new MemoryStorage());
      await repository.snapshot(everything(source));
      const drilled = await repository.drill({ scratch });
      assert.deepEqual(
        drilled.failed.map(({ path, error }) => [path, error.message]),
        [[
          "lost",
          "lost: extended attributes of the restored file differ from the " +
          "snapshot: user.lost",
        ]],
      );
      assert.deepEqual([drilled.files, drilled.xattrsCompared], [1, 1]);
      assert.deepEqual(fs.readdirSync(scratch), []);
    }),
);

test(
  "restore() over a tree restores attributes, and undo and redo revert this",
  needsXattrs,
  async () => {
    await withAttributed(async ({ source, target }, repository) => {
      const { record } = await repository.snapshot(everything(source));
      await repository.restore(record, target);
      const wanted = shownXattrs(target);
      const at = (path: string) => join(target, path);
      setXattr(at("none"), "user.new", "1");
      setXattr(at("file"), "user.text", "other");
      execFileSync("setfattr", ["-x", "user.folder", at("folder")]);
      execFileSync("setfacl", ["-b", "-k", at("folder")]);
      fs.chmodSync(at("folder"), 0o2750);
      execFileSync("setfacl", ["-m", "u:5:r", at("folder/plain")]);
      fs.writeFileSync(at("large"), "short");
      const changed = shownXattrs(target);
      const plan = await repository.planRestore(record, target);
      const steps = plan.steps.map(({ path, action }) => `${action} ${path}`);
      assert.deepEqual(steps, [
        "touch file",
        "touch folder",
        "touch folder/plain",
        "replace large",
        "touch none",
      ]);
      assert.equal(shownXattrs(target), changed);
      const done = await repository.restore(record, target);
      assert.deepEqual(done.failed, []);
      assert.equal(shownXattrs(target), wanted);
      assert.deepEqual((await repository.revert(target)).failed, []);
      assert.equal(shownXattrs(target), changed);
      await repository.revert(target, { direction: "redo" });
      assert.equal(shownXattrs(target), wanted);
    });
  },
);

test(
  "snapshot() finds a change of attributes alone, even of the root",
  needsXattrs,
  async () => {
    await withAttributed(async ({ source, cache }, repository) => {
      const walker = everything(source);
      const take = (seconds: number) =>
        later(seconds, () => repository.snapshot(walker, { cache }));
      await take(10);
      const same = await take(20);
      assert.equal(same.isNew, false);
      setXattr(join(source, "none"), "user.new", "1");
      const { isNew, diff, record } = await take(30);
      assert.equal(isNew, true);
      assert.deepEqual(diff.touched, ["none"]);
      assert.equal(record.counts.stored > 0, true);
      setXattr(source, "user.root", "2");
      const root = await take(40);
      assert.equal(root.isNew, true);
      assert.equal(root.diff.isEmpty, true);
      assert.deepEqual(root.record.root.xattrs, { "user.root": "Mg==" });
    });
  },
);

test(
  "runtimes that cannot read attributes keep those of the last snapshot for unchanged files",
  needsXattrs,
  async () => {
    await withAttributed(async ({ source, target, cache }, repository) => {
      const walker = everything(source);
      const take = (seconds: number) =>
        later(seconds, () => repository.snapshot(walker, { cache }));
      const before = shownXattrs(source);
      // Without system calls, Deno reads times in milliseconds.
      roundTimes(source);
      await take(10);
      await withoutCalls(async () => {
        assert.equal(walker.readsXattrs, false);
        fs.writeFileSync(join(source, "none"), "changed");
        fs.writeFileSync(join(source, "new"), "5");
        setXattr(join(source, "new"), "user.new", "1");
        roundTimes(source);
        const { record, diff } = await take(20);
        assert.deepEqual([diff.created, diff.updated], [["new"], ["none"]]);
        const tree = await repository.tree(record);
        assert.equal(tree.byPath.get("new")?.xattrs, undefined);
        assert.deepEqual(tree.byPath.get("closed")?.xattrs, {
          "user.closed": "MQ==",
        });
      });
      // The missing attributes are read, but no content is.
      const { record, diff } = await take(30);
      assert.deepEqual(diff.touched, ["new"]);
      assert.equal((await take(40)).isNew, false);
      await repository.restore(record, target);
      assert.ok(shownXattrs(target).includes("user.new=0sMQ=="));
      assert.equal(
        shownXattrs(target).replace("# file: new\nuser.new=0sMQ==\n\n", ""),
        before,
      );
    });
  },
);

test(
  "restore() without calls names missing attributes, unless `xattrs` is `false`",
  needsXattrs,
  async () => {
    await withAttributed(async ({ source, target }, repository) => {
      const { record } = await repository.snapshot(everything(source));
      await withoutCalls(async () => {
        const done = await repository.restore(record, target);
        assert.equal(done.failed.length, 1);
        assert.match(
          done.failed[0].error.message,
          /extended attributes and ACLs of \d entries are not restored/,
        );
        assert.equal(done.failed[0].restored, true);
        const none = await repository.restore(record, `${target}2`, {
          xattrs: false,
        });
        assert.deepEqual(none.failed, []);
      });
      assert.equal(shownXattrs(target), "");
      const done = await repository.restore(record, target, {
        xattrs: { exclude: ["user.*"] },
      });
      assert.deepEqual(done.failed, []);
      assert.doesNotMatch(shownXattrs(target), /^user/m);
      assert.match(shownXattrs(target), /system\.posix_acl_access/);
      setXattr(join(target, "none"), "user.mine", "1");
      execFileSync("setfacl", ["-b", "-k", join(target, "folder")]);
      await repository.restore(record, target, {
        xattrs: { include: ["user.t*", "system.*"] },
      });
      const shown = shownXattrs(target);
      assert.match(shown, /user\.text=/);
      assert.match(shown, /user\.mine=/, "not selected, so not removed");
      assert.match(shown, /system\.posix_acl_default=/);
      assert.doesNotMatch(shown, /user\.bytes=/);
    });
  },
);

test(
  "attributes that were not read are neither compared nor removed",
  needsXattrs,
  async () => {
    await withAttributed(async ({ source, target, cache }, repository) => {
      const walker = new Walker(source, { xattrs: false });
      const { record } = await repository.snapshot(walker, { cache });
      assert.equal(record.root.xattrs, undefined);
      await repository.restore(record, target);
      assert.equal(shownXattrs(target), "");
      execFileSync("cp", ["-a", "--preserve=all", `${source}/.`, target]);
      fs.writeFileSync(join(target, "file"), "longer than before");
      const shown = shownXattrs(target);
      const done = await repository.restore(record, target);
      assert.deepEqual(done.failed, []);
      assert.equal(shownXattrs(target), shown);
      await repository.revert(target);
      assert.equal(shownXattrs(target), shown);
    });
  },
);

test(
  "restore() from the repository of another user gives no rights to programs",
  needsXattrsOfRoot,
  async () => {
    await withAttributed(async ({ source, target }, repository) => {
      const { record } = await repository.snapshot(everything(source));
      const { storage } = repository;
      const foreign = Object.assign(
        Object.create(storage) as typeof storage,
        { belongsToOthers: () => true },
      );
      const opened = await Repository.open(foreign);
      const done = await opened.restore(record, target);
      const shown = shownXattrs(target);
      assert.doesNotMatch(shown, /^(security|trusted)\./m);
      assert.match(shown, /user\.text=/);
      const named = done.failed.map(({ error }) => error.message).join("\n");
      assert.match(named, /extended attributes security\.capability/);
      await opened.restore(record, target, { trust: true });
      assert.match(shownXattrs(target), /security\.capability=/);
    });
  },
);
