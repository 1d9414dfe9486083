import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { openFolder } from "../../lib/tree/open_folder.ts";
import { OpenFolders } from "../../lib/tree/open_folders.ts";
import { removeTree } from "../../lib/tree/remove_tree.ts";
import { lstat } from "../../lib/tree/stat.ts";
import { TreeWriter } from "../../lib/tree/tree_writer.ts";
import { byEachAccess } from "../support/folder_access.ts";
import { give, needsOtherUser, OtherUser } from "../support/other_user.ts";
import { needsPosix, needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { stateOf } from "../support/trees.ts";

const META = {
  mode: 0o640,
  mtime: 1_500_000_000_250_000_000n,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
};
const CONTENT = new TextEncoder().encode("content");
const EXPECTED = { size: 7, sha256: toHex(sha256(CONTENT)) };

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield CONTENT.subarray(0, 3);
  yield CONTENT.subarray(3);
}

test(
  "TreeWriter writes a tree of every kind, and writes it again over itself",
  needsPosix("modes and symlinks"),
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "new/root");
      let first: unknown;
      for (let round = 0; round < 2; round++) {
        const writer = new TreeWriter(root);
        writer.directory("dir", { ...META, mode: 0o555 });
        await writer.file("dir/file", CONTENT, META, EXPECTED);
        await writer.file("dir/pieces", pieces(), { ...META, mode: 0o4755 });
        await writer.file("implied/x", CONTENT, { ...META, mtime: -1n });
        await writer.file("empty", new Uint8Array(), META);
        writer.symlink("dir/link", "../nowhere", META);
        writer.hardLink("other", "dir/file");
        writer.directory("", { ...META, mode: 0o700 });
        writer.finish();
        const stat = lstat(root);
        assert.equal(stat.mode, 0o700);
        assert.equal(stat.mtime, META.mtime);
        const { implied: _, ...state } = stateOf(root);
        assert.deepEqual(state, first ??= state);
        assert.equal(lstat(join(root, "dir")).mode, 0o555);
        assert.equal(lstat(join(root, "dir")).mtime, META.mtime);
        assert.equal(lstat(join(root, "dir/pieces")).mode, 0o4755);
        assert.equal(lstat(join(root, "dir/link")).mtime, META.mtime);
        assert.equal(fs.statSync(join(root, "other")).nlink, 2);
        assert.deepEqual(
          fs.readdirSync(join(root, "dir")).sort(),
          ["file", "link", "pieces"],
        );
      }
    });
  },
);

test(
  "TreeWriter refuses hostile paths and blocked paths, and does not change existing files",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      const outside = join(folder, "outside");
      for (const place of [root, outside]) fs.mkdirSync(place);
      fs.writeFileSync(join(outside, "file"), "mine");
      fs.symlinkSync("../outside", join(root, "link"));
      fs.symlinkSync("../outside/new", join(root, "dangling"));
      fs.symlinkSync("../outside/file", join(root, "to-file"));
      fs.writeFileSync(join(root, "file"), "file");
      fs.mkdirSync(join(root, "dir/in"), { recursive: true });
      const before = stateOf(folder);
      const unsafe = { name: "DeltarError", code: "unsafe" };
      const bad = [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "a/../../x",
        "a/./b",
        "a//b",
        "a\0",
      ];
      const through = [
        "link/x",
        "dangling/x",
        "to-file/x",
        "file/x",
        "file/x/y",
      ];
      for (const path of [...bad, ...through]) {
        const writer = new TreeWriter(root);
        const ways = [
          () => writer.file(path, CONTENT, META),
          () => writer.file(path, pieces(), META),
          () => path !== "" && writer.directory(path, META),
          () => writer.symlink(path, "x", META),
          () => writer.hardLink(path, "file"),
          () => writer.hardLink("new", path),
          () => writer.touch(path, META),
          () => writer.remove(path),
          () => writer.adopt(path, writer, "file"),
        ];
        for (const [at, way] of ways.entries()) {
          if (path === "" && at === 2) continue;
          await assert.rejects(
            async () => await way(),
            unsafe,
            `${at}: ${path}`,
          );
        }
      }
      const writer = new TreeWriter(root);
      for (const path of ["link", "dangling", "to-file", "file"]) {
        assert.throws(() => writer.directory(path, META), unsafe, path);
      }
      for (const path of ["link", "dangling", "to-file", "dir"]) {
        assert.throws(() => writer.hardLink("new", path), unsafe, path);
      }
      const io = { name: "DeltarError", code: "io" };
      await assert.rejects(writer.file("dir", CONTENT, META), io);
      await assert.rejects(writer.file("dir", pieces(), META), io);
      assert.throws(() => writer.symlink("dir", "x", META), io);
      assert.throws(() => writer.hardLink("dir", "file"), io);
      assert.throws(() => writer.remove("dir"), io);
      writer.close();
      assert.deepEqual(
        Object.keys(stateOf(folder)).sort(),
        Object.keys(before).sort(),
      );
      // A link is replaced by a file, and its target does not change.
      const other = new TreeWriter(root);
      for (const path of ["link", "dangling", "to-file"]) {
        await other.file(path, CONTENT, META, EXPECTED);
        assert.ok(fs.lstatSync(join(root, path)).isFile());
      }
      assert.deepEqual(fs.readdirSync(outside), ["file"]);
      assert.equal(fs.readFileSync(join(outside, "file"), "utf8"), "mine");
    });
  },
);

test("TreeWriter keeps the existing file if the content is not the expected one", async () => {
  await withTemp(async (root) => {
    fs.writeFileSync(join(root, "old"), "old");
    const writer = new TreeWriter(root);
    const broken = async function* () {
      yield CONTENT;
      await Promise.resolve();
      throw new Error("broken");
    };
    const wrong = [
      { ...EXPECTED, size: 8 },
      { ...EXPECTED, sha256: "0".repeat(64) },
    ];
    for (const path of ["old", "new", "sub/new"]) {
      for (const expected of wrong) {
        for (const source of [CONTENT, pieces()]) {
          await assert.rejects(writer.file(path, source, META, expected), {
            name: "DeltarError",
            code: "mismatch",
            path,
          });
        }
      }
      await assert.rejects(writer.file(path, broken(), META), /broken/);
    }
    assert.deepEqual(fs.readdirSync(root).sort(), ["old", "sub"]);
    assert.deepEqual(fs.readdirSync(join(root, "sub")), []);
    assert.equal(fs.readFileSync(join(root, "old"), "utf8"), "old");
  });
});

test("TreeWriter makes holes of zeros", {
  skip: process.platform !== "linux" && "needs Linux",
}, async () => {
  await withTemp(async (root) => {
    const writer = new TreeWriter(root);
    // There are more zeros than are checked at a time.
    const zeros = new Uint8Array(5 << 18);
    const size = 63 * zeros.length + 3;
    const source = async function* () {
      for (let at = 0; at < 64; at++) {
        await Promise.resolve();
        yield at === 40 ? Uint8Array.of(1, 2, 3) : zeros;
      }
    };
    const content = new Uint8Array(size);
    content.set([1, 2, 3], 40 * zeros.length);
    const sum = sha256(content);
    await writer.file("sparse", source(), META, { size, sha256: toHex(sum) });
    const stat = fs.statSync(join(root, "sparse"));
    assert.equal(stat.size, size);
    assert.ok(stat.blocks * 512 < 4 << 20, `${stat.blocks} blocks`);
    assert.equal(
      toHex(sha256(fs.readFileSync(join(root, "sparse")))),
      toHex(sum),
    );
  });
});

const worker = fileURLToPath(
  new URL("./tree_writer_worker.ts", import.meta.url),
);
test(
  "TreeWriter writes into folders without write permission, and keeps their modes",
  needsOtherUser,
  async () => {
    await withTemp((folder) => {
      const user = new OtherUser(folder);
      const root = join(folder, "root");
      fs.mkdirSync(join(root, "closed/in"), { recursive: true });
      fs.writeFileSync(join(root, "closed/file"), "old");
      for (const path of ["closed/file", "closed/in", "closed", ""]) {
        const place = join(root, path);
        fs.chmodSync(place, path === "closed/file" ? 0o444 : 0o555);
      }
      give(root);
      const { out, err } = user.run([worker, root]);
      assert.equal(out, "done\n", err);
      for (const path of ["", "closed", "closed/in"]) {
        assert.equal(lstat(join(root, path)).mode, 0o555, path);
      }
      for (const path of ["closed/file", "closed/in/new", "new"]) {
        assert.equal(fs.readFileSync(join(root, path), "utf8"), "new", path);
      }
    });
  },
);

test(
  "TreeWriter writes names of 255 bytes and paths longer than PATH_MAX [R6]",
  { skip: process.platform !== "linux" && "needs Linux" },
  async () => {
    await byEachAccess(async (access) => {
      // Without open folders, the path must not be too long.
      const depth = access === "paths" ? 2 : 20;
      await withTemp(async (folder) => {
        const root = join(folder, "root");
        const path = Array(depth).fill("n".repeat(255)).join("/");
        const writer = new TreeWriter(root);
        await writer.file(path, CONTENT, META, EXPECTED);
        writer.symlink(`${path.slice(0, -1)}l`, "target", META);
        writer.hardLink(`${path.slice(0, -1)}h`, path);
        writer.finish();
        const folders = new OpenFolders(openFolder(root));
        try {
          const above = folders.at(path.slice(0, -256));
          const names = ["h", "l", "n"].map((end) => "n".repeat(254) + end);
          assert.deepEqual(above.names().sort(), names, access);
          assert.equal(above.statAt(names[2])?.size, 7);
          assert.equal(above.statAt(names[2])?.links, 2);
        } finally {
          folders.close();
        }
        const parent = openFolder(folder);
        removeTree(parent, "root");
        parent.close();
      });
    });
  },
);
