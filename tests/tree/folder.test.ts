import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type Folder, isSameFile } from "../../lib/tree/folder.ts";
import {
  canUseRawNames,
  type FolderAccess,
  openFolder,
} from "../../lib/tree/open_folder.ts";
import { OpenFolders } from "../../lib/tree/open_folders.ts";
import { lstat } from "../../lib/tree/stat.ts";
import {
  ACCESSES,
  byEachAccess,
  byEachOpenAccess,
} from "../support/folder_access.ts";
import { needs, run } from "../support/peer.ts";
import { needsPosix, needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

const CONTENT = new TextEncoder().encode("content");
const TIME = 1_500_000_000_250_000_000n;
const onLinux = { skip: process.platform !== "linux" && "needs Linux" };
const host = globalThis as { Deno?: unknown; Bun?: unknown };

/** Runs `work` in an empty open folder, once with each way of access. */
async function inFolder(
  work: (
    folder: Folder,
    place: string,
    access: FolderAccess,
  ) => void | Promise<void>,
): Promise<void> {
  await byEachAccess((access) =>
    withTemp(async (place) => {
      const folder = openFolder(place);
      try {
        await work(folder, place, access);
      } finally {
        folder.close();
      }
    })
  );
}

test("openFolder() accesses folders by descriptors on Linux", onLinux, () => {
  assert.equal(ACCESSES[0], host.Deno || host.Bun ? "calls" : "proc");
});

test(
  "Folder carries out all operations that a tree needs",
  needsPosix("modes"),
  async () => {
    await inFolder(async (folder, place, access) => {
      assert.deepEqual(folder.names(), []);
      const file = folder.createFile("file", 0o600);
      file.write(CONTENT, 0);
      file.write(CONTENT, 10);
      file.truncate(12);
      file.setMode(0o640);
      file.setTimes(TIME);
      file.sync();
      await file.flush();
      assert.equal(await folder.syncFileSystem(), access === "calls");
      assert.equal(file.stat().size, 12);
      const buffer = new Uint8Array(20);
      assert.equal(file.read(buffer, 0), 12);
      assert.equal(
        new TextDecoder().decode(buffer.subarray(0, 12)),
        "content\0\0\0co",
      );
      file.close();
      file.close();
      assert.throws(() => file.stat(), { code: "EBADF" });
      const { mode, mtime, kind } = folder.statAt("file")!;
      assert.deepEqual([kind, mode, mtime], ["file", 0o640, TIME]);

      folder.makeFolder("below", 0o700);
      const below = folder.openFolder("below");
      assert.equal(below.place, `${place}/below`);
      assert.ok(isSameFile(below.stat(), folder.statAt("below")!));
      folder.link("file", below, "linked");
      folder.makeSymlink("link", "no\u00fcwhere");
      assert.equal(folder.readLink("link"), "no\u00fcwhere");
      folder.rename("link", below, "moved");
      assert.equal(folder.statAt("link"), undefined);
      below.setTimes("moved", TIME);
      // Deno cannot set times before 1970 without a system call.
      const early = host.Deno && access !== "calls" ? TIME / 2n : -TIME;
      below.setTimes("linked", early);
      below.setMode("linked", 0o4711);
      assert.equal(below.statAt("moved")!.mtime, TIME);
      assert.equal(folder.statAt("file")!.mtime, early);
      assert.equal(folder.statAt("file")!.mode, 0o4711);
      assert.equal(folder.statAt("file")!.links, 2);
      assert.throws(() => below.setMode("moved", 0o600), { code: "ENOTSUP" });
      assert.throws(() => folder.removeFolder("below"), { code: "ENOTEMPTY" });
      assert.deepEqual(below.names().sort(), ["linked", "moved"]);
      assert.deepEqual(below.names().sort(), ["linked", "moved"]);
      below.unlink("moved");
      below.unlink("linked");
      below.setOwnMode(0o750);
      below.setOwnTimes(TIME);
      await below.sync();
      assert.equal(below.stat().mode, 0o750);
      assert.equal(below.stat().mtime, TIME);
      assert.throws(() => folder.unlink("below"), { code: "EISDIR" });
      below.close();
      below.close();
      folder.removeFolder("below");
      assert.deepEqual(folder.names(), ["file"]);
      assert.equal(lstat(join(place, "file")).size, 12);
    });
  },
);

test(
  "Folder.openFile() refuses entries other than files, and never blocks [A5]",
  needs("mkfifo"),
  async () => {
    await inFolder((folder, place, access) => {
      run("mkfifo", [join(place, "pipe")]);
      fs.symlinkSync("/dev/zero", join(place, "zero"));
      fs.symlinkSync("pipe", join(place, "link"));
      fs.mkdirSync(join(place, "folder"));
      const codes = Object.fromEntries(
        ["pipe", "zero", "link", "folder", "absent"].map((name) => [
          name,
          codeOf(() => folder.openFile(name)),
        ]),
      );
      assert.equal(codeOf(() => folder.openUnseen("zero")), "ELOOP");
      // With plain paths, the kind is checked before the file is opened.
      if (access === "paths") {
        assert.equal(codeOf(() => folder.openUnseen("pipe")), "ENXIO");
      } else {
        const pipe = folder.openUnseen("pipe");
        assert.equal(pipe.stat().kind, "fifo");
        pipe.close();
      }
      assert.deepEqual(codes, {
        pipe: "ENXIO",
        zero: "ELOOP",
        link: "ELOOP",
        folder: "EISDIR",
        absent: "ENOENT",
      });
    });
  },
);

test(
  "Folder follows no symlink in any operation [A2][A4]",
  needsSymlinks,
  async () => {
    await inFolder((root, place) => {
      fs.mkdirSync(join(place, "in"));
      fs.mkdirSync(join(place, "out"), 0o755);
      fs.writeFileSync(join(place, "out/file"), "outside", { mode: 0o600 });
      fs.symlinkSync("../out", join(place, "in/folder"));
      fs.symlinkSync("../out/file", join(place, "in/file"));
      fs.symlinkSync("../out/new", join(place, "in/new"));
      const before = lstat(join(place, "out/file"));
      const folder = root.openFolder("in");
      assert.equal(codeOf(() => folder.openFolder("folder")), "ENOTDIR");
      assert.equal(codeOf(() => folder.openFile("file")), "ELOOP");
      assert.equal(codeOf(() => folder.createFile("new", 0o600)), "EEXIST");
      assert.equal(codeOf(() => folder.setMode("file", 0o777)), "ENOTSUP");
      folder.setTimes("file", TIME);
      if (process.getuid?.() === 0) folder.setOwner("file", 1234, 1234);
      folder.close();
      assert.deepEqual(lstat(join(place, "out/file")), before);
      assert.deepEqual(fs.readdirSync(join(place, "out")), ["file"]);
    });
  },
);

test(
  "Folder accepts a single name, and never a path [A2]",
  needsPosix("NAME_MAX"),
  async () => {
    await inFolder((root, place) => {
      fs.mkdirSync(join(place, "in"));
      fs.writeFileSync(join(place, "file"), "");
      const folder = root.openFolder("in");
      const long = "n".repeat(256);
      for (const name of ["", ".", "..", "../file", "/tmp", "a\0b"]) {
        for (const use of uses(folder, name)) {
          assert.equal(codeOf(use), "EINVAL", JSON.stringify(name));
        }
      }
      for (const use of uses(folder, long)) {
        assert.equal(codeOf(use), "ENAMETOOLONG");
      }
      folder.close();
      assert.deepEqual(fs.readdirSync(place).sort(), ["file", "in"]);
    });
  },
);

/** Returns all operations with a name. */
function uses(folder: Folder, name: string): (() => unknown)[] {
  return [
    () => folder.statAt(name),
    () => folder.openFolder(name),
    () => folder.openFile(name),
    () => folder.openUnseen(name),
    () => folder.createFile(name, 0o600),
    () => folder.makeFolder(name, 0o700),
    () => folder.makeSymlink(name, "x"),
    () => folder.readLink(name),
    () => folder.link(name, folder, "x"),
    () => folder.rename(name, folder, "x"),
    () => folder.unlink(name),
    () => folder.removeFolder(name),
    () => folder.setMode(name, 0o600),
    () => folder.setTimes(name, 0n),
  ];
}

test("Folder.setOwner() refuses numbers that would be truncated [A11]", {
  skip: process.getuid?.() !== 0 && "needs root",
}, async () => {
  await inFolder((folder) => {
    const file = folder.createFile("file", 0o600);
    folder.makeFolder("below", 0o700);
    const below = folder.openFolder("below");
    const name = (uid: number, gid: number) =>
      folder.setOwner("file", uid, gid);
    const opened = (uid: number, gid: number) => file.setOwner(uid, gid);
    const own = (uid: number, gid: number) => below.setOwnOwner(uid, gid);
    for (const set of [name, opened, own]) {
      set(1234, 5678);
      for (const wrong of [2 ** 32, 2 ** 32 - 1, -1, 1.5, NaN]) {
        assert.equal(codeOf(() => set(wrong, 1)), "EINVAL", String(wrong));
        assert.equal(codeOf(() => set(1, wrong)), "EINVAL", String(wrong));
      }
    }
    for (const { uid, gid } of [file.stat(), below.stat()]) {
      assert.deepEqual([uid, gid], [1234, 5678]);
    }
    file.close();
    below.close();
  });
});

test("Folder follows a folder that is renamed, and not its old name [A4]", async () => {
  await inFolder((root, place) => {
    fs.mkdirSync(join(place, "in"));
    fs.mkdirSync(join(place, "out"));
    const folder = root.openFolder("in");
    fs.renameSync(join(place, "in"), join(place, "moved"));
    fs.symlinkSync("out", join(place, "in"));
    // With plain paths, the operation can only be refused.
    const code = codeOf(() => folder.createFile("new", 0o600).close());
    const isThere = fs.existsSync(join(place, "moved/new"));
    assert.ok(isThere && code === undefined || !isThere && code === "ENOENT");
    folder.close();
    assert.deepEqual(fs.readdirSync(join(place, "out")), []);
  });
});

test("Folder has the same errors with each way of access", async () => {
  const seen = new Map<string, string>();
  await byEachAccess((access) =>
    withTemp((place) => {
      fs.writeFileSync(join(place, "file"), "");
      fs.mkdirSync(join(place, "full/below"), { recursive: true });
      const root = openFolder(place);
      const full = root.openFolder("full");
      const codes = [
        () => openFolder(join(place, "absent")),
        () => openFolder(join(place, "file")),
        () => root.openFolder("file"),
        () => root.openFolder("absent"),
        () => root.createFile("file", 0o600),
        () => root.makeFolder("full", 0o700),
        () => root.makeSymlink("file", "x"),
        () => root.makeSymlink("empty", ""),
        () => root.readLink("file"),
        () => root.readLink("absent"),
        () => root.link("absent", root, "new"),
        () => root.link("file", full, "below"),
        () => root.rename("absent", full, "new"),
        () => root.rename("file", full, "below"),
        () => root.unlink("absent"),
        () => root.unlink("full"),
        () => root.removeFolder("full"),
        () => root.removeFolder("file"),
        () => root.setMode("absent", 0o600),
        () => root.setTimes("absent", 0n),
        () => root.setOwner("absent", 0, 0),
      ].map((use) => codeOf(use));
      full.close();
      root.close();
      seen.set(access, codes.join(" "));
    })
  );
  assert.equal(new Set(seen.values()).size, 1, [...seen].join("\n"));
});

test("Folder that is closed refuses all operations", async () => {
  await byEachOpenAccess(() =>
    withTemp((place) => {
      fs.writeFileSync(join(place, "file"), "");
      const root = openFolder(place);
      root.close();
      for (const use of uses(root, "file")) assert.equal(codeOf(use), "EBADF");
      assert.equal(codeOf(() => root.names()), "EBADF");
    })
  );
});

test("Folder names the path in its errors", async () => {
  await inFolder((folder, place) => {
    assert.throws(() => folder.openFile("absent"), {
      code: "ENOENT",
      path: `${place}/absent`,
      message: `ENOENT: no such file or directory, open '${place}/absent'`,
    });
  });
});

test("Folder.visit() returns the same state of each entry as statAt()", async () => {
  await inFolder((folder, place) => {
    for (let count = 0; count < 500; count++) {
      fs.writeFileSync(join(place, `${count}-${"x".repeat(count % 200)}`), "");
    }
    const inodes = new Map<string, bigint>();
    folder.visit((bytes, start, end, stat) => {
      const name = new TextDecoder().decode(bytes.subarray(start, end));
      inodes.set(name, BigInt(stat![8]) | BigInt(stat![9]) << 32n);
      return true;
    });
    assert.equal(inodes.size, 500);
    for (const [name, inode] of inodes) {
      assert.equal(folder.statAt(name)!.inode, inode);
    }
    let seen = 0;
    assert.equal(folder.visit(() => ++seen < 3), false);
    assert.equal(seen, 3);
  });
});

test(
  "Folder.readLink() returns or refuses a text that is not UTF-8",
  onLinux,
  async () => {
    await inFolder((folder, place) => {
      execFileSync("sh", [
        "-c",
        'ln -s "$(printf \'a\\377b\')" "$1/l"',
        "sh",
        place,
      ]);
      if (canUseRawNames()) assert.equal(folder.readLink("l"), "a\udcffb");
      else assert.equal(codeOf(() => folder.readLink("l")), "EILSEQ");
    });
  },
);

test(
  "OpenFolders supports paths longer than PATH_MAX, and keeps few folders open [R6]",
  onLinux,
  async () => {
    await byEachOpenAccess(() =>
      withTemp((place) => {
        const name = "n".repeat(200);
        const depth = 200;
        const folders = new OpenFolders(openFolder(place), { most: 16 });
        const paths = [""];
        for (let level = 0; level < depth; level++) {
          folders.at(paths[level]).makeFolder(name, 0o700);
          paths.push(level === 0 ? name : `${paths[level]}/${name}`);
        }
        assert.ok(paths[depth].length > 4096 * 9);
        const before = openCount();
        for (const path of [...paths, ...paths.toReversed(), ...paths]) {
          folders.at(path).createFile("file", 0o600).close();
          assert.ok(openCount() <= before + 16);
          folders.at(path).unlink("file");
        }
        for (const path of paths.toReversed()) {
          if (path === "") continue;
          folders.forget(path);
          const above = path.slice(0, Math.max(0, path.lastIndexOf("/")));
          folders.at(above).removeFolder(name);
        }
        folders.close();
        assert.ok(openCount() < before);
        assert.deepEqual(fs.readdirSync(place), []);
      })
    );
  },
);

function openCount(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

test("OpenFolders notices that a folder was replaced [A4]", async () => {
  await byEachAccess(() =>
    withTemp((place) => {
      for (let count = 0; count < 20; count++) {
        fs.mkdirSync(join(place, `${count}/below`), { recursive: true });
      }
      const folders = new OpenFolders(openFolder(place), { most: 4 });
      folders.at("0/below");
      for (let count = 1; count < 20; count++) folders.at(`${count}/below`);
      fs.renameSync(join(place, "0"), join(place, "moved"));
      fs.mkdirSync(join(place, "0/below"), { recursive: true });
      assert.equal(codeOf(() => folders.at("0/below")), "ENOENT");
      folders.forget("0/below");
      folders.forget("0");
      folders.at("0/below");
      folders.close();
    })
  );
});

test("OpenFolders continues after open folders were deleted", async () => {
  await byEachAccess(() =>
    withTemp((place) => {
      const names = Array.from({ length: 20 }, (_, at) => `${at}`);
      for (const name of names) fs.mkdirSync(join(place, name));
      const folders = new OpenFolders(openFolder(place), { most: 4 });
      for (const name of names) {
        folders.at(name);
        if (Number(name) % 2 === 0) fs.rmdirSync(join(place, name));
      }
      folders.close();
    })
  );
});

test("Folder that may not be listed can be entered", {
  skip: (process.platform !== "linux" || process.getuid?.() !== 0) &&
    "needs root on Linux",
}, async () => {
  await inFolder(async (folder, place) => {
    fs.mkdirSync(join(place, "shut/in"), { recursive: true });
    fs.chmodSync(place, 0o711);
    fs.chownSync(join(place, "shut"), 65534, 65534);
    fs.chmodSync(join(place, "shut"), 0o300);
    fs.chownSync(join(place, "shut/in"), 65534, 65534);
    process.seteuid!(65534);
    try {
      const shut = folder.openFolder("shut");
      assert.equal(codeOf(() => shut.names()), "EACCES");
      shut.createFile("file", 0o000).close();
      shut.setMode("file", 0o400);
      shut.setTimes("file", TIME);
      assert.equal(shut.statAt("file")!.mtime, TIME);
      shut.setOwnTimes(TIME);
      shut.setOwnMode(0o700);
      await shut.sync();
      assert.equal(shut.stat().mode, 0o700);
      shut.close();
    } finally {
      process.seteuid!(0);
    }
  });
});

/** Returns the code of the thrown error, if there is one. */
function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
