/**
 * Extended attributes and ACLs of many small files, of named pipes and devices,
 * and of several directories.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DirSet } from "../../lib/archive/dir_set.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes } from "../support/trees.ts";
import {
  differences,
  isRoot,
  needsXattrs,
  setXattr,
  shownXattrs,
} from "../support/xattrs.ts";
import { everything } from "./helpers.ts";

/** Sets an ACL. */
function setAcl(place: string, ...args: string[]): void {
  execFileSync("setfacl", [...args, place]);
}

/**
 * More files than a restore writes without threads, if the runtime has threads.
 */
const FILES = 400;

test(
  "restore() sets the attributes of many small files, and no ACL of the target folder",
  needsXattrs,
  async () => {
    await withTemp(async (temp) => {
      const [source, above] = [join(temp, "source"), join(temp, "above")];
      for (let at = 0; at < FILES; at++) {
        const folder = join(source, `${at % 5}`);
        fs.mkdirSync(folder, { recursive: true });
        const file = join(folder, `${at}`);
        fs.writeFileSync(file, noise(3000, at + 1));
        fs.chmodSync(file, [0o644, 0o600, 0o444][at % 3]);
        if (at % 100 === 1) setXattr(file, "user.number", `${at}`);
        if (at % 100 === 2) setAcl(file, "-m", "u:12:r");
      }
      // New files in this folder inherit an ACL, even in the snapshot.
      setAcl(join(source, "3"), "-d", "-m", "u:7:rwx");
      roundTimes(source);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(source));
      fs.mkdirSync(above);
      for (const name of ["plain", "inheriting"]) {
        if (name === "inheriting") setAcl(above, "-d", "-m", "u:9:rwx");
        const target = join(above, name);
        const { failed, files } = await repository.restore(record, target);
        assert.deepEqual(failed, []);
        assert.equal(files, FILES);
        assert.equal(differences(source, target), "");
        assert.equal(shownXattrs(target), shownXattrs(source));
      }
    });
  },
);

test(
  "restore() and undo keep the ACLs of a named pipe and a device, and restore a change of only the ACLs",
  needsXattrs,
  async () => {
    await withTemp(async (temp) => {
      const [source, target] = [join(temp, "source"), join(temp, "target")];
      fs.mkdirSync(source);
      execFileSync("mkfifo", [join(source, "pipe")]);
      const names = ["pipe"];
      if (isRoot) {
        execFileSync("mknod", [join(source, "null"), "c", "1", "3"]);
        setXattr(join(source, "null"), "trusted.device", "1");
        names.push("null");
      }
      for (const name of names) setAcl(join(source, name), "-m", "u:12:rw");
      const repository = await Repository.create(new MemoryStorage());
      const first = await repository.snapshot(everything(source));
      assert.equal(first.isNew, true);
      assert.equal(
        (await repository.snapshot(everything(source))).isNew,
        false,
      );
      await repository.restore(first.record, target);
      assert.equal(differences(source, target), "");

      for (const name of names) setAcl(join(target, name), "-b");
      const changed = shownXattrs(target);
      const mended = await repository.restore(first.record, target);
      assert.deepEqual(mended.failed, []);
      assert.equal(mended.touched, names.length);
      assert.equal(shownXattrs(target), shownXattrs(source));
      await repository.revert(target);
      assert.equal(shownXattrs(target), changed);

      setAcl(join(source, "pipe"), "-m", "u:13:r");
      const second = await repository.snapshot(everything(source));
      assert.equal(second.isNew, true);
      assert.equal(second.record.counts.touched, 1);
    });
  },
);

test(
  "a snapshot of several directories has their attributes, unless they are excluded",
  needsXattrs,
  async () => {
    await withTemp(async (temp) => {
      const source = join(temp, "source");
      const directories = ["a", "b"].map((name) => join(source, name));
      for (const directory of directories) {
        fs.mkdirSync(directory, { recursive: true });
        setXattr(directory, "user.directory", "1");
        fs.writeFileSync(join(directory, "file"), directory);
        setAcl(join(directory, "file"), "-m", "u:12:rw");
      }
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(new DirSet(directories));
      const target = join(temp, "target");
      await repository.restore(record, target);
      assert.equal(shownXattrs(target), shownXattrs(source));
      const bare = new DirSet(directories, { xattrs: false });
      assert.equal(bare.readsXattrs, false);
      const other = await Repository.create(new MemoryStorage());
      const { record: without } = await other.snapshot(bare);
      await other.restore(without, join(temp, "bare"));
      assert.equal(shownXattrs(join(temp, "bare")), "");
    });
  },
);
