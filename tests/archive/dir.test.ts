import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
import { setTimes } from "../../lib/tree/stat.ts";
import { needs, run, runText } from "../support/peer.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

/** Runs work with a directory that has some files. */
function withDir(
  work: (root: string, write: (path: string, text?: string) => void) =>
    | void
    | Promise<void>,
): Promise<void> {
  return withTemp((folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    return work(root, (path, text = path) => {
      fs.mkdirSync(join(root, path, ".."), { recursive: true });
      fs.writeFileSync(join(root, path), text);
    });
  });
}

test("Dir: files, subdirs, get, projects and size", async () => {
  await withDir((root, write) => {
    const paths = [
      ".git/HEAD",
      "a.ts",
      "lib/a.ts",
      "lib/deep/b.ts",
      "lib/deep/package.json",
      "lib.md",
      "package.json",
    ];
    for (const path of paths) write(path, "12345");
    fs.linkSync(join(root, "a.ts"), join(root, "linked"));
    fs.symlinkSync("a.ts", join(root, "symlink"));
    fs.mkdirSync(join(root, "empty/package.json"), { recursive: true });
    const dir = new Dir(root);
    const files = paths.slice(1);
    assert.deepEqual(dir.files().sort(), [...files, "linked"].sort());
    assert.deepEqual(dir.files("*.ts"), ["a.ts", "lib/a.ts", "lib/deep/b.ts"]);
    assert.deepEqual(dir.files("/*.ts"), ["a.ts"]);
    assert.deepEqual(
      dir.files("lib/**"),
      files.filter((path) => /^lib\//.test(path)),
    );
    assert.deepEqual(dir.files("lib"), []);
    assert.deepEqual(dir.files("lib/"), []);
    assert.deepEqual(dir.files("nothing"), []);
    assert.deepEqual(dir.subdirs("deep/"), ["lib/deep"]);
    assert.deepEqual(dir.subdirs("lib/**"), ["lib/deep"]);
    assert.deepEqual(dir.subdirs(), [
      "empty",
      "empty/package.json",
      "lib",
      "lib/deep",
    ]);
    assert.deepEqual(dir.subdirs("dee?"), ["lib/deep"]);
    assert.equal(dir.get("b.*"), "lib/deep/b.ts");
    assert.equal(dir.get("*.py"), undefined);
    assert.deepEqual(dir.findProjects("package.json"), ["lib/deep", ""]);
    assert.deepEqual(dir.findProjects(), []);
    assert.equal(dir.size(), 30);
    assert.equal(dir.isExcluded(".git/HEAD"), true);
    assert.equal(dir.isExcluded("a.ts"), false);
    assert.equal(dir.whyExcluded(".git/"), "exclude: .git/");
    assert.throws(() => dir.isExcluded("../x"), { code: "unsafe" });
  });
});

test(
  "Dir.hash() depends on names, kinds, links, times and contents",
  needsPosix("names with a newline"),
  async () => {
    await withDir(async (root, write) => {
      const dir = new Dir(root);
      write("a", "same");
      write("b", "same");
      const settle = () => {
        for (const name of fs.readdirSync(root)) {
          setTimes(join(root, name), 1_000_000_000n);
        }
      };
      const both = async () => {
        settle();
        return [await dir.hash(), await dir.hash("contents")];
      };
      const seen = new Set(await both());
      assert.equal(seen.size, 2);
      assert.deepEqual(new Set(await both()), seen);
      const changes: [string, boolean, () => void][] = [
        ["a name", true, () => fs.renameSync(join(root, "b"), join(root, "c"))],
        ["a file", true, () => write("new\nline", "")],
        ["a folder", true, () => fs.mkdirSync(join(root, "dir"))],
        ["a link", true, () => fs.symlinkSync("x", join(root, "l"))],
        ["a target", true, () => {
          fs.rmSync(join(root, "l"));
          fs.symlinkSync("y", join(root, "l"));
        }],
        ["a size", true, () => write("a", "longer")],
        ["content only", false, () => write("a", "LONGER")],
      ];
      for (const [what, byTimes, change] of changes) {
        change();
        const [times, contents] = await both();
        assert.equal(seen.has(times), !byTimes, what);
        assert.equal(seen.has(contents), false, what);
        seen.add(times).add(contents);
      }
      const contents = await dir.hash("contents");
      setTimes(join(root, "a"), 2_000_000_000n);
      assert.equal(seen.has(await dir.hash()), false);
      assert.equal(await dir.hash("contents"), contents);
    });
  },
);

test(
  "Dir.compressTo() never puts the archive into itself",
  needs("tar"),
  async () => {
    await withDir(async (root, write) => {
      write("a", "a".repeat(5000));
      write("sub/b");
      write(".git/HEAD");
      const archive = join(root, "sub/archive.tgz");
      for (let round = 0; round < 2; round++) {
        const skipped: Skipped[] = [];
        await new Dir(root).compressTo(archive, {
          onSkip: (skip) => skipped.push(skip),
        });
        const names = runText("tar", ["-tzf", archive]).trim().split("\n");
        assert.deepEqual(
          names.map((name) => name.replace(/\/$/, "")).sort(),
          ["a", "sub", "sub/b"],
        );
        const own = skipped.filter(({ path }) => path.startsWith("sub/"));
        assert.ok(own.every(({ reason }) => reason === "excluded"));
        assert.deepEqual(fs.readdirSync(join(root, "sub")).sort(), [
          "archive.tgz",
          "b",
        ]);
      }
      const out = join(root, "../out");
      fs.mkdirSync(out);
      run("tar", ["-xzf", archive, "-C", out]);
      assert.equal(fs.readFileSync(join(out, "sub/b"), "utf8"), "sub/b");
    });
  },
);

test("Dir.compressTo() does not replace an existing archive if it fails", async () => {
  await withDir(async (root, write) => {
    write("a");
    const archive = join(root, "../archive.tgz");
    await new Dir(root).compressTo(archive);
    const good = fs.readFileSync(archive);
    write("b");
    const signal = AbortSignal.abort();
    await assert.rejects(
      new Dir(root).compressTo(archive, { signal }),
      { name: "DeltarError", code: "aborted" },
    );
    assert.ok(fs.readFileSync(archive).equals(good));
    await assert.rejects(
      new Dir(root).compressTo(join(root, "a/x.tgz")),
      { name: "DeltarError", code: "io" },
    );
    assert.deepEqual(fs.readdirSync(join(root, "..")).sort(), [
      "archive.tgz",
      "root",
    ]);
  });
});

test("Dir.isExcluded() takes absolute paths, and refuses those outside", async () => {
  await withTemp((folder) => {
    fs.writeFileSync(join(folder, ".deltarignore"), "*.md\nbuild/\n");
    fs.writeFileSync(join(folder, "a.md"), "");
    fs.symlinkSync("/etc/hostname", join(folder, "link.md"));
    const dir = new Dir(folder);
    assert.equal(dir.isExcluded(join(folder, "a.md")), true);
    assert.equal(dir.isExcluded(join(folder, "link.md")), true);
    assert.equal(dir.isExcluded(join(folder, "a.txt")), false);
    assert.equal(dir.isExcluded(`${join(folder, "build")}/`), true);
    assert.throws(() => dir.isExcluded("/etc/hostname"), { code: "unsafe" });
  });
});

test(
  "Dir.compressTo() without a file makes a temporary one",
  needs("tar"),
  async () => {
    await withTemp(async (folder) => {
      fs.writeFileSync(join(folder, "a"), "content");
      const file = await new Dir(folder).compressTo();
      try {
        assert.match(file, /\.tgz$/);
        const extracted = join(folder, "extracted");
        fs.mkdirSync(extracted);
        runText("tar", ["-xzf", file, "-C", extracted]);
        assert.equal(fs.readFileSync(join(extracted, "a"), "utf8"), "content");
      } finally {
        fs.rmSync(dirname(file), { recursive: true });
      }
    });
  },
);
