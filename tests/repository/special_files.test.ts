/**
 * Named pipes and devices in snapshots: stored, compared, restored and undone.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { DiffData } from "../../lib/archive/diff_data.ts";
import { Dir } from "../../lib/archive/dir.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { useFolderAccess, whyNotMade } from "../../lib/tree/open_folder.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { needs, run, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

const isRoot = process.getuid?.() === 0;
const canMake = whyNotMade("fifo") === undefined;
const posix = process.platform === "win32"
  ? { skip: "needs POSIX" }
  : needs("mkfifo");
/** Options for a test in which deltar creates pipes and, as root, devices. */
const making = canMake ? posix : { skip: "this runtime cannot make pipes" };

/** A time that every runtime sets and reads exactly. */
const TIME = -1_234_567_890_125_000_000n;

/** Creates a pipe and, as root, two devices. */
function plant(root: string): void {
  const mknod = (name: string, ...words: string[]) =>
    run("mknod", [join(root, name), ...words]);
  run("mkfifo", [join(root, "pipe")]);
  fs.chmodSync(join(root, "pipe"), 0o620);
  if (isRoot) {
    mknod("disk", "b", "7", "300");
    mknod("null", "c", "1", "3");
    fs.chmodSync(join(root, "disk"), 0o4711);
    fs.chownSync(join(root, "null"), 12, 34);
  }
  for (const name of NAMES) setTimes(join(root, name), TIME);
  fs.writeFileSync(join(root, "file"), "content");
}

/** The names of the pipe and devices that `plant` creates. */
const NAMES = isRoot ? ["disk", "null", "pipe"] : ["pipe"];

/**
 * Returns the state of a directory, with the numbers of devices and the owners.
 */
function seen(root: string): unknown {
  const state = stateOf(root);
  return Object.fromEntries(
    Object.entries(state).map(([path, node]) => {
      const { rdev, uid, gid } = lstat(join(root, path));
      return [path, { ...node as object, rdev, uid, gid }];
    }),
  );
}

/** Runs work with a repository and a directory with pipes and devices. */
async function withPlanted(
  work: (place: {
    repository: Repository;
    root: string;
    target: string;
  }) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const [root, target] = ["root", "target"].map((name) => join(folder, name));
    fs.mkdirSync(root);
    plant(root);
    const repository = await Repository.create(new MemoryStorage());
    await work({ repository, root, target });
  });
}

test("pipes and devices are stored without being opened", posix, async () => {
  await withPlanted(async ({ repository, root }) => {
    const first = await repository.snapshot(everything(root));
    assert.deepEqual(first.skipped, []);
    const { counts } = first.record;
    assert.equal(counts.special, NAMES.length);
    assert.deepEqual([counts.files, counts.links], [1, 0]);
    const { byPath } = await repository.tree(first.record);
    const pipe = byPath.get("pipe")!;
    assert.deepEqual([pipe.kind, pipe.mode, pipe.size], ["fifo", 0o620, 0]);
    assert.equal(pipe.mtime, TIME);
    if (isRoot) {
      const { kind, device } = JSON.parse(JSON.stringify(byPath.get("disk")));
      assert.deepEqual([kind, device], ["block", { major: 7, minor: 300 }]);
      assert.equal(byPath.get("null")!.kind, "character");
    }
    await assert.rejects(repository.readFile(first.record, "pipe"), {
      code: "not-found",
      message: /not a file in this snapshot, but a named pipe/,
    });
    assert.equal((await repository.snapshot(everything(root))).isNew, false);
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
  });
});

test(
  "a device with another number is another device, and one with another mode is not",
  posix,
  async () => {
    await withPlanted(async ({ repository, root }) => {
      const { record: first } = await repository.snapshot(everything(root));
      fs.chmodSync(join(root, "pipe"), 0o600);
      if (isRoot) {
        fs.rmSync(join(root, "disk"));
        run("mknod", [join(root, "disk"), "b", "7", "301"]);
        fs.rmSync(join(root, "null"));
        run("mkfifo", [join(root, "null")]);
      }
      const { record, diff } = await repository.snapshot(everything(root));
      assert.deepEqual(
        diff.changes.map(({ change, ...rest }) =>
          `${change} ${"entry" in rest && rest.entry.path}`
        ),
        isRoot
          ? ["updated disk", "updated null", "touched pipe"]
          : ["touched pipe"],
      );
      assert.deepEqual([record.counts.updated, record.counts.touched], [
        isRoot ? 2 : 0,
        1,
      ]);
      const versions = await Array.fromAsync(
        repository.history(record, NAMES[0]),
      );
      assert.deepEqual(versions.map(({ change }) => change), [
        isRoot ? "updated" : "touched",
        "created",
      ]);
      const { changes } = await repository.diff(first, record);
      assert.deepEqual(changes, diff.changes);
      for (const name of NAMES) fs.rmSync(join(root, name));
      const { record: last } = await repository.snapshot(everything(root));
      assert.equal(last.counts.special, undefined);
      assert.equal(last.counts.deleted, NAMES.length);
    });
  },
);

test(
  "applyDiff() creates, replaces and deletes pipes and devices, and Dir.hash() includes them",
  {
    ...making,
  },
  async () => {
    await withPlanted(async ({ root, target }) => {
      fs.mkdirSync(target);
      fs.writeFileSync(join(target, "null"), "a file");
      run("mkfifo", [join(target, "old")]);
      const index = (root: string) => DirIndex.of(everything(root));
      const hash = (root: string) =>
        new Dir(root, { excludes: [] }).hash(({ size }) => size);
      assert.notEqual(await hash(target), await hash(root));
      const before = await index(target);
      const archive = `${target}.tgz`;
      const diff = DiffIndex.compute(await index(root), before);
      await new DiffData(diff, everything(root), before).createArchive(archive);
      await applyDiff(target, diff, archive);
      assert.deepEqual(seen(target), seen(root));
      assert.equal(await hash(target), await hash(root));
      if (!isRoot) return;
      fs.rmSync(join(target, "disk"));
      run("mknod", [join(target, "disk"), "b", "7", "301"]);
      assert.notEqual(await hash(target), await hash(root));
      // The device is not the one before the change.
      fs.rmSync(join(root, "disk"));
      const gone = DiffIndex.compute(await index(root), await index(target));
      fs.rmSync(join(target, "disk"));
      run("mknod", [join(target, "disk"), "b", "7", "302"]);
      await assert.rejects(applyDiff(target, gone, archive), {
        code: "mismatch",
        message: /the device number has changed/,
      });
    });
  },
);

test("restore() creates pipes and devices exactly", making, async () => {
  await withPlanted(async ({ repository, root, target }) => {
    const { record } = await repository.snapshot(everything(root));
    const { failed, special, files } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual([special, files], [NAMES.length, 1]);
    assert.deepEqual(seen(target), seen(root));
    const again = await repository.restore(record, target);
    assert.deepEqual([again.special, again.touched], [0, 0]);
    assert.equal(again.kept, NAMES.length + 1);
    await repository.revert(target);
    assert.equal(fs.existsSync(target), false);
  });
});

test("rsync finds no difference after a restore", {
  ...(needs("rsync").skip ? needs("rsync") : making),
}, async () => {
  await withPlanted(async ({ repository, root, target }) => {
    const { record } = await repository.snapshot(everything(root));
    await repository.restore(record, target);
    const words = ["-aHAXcni", "--delete", "--modify-window=-1"];
    assert.equal(runText("rsync", [...words, `${root}/`, `${target}/`]), "");
  });
});

test(
  "restore() over a tree restores pipes and devices, and undo and redo revert this",
  making,
  async () => {
    await withPlanted(async ({ repository, root }) => {
      const { record } = await repository.snapshot(everything(root), {});
      const wanted = seen(root);
      // Each one has another kind or mode, or is missing.
      fs.chmodSync(join(root, "pipe"), 0o600);
      fs.rmSync(join(root, "file"));
      run("mkfifo", [join(root, "file")]);
      run("mkfifo", [join(root, "new")]);
      if (isRoot) {
        fs.rmSync(join(root, "disk"));
        run("mknod", [join(root, "disk"), "b", "7", "301"]);
        fs.rmSync(join(root, "null"));
        fs.writeFileSync(join(root, "null"), "something was written");
      }
      const before = seen(root);
      const options = { delete: true, rootAttributes: true };
      const plan = await repository.planRestore(record, root, options);
      assert.deepEqual(
        plan.steps.map(({ path, action, was }) => `${action} ${path} ${was}`),
        [
          ...isRoot ? ["replace disk block"] : [],
          "replace file fifo",
          "delete new fifo",
          ...isRoot ? ["replace null file"] : [],
          "touch pipe fifo",
        ],
      );
      const { failed } = await repository.restore(record, root, options);
      assert.deepEqual(failed, []);
      assert.deepEqual(seen(root), wanted);
      assert.deepEqual((await repository.revert(root)).failed, []);
      assert.deepEqual(seen(root), before);
      await repository.revert(root, { direction: "redo" });
      assert.deepEqual(seen(root), wanted);
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
    });
  },
);

test(
  "runtimes that cannot create pipes and devices name them, and delete none",
  posix,
  async () => {
    await withPlanted(async ({ repository, root, target }) => {
      const { record } = await repository.snapshot(everything(root));
      useFolderAccess("paths");
      try {
        const { failed } = await repository.restore(record, target);
        assert.deepEqual(failed.map(({ path }) => path), NAMES);
        for (const { error, restored } of failed) {
          assert.match(error.message, /which this runtime cannot create; use /);
          assert.equal(restored, undefined);
        }
        assert.deepEqual(fs.readdirSync(target), ["file"]);
        // None may be replaced or deleted, because an undo could not create it
        // again.
        for (const name of ["file", "new"]) {
          fs.rmSync(join(root, name), { force: true });
          run("mkfifo", [join(root, name)]);
        }
        const before = seen(root);
        const result = await repository.restore(record, root, { delete: true });
        assert.deepEqual(result.failed.map(({ path }) => path), ["file"]);
        assert.deepEqual(result.left.map(({ path }) => path), ["new"]);
        assert.deepEqual(seen(root), before);
      } finally {
        useFolderAccess(undefined);
      }
    });
  },
);

test(
  "devices from the repository of another user are created only with `trust` [S2]",
  {
    ...(isRoot ? making : { skip: "needs to be root" }),
  },
  async () => {
    await withPlanted(async ({ repository, root, target }) => {
      const { record } = await repository.snapshot(everything(root));
      Object.assign(repository.storage, { belongsToOthers: () => true });
      const { failed } = await repository.restore(record, target);
      const lost = failed.filter(({ restored }) => !restored);
      assert.deepEqual(lost.map(({ path }) => path), ["disk", "null"]);
      for (const { error, untrusted } of lost) {
        assert.equal(untrusted, true);
        assert.match(
          error.message,
          /so the following is not restored: the device$/,
        );
      }
      assert.deepEqual(fs.readdirSync(target).sort(), ["file", "pipe"]);
      await repository.restore(record, target, { trust: true });
      assert.deepEqual(seen(target), seen(root));
    });
  },
);

test(
  "the version of a record shows that its tree has pipes or devices",
  posix,
  async () => {
    await withPlanted(async ({ root, repository }) => {
      const storage = repository.storage as MemoryStorage;
      const take = async () => {
        const { record } = await repository.snapshot(everything(root));
        const bytes = storage.objects.get(`snapshots/${record.id}.json`)!;
        return JSON.parse(new TextDecoder().decode(bytes).split("\n")[0]);
      };
      const first = await take();
      assert.equal(first.version, 3);
      assert.equal(first.layers[0].special, true);
      for (const name of NAMES) fs.rmSync(join(root, name));
      for (let at = 0; at < 100; at++) {
        fs.writeFileSync(join(root, `${at}`), "");
      }
      // The new full layer has only files.
      const last = await take();
      assert.equal(last.version, 1);
    });
  },
);

test(
  "an index and a difference with pipes or devices have version 2",
  posix,
  async () => {
    await withTemp(async (root) => {
      fs.writeFileSync(join(root, "file"), "");
      const versionOf = (listing: { encode(): Uint8Array }) =>
        JSON.parse(new TextDecoder().decode(listing.encode()).split("\n")[0])
          .version;
      const index = () => DirIndex.of(everything(root));
      const plain = await index();
      assert.equal(versionOf(plain), 1);
      plant(root);
      const full = await index();
      assert.equal(versionOf(full), 2);
      assert.deepEqual(DirIndex.decode(full.encode()).entries, full.entries);
      for (const [one, other] of [[full, plain], [plain, full]]) {
        const diff = DiffIndex.compute(one, other);
        assert.equal(versionOf(diff), 2);
        assert.deepEqual(DiffIndex.decode(diff.encode()).changes, diff.changes);
      }
    });
  },
);
