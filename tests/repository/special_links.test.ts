/**
 * Hard links of named pipes and devices: stored, compared, restored and undone.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { DiffData } from "../../lib/archive/diff_data.ts";
import { Dir } from "../../lib/archive/dir.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { useFolderAccess, whyNotMade } from "../../lib/tree/open_folder.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { needs, run, runText } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const isRoot = process.getuid?.() === 0;
const canMake = whyNotMade("fifo") === undefined;
const posix = process.platform === "win32" ? { skip: true } : needs("mkfifo");
/** Options for a test in which deltar creates pipes and, as root, devices. */
const making = canMake ? posix : { skip: "this runtime cannot make pipes" };

/** A time that every runtime sets and reads exactly. */
const TIME = 1_234_567_890_125_000_000n;

/** Creates a pipe with three names and, as root, a device with two. */
function plant(root: string): void {
  fs.mkdirSync(join(root, "sub"));
  run("mkfifo", [join(root, "pipe")]);
  fs.linkSync(join(root, "pipe"), join(root, "pipe2"));
  fs.linkSync(join(root, "pipe"), join(root, "sub/pipe3"));
  if (isRoot) {
    run("mknod", [join(root, "null"), "c", "1", "3"]);
    fs.linkSync(join(root, "null"), join(root, "sub/null2"));
    fs.chownSync(join(root, "null"), 12, 34);
    setTimes(join(root, "null"), TIME);
  }
  fs.chmodSync(join(root, "pipe"), 0o620);
  setTimes(join(root, "pipe"), TIME);
  setTimes(join(root, "sub"), TIME);
  setTimes(root, TIME);
}

/** The names that are hard links, with the first name of each. */
const LINKS = [
  ["pipe2", "pipe"],
  ...isRoot ? [["sub/null2", "null"]] : [],
  ["sub/pipe3", "pipe"],
];

/**
 * Returns the state of each path below a directory, with the first of its
 * names.
 */
function seen(root: string): unknown {
  const firsts = new Map<bigint, string>();
  const paths = fs.readdirSync(root, { recursive: true, encoding: "utf8" });
  return Object.fromEntries(
    paths.sort().map((path) => {
      const stat = lstat(join(root, path));
      const { kind, mode, mtime, uid, gid, rdev, links, inode } = stat;
      if (kind === "directory") return [path, { kind, mode, uid, gid }];
      if (!firsts.has(inode)) firsts.set(inode, path);
      const name = firsts.get(inode);
      return [path, { kind, mode, mtime, uid, gid, rdev, links, name }];
    }),
  );
}

/** Runs work with a repository and a directory with hard links. */
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

test(
  "further names of pipes and devices are stored as hard links",
  posix,
  async () => {
    await withPlanted(async ({ repository, root }) => {
      const { record } = await repository.snapshot(everything(root));
      const { byPath } = await repository.tree(record);
      const links = [...byPath.values()].filter(({ kind }) =>
        kind === "hardlink"
      );
      assert.deepEqual(links.map(({ path, target }) => [path, target]), LINKS);
      const { counts } = record;
      assert.equal(counts.special, isRoot ? 2 : 1);
      assert.equal(counts.links, LINKS.length);
      assert.equal((await repository.snapshot(everything(root))).isNew, false);
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
      await assert.rejects(repository.readFile(record, "pipe2"), {
        code: "not-found",
        message: /but a named pipe/,
      });
      assert.deepEqual(new Dir(root, { excludes: [] }).files(), []);
    });
  },
);

test(
  "diff() names links that are separated or replaced",
  posix,
  async () => {
    await withPlanted(async ({ repository, root }) => {
      await repository.snapshot(everything(root));
      fs.rmSync(join(root, "pipe2"));
      run("mkfifo", [join(root, "pipe2")]);
      fs.chmodSync(join(root, "pipe2"), 0o620);
      setTimes(join(root, "pipe2"), TIME);
      const changesOf = async () => {
        const { diff } = await repository.snapshot(everything(root));
        return diff.changes.filter(({ change }) => change !== "touched")
          .map((change) => [
            change.change,
            "entry" in change && change.entry.path,
            "isLinkOnly" in change && change.isLinkOnly,
          ]);
      };
      assert.deepEqual(await changesOf(), [["updated", "pipe2", true]]);
      if (!isRoot) return;
      for (const name of ["null", "sub/null2"]) fs.rmSync(join(root, name));
      run("mknod", [join(root, "null"), "c", "1", "5"]);
      fs.linkSync(join(root, "null"), join(root, "sub/null2"));
      // The names of the old device belong to the new one.
      assert.deepEqual(await changesOf(), [
        ["updated", "null", false],
        ["updated", "sub/null2", false],
      ]);
    });
  },
);

test("restore() creates the hard links again", {
  ...needs("rsync").skip ? needs("rsync") : making,
}, async () => {
  await withPlanted(async ({ repository, root, target }) => {
    const { record } = await repository.snapshot(everything(root));
    const { failed, kept } = await repository.restore(record, target);
    assert.deepEqual([failed, kept], [[], 0]);
    assert.deepEqual(seen(target), seen(root));
    const words = ["-aHAXcni", "--delete", "--modify-window=-1"];
    assert.equal(runText("rsync", [...words, `${root}/`, `${target}/`]), "");
    const again = await repository.restore(record, target);
    assert.deepEqual([again.special, again.links, again.touched], [0, 0, 0]);
    await repository.revert(target);
    assert.equal(fs.existsSync(target), false);
  });
});

test(
  "restore() of only the further names creates one pipe",
  making,
  async () => {
    await withPlanted(async ({ repository, root, target }) => {
      const { record } = await repository.snapshot(everything(root));
      const paths = ["pipe2", "sub/pipe3"];
      const { failed } = await repository.restore(record, target, { paths });
      assert.deepEqual(failed, []);
      const [one, other] = paths.map((path) => lstat(join(target, path)));
      assert.deepEqual([one.kind, one.links, one.mode], ["fifo", 2, 0o620]);
      assert.equal(one.inode, other.inode);
    });
  },
);

test("restore() over a tree restores links, and undo reverts this", {
  ...making,
}, async () => {
  await withPlanted(async ({ repository, root }) => {
    const { record } = await repository.snapshot(everything(root));
    const wanted = seen(root);
    const options = { delete: true, rootAttributes: true };
    const restored = async (change: () => void) => {
      change();
      const before = seen(root);
      const plan = await repository.planRestore(record, root, options);
      const { failed } = await repository.restore(record, root, options);
      assert.deepEqual(failed, []);
      assert.deepEqual(seen(root), wanted);
      assert.deepEqual((await repository.revert(root)).failed, []);
      assert.deepEqual(seen(root), before);
      await repository.revert(root, { direction: "redo" });
      assert.deepEqual(seen(root), wanted);
      return plan.steps.map(({ path, action }) => `${action} ${path}`);
    };
    // A changed mode of all names is set once, and the names stay linked.
    assert.deepEqual(
      await restored(() => fs.chmodSync(join(root, "pipe"), 0o600)),
      ["touch pipe"],
    );
    assert.deepEqual(
      await restored(() => {
        fs.rmSync(join(root, "pipe2"));
        run("mkfifo", [join(root, "pipe2")]);
      }),
      ["replace pipe2"],
    );
    assert.deepEqual(
      await restored(() => {
        fs.rmSync(join(root, "sub/pipe3"));
        fs.writeFileSync(join(root, "sub/pipe3"), "a file");
        fs.linkSync(join(root, "pipe"), join(root, "pipe4"));
      }),
      ["delete pipe4", "touch sub", "replace sub/pipe3"],
    );
    // The pipe also has a name outside of the snapshot, which keeps its mode.
    const outside = `${root}.outside`;
    fs.linkSync(join(root, "pipe"), outside);
    fs.chmodSync(outside, 0o600);
    await repository.restore(record, root, options);
    assert.deepEqual(seen(root), wanted);
    assert.equal(lstat(outside).mode, 0o600);
    assert.equal(lstat(outside).links, 1);
    // Two pipes of a snapshot that are now linked are separated.
    fs.rmSync(join(root, "pipe2"));
    run("mkfifo", [join(root, "pipe2")]);
    const { record: parted } = await repository.snapshot(everything(root));
    await repository.restore(record, root, options);
    await repository.restore(parted, root, options);
    assert.equal(lstat(join(root, "pipe2")).links, 1);
    assert.equal(lstat(join(root, "pipe")).links, 2);
  });
});

test("runtimes that cannot create pipes name every path", posix, async () => {
  await withPlanted(async ({ repository, root, target }) => {
    const { record } = await repository.snapshot(everything(root));
    useFolderAccess("paths");
    try {
      const { failed } = await repository.restore(record, target);
      const paths = ["pipe", ...isRoot ? ["null"] : []]
        .concat(LINKS.map(([path]) => path)).sort();
      assert.deepEqual(failed.map(({ path }) => path), paths);
      const made = fs.readdirSync(target, { recursive: true });
      assert.deepEqual(made, ["sub"]);
      // If all names exist, nothing has to be created.
      assert.deepEqual((await repository.restore(record, root)).failed, []);
    } finally {
      useFolderAccess(undefined);
    }
  });
});

test("restore() restores no name of an untrusted device [S2]", {
  ...(isRoot ? making : { skip: "needs to be root" }),
}, async () => {
  await withPlanted(async ({ repository, root, target }) => {
    const { record } = await repository.snapshot(everything(root));
    Object.assign(repository.storage, { belongsToOthers: () => true });
    const { failed } = await repository.restore(record, target);
    const lost = failed.filter(({ restored }) => !restored);
    assert.deepEqual(lost.map(({ path }) => path), ["null", "sub/null2"]);
    assert.ok(lost.every(({ untrusted }) => untrusted));
    assert.equal(lstat(join(target, "pipe")).links, 3);
  });
});

test("applyDiff() keeps, separates and joins hard links", making, async () => {
  await withPlanted(async ({ root, target }) => {
    fs.mkdirSync(target);
    plant(target);
    fs.chmodSync(join(target, "pipe"), 0o600);
    fs.rmSync(join(root, "pipe2"));
    run("mkfifo", [join(root, "pipe2")]);
    fs.linkSync(join(root, "pipe2"), join(root, "sub/pipe4"));
    const index = (root: string) => DirIndex.of(everything(root));
    const before = await index(target);
    const diff = DiffIndex.compute(await index(root), before);
    const archive = `${target}.tgz`;
    await new DiffData(diff, everything(root), before).createArchive(archive);
    // A directory in which a link was separated is not in the state before the
    // change.
    fs.renameSync(join(target, "pipe2"), `${target}.pipe`);
    run("mkfifo", [join(target, "pipe2")]);
    await assert.rejects(applyDiff(target, diff, archive), {
      code: "mismatch",
      message: /no longer a hard link to pipe$/,
    });
    fs.renameSync(`${target}.pipe`, join(target, "pipe2"));
    await applyDiff(target, diff, archive);
    assert.deepEqual(seen(target), seen(root));
  });
});

test("GNU tar, bsdtar and TarVolume restore the hard links", {
  ...needs("tar", "bsdtar").skip ? needs("tar", "bsdtar") : making,
}, async () => {
  await withPlanted(async ({ root, target }) => {
    const storage = new MemoryStorage();
    const writer = TarVolume.create(storage, "a");
    await writer.addTree(everything(root));
    await writer.close();
    const archive = `${target}.tgz`;
    fs.writeFileSync(archive, storage.objects.get("a.vol0.tgz")!);
    for (const program of ["tar", "bsdtar"]) {
      fs.mkdirSync(target);
      run(program, ["-xpzf", archive, "-C", target]);
      assert.deepEqual(seen(target), seen(root), program);
      fs.rmSync(target, { recursive: true });
    }
    for (
      const volume of [
        await TarVolume.open(storage, "a"),
        TarVolume.fromVolumes(storage, ["a.vol0.tgz"]),
      ]
    ) {
      await volume.extractAll(target);
      assert.deepEqual(seen(target), seen(root));
      fs.rmSync(target, { recursive: true });
      // The first names are not extracted.
      await volume.extract("sub", target);
      const pipe = lstat(join(target, "sub/pipe3"));
      assert.deepEqual([pipe.kind, pipe.mode], ["fifo", 0o620]);
      if (isRoot) {
        const { rdev } = lstat(join(target, "sub/null2"));
        assert.deepEqual(rdev, { major: 1, minor: 3 });
      }
      fs.rmSync(target, { recursive: true });
    }
  });
});
