import assert from "node:assert/strict";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { Skipped } from "../../lib/tree/entry.ts";
import { comparePaths } from "../../lib/tree/path.ts";
import { lstat } from "../../lib/tree/stat.ts";
import { useFolderAccess } from "../../lib/tree/open_folder.ts";
import { Walker, type WalkOptions } from "../../lib/tree/walker.ts";
import { needs, run } from "../support/peer.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

/**
 * Returns the entries that a walk finds, and the paths that it excludes or
 * skips.
 */
function walk(
  root: string,
  options: ConstructorParameters<typeof Walker>[1] = { excludes: [] },
  more: WalkOptions = {},
) {
  const skipped: Skipped[] = [];
  const onSkip = (skip: Skipped) => skipped.push(skip);
  const entries = [
    ...new Walker(root, options).entries({ onSkip, ...more }),
  ];
  return { entries, skipped, paths: entries.map(({ path }) => path) };
}

test(
  "Walker yields every kind of entry, in path order",
  needsSymlinks,
  async () => {
    await withTemp(async (root) => {
      fs.mkdirSync(join(root, "dir/empty"), { recursive: true });
      fs.writeFileSync(join(root, "dir/file"), "12345", { mode: 0o640 });
      fs.writeFileSync(join(root, "dir-"), "");
      fs.linkSync(join(root, "dir/file"), join(root, "dir/link"));
      fs.linkSync(join(root, "dir/file"), join(root, "a-link"));
      fs.symlinkSync("..", join(root, "dir/loop"));
      fs.symlinkSync("/nowhere", join(root, "dangling"));
      const { entries, skipped } = walk(root);
      assert.deepEqual(
        entries.map(({ path, kind, size, target }) =>
          `${path} ${kind} ${size} ${target ?? ""}`
        ),
        [
          "a-link file 5 ",
          "dangling symlink 0 /nowhere",
          "dir directory 0 ",
          "dir/empty directory 0 ",
          "dir/file hardlink 0 a-link",
          "dir/link hardlink 0 a-link",
          "dir/loop symlink 0 ..",
          "dir- file 0 ",
        ],
      );
      assert.deepEqual(skipped, []);
      const sorted = entries.map(({ path }) => path).sort(comparePaths);
      assert.deepEqual(entries.map(({ path }) => path), sorted);
      const stat = lstat(join(root, "dir"));
      const dir = entries.find(({ path }) => path === "dir")!;
      for (
        const field of [
          "mode",
          "mtime",
          "ctime",
          "inode",
          "uid",
          "gid",
        ] as const
      ) {
        assert.equal(dir[field], stat[field], field);
      }
      const asked = await Array.fromAsync(
        new Walker(root, { excludes: [] }).walk(),
      );
      assert.deepEqual(asked, entries);
    });
  },
);

test("Walker reports sockets as special, and yields pipes as entries", {
  ...needs("mkfifo"),
}, async () => {
  await withTemp(async (root) => {
    run("mkfifo", [join(root, "pipe")]);
    const server = createServer();
    try {
      await new Promise<void>((resolve) =>
        server.listen(join(root, "socket"), resolve)
      );
      const { paths, skipped } = walk(root);
      assert.deepEqual(paths, ["pipe"]);
      assert.deepEqual(skipped, [
        { path: "socket", reason: "special", detail: "a socket" },
      ]);
    } finally {
      server.close();
    }
  });
});

test(
  "a name that is not UTF-8 and cannot be read is reported, and not confused with another one",
  {
    skip: process.platform !== "linux" && "needs Linux",
  },
  async () => {
    await withTemp((root) => {
      const script = `
      printf a > "$(printf 'bad\\377')"
      printf b > "$(printf 'twin\\377')"; printf c > "$(printf 'twin\\357\\277\\275')"
      mkdir "$(printf 'dir\\200')"; printf d > "$(printf 'dir\\200/x')"
      ln -s "$(printf 'to\\377')" link; ln -s "$(printf '\\357\\277\\275')" right`;
      run("sh", ["-c", script], { cwd: root });
      useFolderAccess("paths");
      const { entries, paths, skipped } = (() => {
        try {
          return walk(root);
        } finally {
          useFolderAccess(undefined);
        }
      })();
      assert.deepEqual(paths, ["right", "twin\uFFFD"]);
      assert.equal(entries[0].target, "\uFFFD");
      assert.deepEqual(
        skipped.map(({ path, reason }) => `${path} ${reason}`),
        [
          "bad\uFFFD name",
          "dir\uFFFD name",
          "link unreadable",
          "twin\uFFFD name",
        ],
      );
    });
  },
);

test("a folder that vanishes or cannot be read is reported, and the walk continues", async () => {
  await withTemp((root) => {
    for (const name of ["a", "b", "c"]) {
      fs.mkdirSync(join(root, name));
      fs.writeFileSync(join(root, name, "file"), "");
    }
    const skipped: Skipped[] = [];
    const paths: string[] = [];
    const walker = new Walker(root);
    for (const { path } of walker.entries({ onSkip: (s) => skipped.push(s) })) {
      paths.push(path);
      if (path === "a") fs.rmSync(join(root, "a"), { recursive: true });
      if (path === "b") {
        fs.rmSync(join(root, "b"), { recursive: true });
        fs.writeFileSync(join(root, "b"), "a file now");
      }
    }
    assert.deepEqual(paths, ["a", "b", "c", "c/file"]);
    assert.deepEqual(
      skipped.map(({ path, reason }) => `${path} ${reason}`),
      ["a vanished", "b vanished"],
    );
  });
});

test("deltar's temporary files and separate folders are excluded", async () => {
  await withTemp((folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(join(root, "sub/repository/volumes"), { recursive: true });
    fs.mkdirSync(join(root, ".deltar-stage-p1-01234567-Xx"));
    fs.writeFileSync(join(root, ".deltar-stage-12-0"), "");
    fs.writeFileSync(join(root, ".deltarignore"), "");
    const spellings = [root];
    if (needsSymlinks.skip === undefined) {
      fs.symlinkSync(root, join(folder, "link"));
      spellings.push(join(folder, "link"));
    }
    const place = "sub/repository";
    for (const seen of spellings) {
      for (const named of spellings) {
        const neverTouch = [join(named, place)];
        const { paths, skipped } = walk(seen, { excludes: [], neverTouch });
        assert.deepEqual(paths, [".deltarignore", "sub"]);
        assert.deepEqual(skipped.map(({ path, reason }) => [path, reason]), [
          [".deltar-stage-12-0", "name"],
          [".deltar-stage-p1-01234567-Xx", "excluded"],
          [place, "excluded"],
        ]);
      }
    }
    // This folder is created after the walker.
    const later = new Walker(root, {
      neverTouch: [join(...spellings.slice(-1), "new/deep")],
    });
    fs.mkdirSync(join(root, "new/deep"), { recursive: true });
    assert.ok(!later.entries().some(({ path }) => path === "new/deep"));
  });
});

test("Walker refuses a root other than a directory", async () => {
  await withTemp((root) => {
    fs.writeFileSync(join(root, "file"), "");
    for (const place of ["absent", "file", "file/below"]) {
      assert.throws(() => new Walker(join(root, place)), {
        name: "DeltarError",
        code: "not-found",
      }, place);
    }
    const walker = new Walker(root);
    fs.rmSync(root, { recursive: true });
    assert.throws(() => [...walker.entries()], {
      name: "DeltarError",
      code: "not-found",
    });
    assert.throws(() => walker.stat(), { name: "DeltarError" });
    fs.mkdirSync(root);
  });
});

test("Walker stops when its signal is aborted", async () => {
  await withTemp((root) => {
    assert.throws(
      () => walk(root, {}, { signal: AbortSignal.abort() }),
      { name: "DeltarError", code: "aborted" },
    );
  });
});
