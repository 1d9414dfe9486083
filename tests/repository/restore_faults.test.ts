import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { collect } from "../../lib/bytes/source.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { isOfOnePath } from "../../lib/repository/restore/plan.ts";
import {
  encodeRecord,
  type SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { pathError } from "../../lib/tree/file.ts";
import {
  decodeLines,
  encodeLines,
  type Line,
} from "../../lib/bytes/listing.ts";
import { openFolder, useFolderAccess } from "../../lib/tree/open_folder.ts";
import { removeTree } from "../../lib/tree/remove_tree.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { shownMode } from "../../lib/tree/statx.ts";
import { ownIds } from "../../lib/tree/this_system.ts";
import { TreeWriter } from "../../lib/tree/tree_writer.ts";
import { byEachOpenAccess } from "../support/folder_access.ts";
import { needsPosix, needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? {} : { skip: "needs to be root" };

/**
 * Takes a snapshot of some files, and changes lines of its tree and its record.
 */
async function forge(
  folder: string,
  files: Record<string, string>,
  change: (line: Line) => Line,
  more: Partial<SnapshotRecord> = {},
): Promise<{ repository: Repository; record: SnapshotRecord }> {
  const root = join(folder, "root");
  for (const [path, text] of Object.entries(files)) {
    fs.mkdirSync(join(root, path, ".."), { recursive: true });
    fs.writeFileSync(join(root, path), text);
  }
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, { codec: "gzip" });
  const { record } = await repository.snapshot(everything(root));
  const [layer] = record.layers;
  const packed = await collect(storage.get(layer.name));
  const plain = await repository.codec.decompressBlock(packed, 1 << 20, {
    object: "",
  });
  const { lines } = decodeLines(plain, "deltar-tree", 9, "");
  const changed = [...lines].map(([line]) => change(line));
  const bytes = await repository.codec.compress(
    encodeLines("deltar-tree", 1, {}, changed),
  );
  storage.objects.set(layer.name, Uint8Array.from(bytes));
  const sum = toHex(sha256(bytes));
  const forged = {
    ...record,
    ...more,
    layers: [{
      ...layer,
      size: bytes.length,
      sha256: sum,
      frames: [{ length: bytes.length, sha256: sum, first: "" }],
    }],
  };
  await storage.put(`snapshots/${record.id}.json`, encodeRecord(forged));
  return { repository, record: await repository.find(record.id) };
}

test("isOfOnePath() is false only for errors after which no path can be written [R4]", () => {
  const fault = (code: string) =>
    pathError(Object.assign(new Error(code), { code }), "a/b");
  for (
    const code of [
      "ENOSYS",
      "ENOTSUP",
      "EOPNOTSUPP",
      "EPERM",
      "EACCES",
      "ENAMETOOLONG",
      "EILSEQ",
      "EMLINK",
      "EXDEV",
      "EFBIG",
      "EOVERFLOW",
      "ERR_OUT_OF_RANGE",
      "EWHATEVER",
    ]
  ) assert.ok(isOfOnePath(fault(code)), code);
  for (const code of ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ENODEV", "EMFILE"]) {
    assert.ok(!isOfOnePath(fault(code)), code);
  }
  assert.ok(!isOfOnePath(new DeltarError("aborted", "stopped")));
  // A server that does not answer is not a fault of the path.
  assert.ok(!isOfOnePath(new DeltarError("io", "refused", { object: "v" })));
  assert.ok(!isOfOnePath(new TypeError("a bug")));
});

test(
  "restore() does not change the mode, owner and time of an existing target [R7]",
  needsPosix("modes"),
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      const target = join(folder, "target");
      for (const place of [root, target]) fs.mkdirSync(place);
      fs.writeFileSync(join(root, "a"), "a");
      fs.chmodSync(root, 0o750);
      fs.chmodSync(target, 0o711);
      setTimes(target, 1_234_567_890_000_000_000n);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      const before = lstat(target);
      const plan = await repository.planRestore(record, target);
      assert.equal(plan.touchesRoot, false);
      await repository.restore(record, target);
      const { mode, mtime, uid } = lstat(target);
      assert.deepEqual(
        { mode, mtime, uid },
        { mode: before.mode, mtime: before.mtime, uid: before.uid },
      );
      const asked = { rootAttributes: true };
      const other = await repository.planRestore(record, target, asked);
      assert.equal(other.touchesRoot, true);
      await repository.restore(record, target, asked);
      assert.equal(lstat(target).mode, 0o750);
      await repository.revert(target);
      assert.equal(lstat(target).mode, 0o711);
      // A new target gets the mode of the snapshot.
      await repository.restore(record, join(folder, "new"));
      assert.equal(lstat(join(folder, "new")).mode, 0o750);
    });
  },
);

test(
  "restore() empties a folder in the place of a file only with `delete`, and counts the deleted paths [R8]",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      const target = join(folder, "target");
      fs.mkdirSync(root);
      for (const name of ["file", "other"]) {
        fs.writeFileSync(join(root, name), name);
      }
      fs.symlinkSync("file", join(root, "link"));
      for (const name of ["file", "link"]) {
        fs.mkdirSync(join(target, name, "sub"), { recursive: true });
        fs.writeFileSync(join(target, name, "sub/mine"), "mine");
      }
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      const before = stateOf(target) as Record<string, unknown>;
      const plan = await repository.planRestore(record, target);
      const kept = await repository.restore(record, target);
      for (const { failed } of [plan, kept]) {
        assert.deepEqual(failed.map(({ path }) => path), ["file", "link"]);
      }
      assert.equal(kept.deleted, 0);
      const { other: _, ...after } = stateOf(target) as Record<string, unknown>;
      assert.deepEqual(after, before);
      const options = { delete: true };
      const all = await repository.planRestore(record, target, options);
      const going = all.steps.filter(({ action }) => action === "delete");
      assert.deepEqual(going.map(({ path }) => path), [
        "file/sub",
        "file/sub/mine",
        "link/sub",
        "link/sub/mine",
      ]);
      let last = 0;
      const done = await repository.restore(record, target, {
        ...options,
        onProgress: ({ entries, allEntries }) => {
          assert.ok(entries <= allEntries);
          last = allEntries - entries;
        },
      });
      assert.deepEqual([done.deleted, done.failed, last], [4, [], 0]);
      assert.equal(fs.readFileSync(join(target, "file"), "utf8"), "file");
      assert.equal(fs.readlinkSync(join(target, "link")), "file");
    });
  },
);

test(
  "restore() does not partly empty a folder with a name that is not UTF-8 [R8]",
  { skip: process.platform !== "linux" && "needs Linux" },
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      const target = join(folder, "target");
      fs.mkdirSync(root);
      fs.writeFileSync(join(root, "file"), "file");
      fs.mkdirSync(join(target, "file/sub"), { recursive: true });
      fs.writeFileSync(join(target, "file/a"), "mine");
      const odd = new Uint8Array(
        [...new TextEncoder().encode(join(target, "file/sub/x"))].concat(0xff),
      );
      // Not every runtime accepts bytes as a path.
      const { execFileSync } = await import("node:child_process");
      const octal = [...odd].map((byte) =>
        `\\${byte.toString(8).padStart(3, "0")}`
      ).join("");
      execFileSync("sh", ["-c", `: > "$(printf '${octal}')"`]);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      // Without open folders, such a name cannot be stored in a safety
      // snapshot.
      useFolderAccess("paths");
      try {
        const { failed, deleted } = await repository.restore(record, target, {
          delete: true,
        });
        assert.deepEqual(failed.map(({ path }) => path), ["file"]);
        assert.equal(deleted, 0);
      } finally {
        useFolderAccess(undefined);
      }
      assert.equal(fs.readFileSync(join(target, "file/a"), "utf8"), "mine");
    });
  },
);

test("restore() refuses entries named like deltar's own files, and restores the others [A9]", async () => {
  await withTemp(async (folder) => {
    const own = ".deltar-stage-p1-01234567-89abcdef-journal";
    const { repository, record } = await forge(
      folder,
      { "own": '{"work":"restore"}', "sub/x": "x", "z": "z" },
      (line) => {
        const { path } = line as { path?: string };
        if (path === "own") return { ...line, path: own };
        return path?.startsWith("sub")
          ? { ...line, path: path.replace("sub", ".deltar-stage-sub") }
          : line;
      },
    );
    const target = join(folder, "target");
    const plan = await repository.planRestore(record, target);
    const { failed } = await repository.restore(record, target);
    for (const named of [plan.failed, failed]) {
      assert.deepEqual(
        named.map(({ path }) => path),
        [own, ".deltar-stage-sub", ".deltar-stage-sub/x"].sort(),
      );
    }
    assert.deepEqual(fs.readdirSync(target), ["z"]);
  });
});

test("snapshot() names a file with the name of a temporary file of deltar, and ignores real ones [A9]", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(join(root, ".deltar-stage-mine"), { recursive: true });
    fs.writeFileSync(join(root, ".deltar-stage-mine/file"), "mine");
    fs.writeFileSync(join(root, ".deltar-stage-p1-01234567-0"), "own");
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(root));
    const { entries, skipped } = await repository.tree(record);
    assert.deepEqual(entries, []);
    assert.deepEqual(
      skipped.map(({ path, reason }) => [path, reason]),
      [
        [".deltar-stage-mine", "name"],
        [".deltar-stage-p1-01234567-0", "excluded"],
      ],
    );
    assert.equal(record.counts.faults, 1);
  });
});

test(
  "restore() ignores a journal that is a link, too large, under another name or of another user [A9]",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const { repository, record } = await forge(folder, { a: "a" }, (x) => x);
      const target = join(folder, "target");
      fs.mkdirSync(target);
      const name = (pid: number) =>
        join(target, `.deltar-stage-p${pid}-00000000-89abcdef-journal`);
      fs.writeFileSync(join(folder, "data"), "{}");
      fs.symlinkSync(join(folder, "data"), name(1));
      fs.symlinkSync("/dev/zero", name(2));
      fs.writeFileSync(name(3), "x".repeat(1 << 17));
      fs.mkdirSync(name(4));
      fs.writeFileSync(join(target, ".deltar-stage-journal"), "{}");
      if (isRoot) {
        fs.writeFileSync(name(5), "{}");
        fs.chownSync(name(5), 65534, 65534);
      }
      const { failed, files } = await repository.restore(record, target);
      assert.deepEqual([failed, files], [[], 1]);
      // A journal that may be of another machine counts.
      fs.writeFileSync(name(6), "{}");
      await assert.rejects(repository.restore(record, target), {
        code: "exists",
      });
    });
  },
);

test(
  "restore() restores a file whose owner number no system has, and names the file [A11]",
  asRoot,
  async () => {
    await withTemp(async (folder) => {
      const { repository, record } = await forge(
        folder,
        { a: "a", b: "b" },
        (line) =>
          line.path === "a" ? { ...line, uid: 2 ** 32, mode: "04755" } : line,
      );
      const target = join(folder, "target");
      const { failed, files } = await repository.restore(record, target);
      assert.deepEqual(
        failed.map(({ path, restored }) => [path, restored]),
        [["a", true]],
      );
      assert.match(failed[0].error.message, /owner/);
      assert.equal(files, 2);
      assert.deepEqual(fs.readdirSync(target).sort(), ["a", "b"]);
      const { uid, mode } = lstat(join(target, "a"));
      // Root is not the recorded owner, so the file does not run as root.
      assert.deepEqual([uid, mode], [process.getuid!(), 0o755]);
    });
  },
);

test(
  "restore() restores neither owners nor set-user-ID bits from the repository of another user [A11]",
  asRoot,
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      fs.writeFileSync(join(root, "set"), "set");
      fs.chmodSync(join(root, "set"), 0o4755);
      fs.writeFileSync(join(root, "own"), "own");
      fs.writeFileSync(join(root, "plain"), "plain");
      fs.chownSync(join(root, "own"), 1234, 1234);
      const storage = new LocalStorage(join(folder, "repository"));
      const repository = await Repository.create(storage);
      const { record } = await repository.snapshot(everything(root));
      const own = await repository.restore(record, join(folder, "mine"));
      assert.deepEqual(own.failed, []);
      assert.equal(lstat(join(folder, "mine/set")).mode, 0o4755);
      fs.chownSync(storage.location, 4321, 4321);
      const target = join(folder, "target");
      const plan = await repository.planRestore(record, target);
      const done = await repository.restore(record, target);
      for (const { failed } of [plan, done]) {
        assert.deepEqual(
          failed.map(({ path, restored }) => [path, restored]),
          [["own", true], ["set", true]],
        );
      }
      assert.equal(lstat(join(target, "set")).mode, 0o755);
      assert.equal(lstat(join(target, "own")).uid, 0);
      const trusted = join(folder, "trusted");
      const believed = await repository.restore(record, trusted, {
        trust: true,
      });
      assert.deepEqual(believed.failed, []);
      assert.equal(lstat(join(trusted, "set")).mode, 0o4755);
      assert.equal(lstat(join(trusted, "own")).uid, 1234);
      // A replaced file must not keep the set-user-ID bit that it had.
      fs.writeFileSync(join(trusted, "set"), "edited");
      fs.chmodSync(join(trusted, "set"), 0o4755);
      await repository.restore(record, trusted);
      assert.equal(lstat(join(trusted, "set")).mode, 0o755);
    });
  },
);

test("restore() makes folders from Windows accessible [R11]", async () => {
  await withTemp(async (folder) => {
    const { repository, record } = await forge(
      folder,
      { "sub/a": "a", "sub/read-only": "b" },
      (line) => {
        if (line.mode === undefined) return line;
        const isReadOnly = line.path === "sub/read-only";
        return { ...line, mode: isReadOnly ? "0444" : "0666" };
      },
      {
        directory: "C:\\Users\\me",
        root: { mode: 0o666, mtime: 0n, uid: 0, gid: 0 },
      },
    );
    const target = join(folder, "target");
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    const mode = (path: string) => lstat(join(target, path)).mode;
    assert.deepEqual(
      ["", "sub", "sub/a", "sub/read-only"].map(mode),
      [0o755, 0o755, 0o644, 0o444],
    );
  });
});

test("shownMode() does not show modes that the runtime invented on Windows [R11]", () => {
  assert.equal(shownMode(0o040666, "win32"), 0o040755);
  assert.equal(shownMode(0o040444, "win32"), 0o040755);
  assert.equal(shownMode(0o100666, "win32"), 0o100644);
  assert.equal(shownMode(0o100444, "win32"), 0o100444);
  assert.equal(shownMode(0o120777, "win32"), 0o120777);
  assert.equal(shownMode(0o100666, "linux"), 0o100666);
});

test(
  "restore() keeps a new target closed until the restore is complete [A3]",
  needsPosix("modes"),
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(join(root, "sub"), { recursive: true });
      for (const name of ["a", "sub/b", "z"]) {
        fs.writeFileSync(join(root, name), name);
      }
      for (const name of ["", "sub"]) fs.chmodSync(join(root, name), 0o755);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(root));
      for (const paths of [undefined, ["a", "sub/b", "z"]]) {
        const target = join(folder, `above/target-${paths?.length}`);
        const modes = new Set<number>();
        await repository.restore(record, target, {
          ...paths && { paths },
          onProgress: ({ path }) => {
            if (process.platform === "win32") return;
            modes.add(lstat(target).mode);
            if (path === "sub/b") modes.add(lstat(join(target, "sub")).mode);
          },
        });
        assert.deepEqual([...modes], [0o700]);
        assert.equal(lstat(join(target, "sub")).mode, 0o755);
        const umask = process.umask();
        const wanted = paths === undefined ? 0o755 : 0o777 & ~umask;
        assert.equal(lstat(target).mode, wanted);
      }
    });
  },
);

test(
  "restore() restores, undoes and redoes paths beyond PATH_MAX [R6]",
  { skip: process.platform !== "linux" && "needs Linux" },
  async () => {
    await byEachOpenAccess(async (access) => {
      await withTemp(async (folder) => {
        const path = Array(20).fill("n".repeat(250)).join("/");
        const root = join(folder, "root");
        const writer = new TreeWriter(root);
        const bytes = new TextEncoder().encode("far down");
        const metadata = { mode: 0o644, mtime: 0n, ...ownIds() };
        await writer.file(`${path}/file`, bytes, metadata);
        await writer.file("z", bytes, metadata);
        writer.finish();
        const repository = await Repository.create(new MemoryStorage());
        const { record } = await repository.snapshot(everything(root));
        const target = join(folder, "target");
        const done = await repository.restore(record, target);
        assert.deepEqual([done.failed, done.files], [[], 2], access);
        const other = new TreeWriter(target);
        await other.file(`${path}/file`, bytes.subarray(4), metadata);
        other.finish();
        const again = await repository.restore(record, target);
        assert.deepEqual([again.failed, again.files], [[], 1], access);
        const undone = await repository.revert(target);
        assert.deepEqual(undone.failed, [], access);
        const redone = await repository.revert(target, { direction: "redo" });
        assert.deepEqual(redone.failed, [], access);
        const plan = await repository.planRestore(record, target);
        assert.deepEqual(plan.steps, [], access);
        const parent = openFolder(folder);
        for (const name of ["root", "target"]) removeTree(parent, name);
        parent.close();
      });
    });
  },
);
