/**
 * Rules that exclude by more than patterns: by tags, sizes, file systems and
 * letter case. They are compared with those of GNU tar and restic.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { byEachAccess } from "../support/folder_access.ts";
import { needs, runText } from "../support/peer.ts";
import { needsPosix } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { isUnchanged, type Rules, stateOf } from "./states.ts";

const TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n";

/** Writes a tree with files for each rule. */
function write(root: string): void {
  const files: Record<string, string> = {
    "kept": "kept",
    "large": "x".repeat(2001),
    "limit": "x".repeat(2000),
    "cache/CACHEDIR.TAG": TAG,
    "cache/a": "a",
    "cache/below/b": "b",
    "untrue/CACHEDIR.TAG": "Signature: none",
    "untrue/a": "a",
    "folder/CACHEDIR.TAG/a": "a tag must be a file",
    "marked/.nobackup": "",
    "marked/a": "a",
    "marked/below/b": "b",
    "deep/marked/also/.nobackup": "",
    "deep/marked/also/a": "a",
    "deep/marked/a": "a",
    "Photo.JPG": "1",
    "photo.jpg": "2",
    "deep/ÄRGER.Txt": "3",
    "deep/ärger.txt": "4",
    "deep/ãrger.txt": "5",
  };
  for (const [path, content] of Object.entries(files)) {
    const place = join(root, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(place, content);
  }
  fs.mkdirSync(join(root, "linked"));
  fs.symlinkSync("../cache/CACHEDIR.TAG", join(root, "linked/CACHEDIR.TAG"));
  fs.writeFileSync(join(root, "linked/a"), "a");
  // A symlink with a long target does not count as a large file.
  fs.symlinkSync("y".repeat(3000), join(root, "long"));
}

/** Returns the paths that a walk yields, and those that it excludes. */
function walk(root: string, rules: Rules) {
  const skipped: Skipped[] = [];
  const walker = new Walker(root, { excludes: [], ...rules });
  const entries = walker.entries({ onSkip: (skip) => skipped.push(skip) });
  const paths = [...entries].map(({ path }) => path);
  for (const path of paths) assert.equal(walker.whyExcluded(path), undefined);
  for (const { path, detail, reason } of skipped) {
    assert.equal(reason, "excluded");
    if (!paths.includes(path)) assert.equal(walker.whyExcluded(path), detail);
  }
  return {
    paths,
    left: skipped.map(({ path, detail }) => `${path}: ${detail}`),
  };
}

test(
  "walks exclude by tags, sizes and patterns that ignore case, and name the rule",
  needsPosix("names that differ by case"),
  async () => {
    await byEachAccess(async () => {
      await withTemp((root) => {
        write(root);
        assert.deepEqual(walk(root, { excludeLargerThan: 2000 }).left, [
          "large: exclude-larger-than: 2000 bytes",
        ]);
        assert.deepEqual(walk(root, { excludeCaches: true }).left, [
          "cache/a: exclude-caches: CACHEDIR.TAG",
          "cache/below: exclude-caches: CACHEDIR.TAG",
        ]);
        const marks = ["none", ".nobackup"];
        assert.deepEqual(walk(root, { excludeIfPresent: marks }).left, [
          "deep/marked/also/a: exclude-if-present: .nobackup",
          "marked/a: exclude-if-present: .nobackup",
          "marked/below: exclude-if-present: .nobackup",
        ]);
        const iexcludes = ["*.Jpg", "/deep/ärGER.TXT"];
        assert.deepEqual(walk(root, { iexcludes }).left, [
          "Photo.JPG: iexclude: *.Jpg",
          "deep/ÄRGER.Txt: iexclude: /deep/ärGER.TXT",
          "deep/ärger.txt: iexclude: /deep/ärGER.TXT",
          "photo.jpg: iexclude: *.Jpg",
        ]);
        // A pattern of another list does not re-include a path that this one
        // excludes.
        const both = { iexcludes, excludes: ["!*.jpg", "ma*"] };
        assert.equal(walk(root, both).left.length, 6);
      });
    });
  },
);

test("Walker() refuses invalid rules", async () => {
  await withTemp((root) => {
    const wrong: [Rules, string][] = [
      [{ excludeIfPresent: ["a/b"] }, "TypeError"],
      [{ excludeIfPresent: [".."] }, "TypeError"],
      [{ excludeLargerThan: -1 }, "RangeError"],
      [{ iexcludes: "x" as unknown as [] }, "TypeError"],
      [{ oneFileSystem: 1 as unknown as true }, "TypeError"],
    ];
    for (const [rules, name] of wrong) {
      assert.throws(() => new Walker(root, rules), { name }, `${name}`);
    }
  });
});

test("findUnchangedFolders() notices a change of a tag, or of a size that crosses the limit", async () => {
  const rules: Rules = {
    excludes: ["*.log"],
    excludeCaches: true,
    excludeIfPresent: [".nobackup"],
    excludeLargerThan: 2000,
  };
  const edits: [string, boolean, (root: string) => void][] = [
    [
      "a file that grows beyond the limit",
      true,
      (root) => fs.appendFileSync(join(root, "limit"), "x"),
    ],
    [
      "a large file that shrinks to the limit",
      true,
      (root) => fs.truncateSync(join(root, "large"), 2000),
    ],
    [
      "a large file that grows",
      false,
      (root) => fs.appendFileSync(join(root, "large"), "x"),
    ],
    [
      "a tag that gets the signature",
      true,
      (root) => fs.writeFileSync(join(root, "untrue/CACHEDIR.TAG"), TAG),
    ],
    [
      "a tag that loses the signature",
      true,
      (root) => fs.writeFileSync(join(root, "cache/CACHEDIR.TAG"), "no\n"),
    ],
    [
      "a tag that is gone",
      true,
      (root) => fs.rmSync(join(root, "marked/.nobackup")),
    ],
    [
      "a new tag",
      true,
      (root) => fs.writeFileSync(join(root, "deep/.nobackup"), ""),
    ],
    [
      "a change below an excluded folder",
      false,
      (root) => fs.writeFileSync(join(root, "cache/below/b"), "changed"),
    ],
  ];
  for (const [what, isSeen, edit] of edits) {
    await withTemp(async (root) => {
      write(root);
      const state = stateOf(root, rules);
      const walker = new Walker(root, rules);
      assert.equal(await isUnchanged(walker, state), true, what);
      const other = new Walker(root, { ...rules, excludeLargerThan: 1999 });
      assert.equal(await isUnchanged(other, state), false, what);
      edit(root);
      assert.equal(await isUnchanged(walker, state), !isSeen, what);
    });
  }
});

/** Mounts a new file system on a folder, if this process may do so. */
function mount(place: string): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const { status } = spawnSync("mount", ["-t", "tmpfs", "none", place]);
  return status === 0;
}

test("oneFileSystem includes the folder of a mount, but nothing in it", async (context) => {
  await withTemp(async (root) => {
    fs.mkdirSync(join(root, "folder/mount/point"), { recursive: true });
    const place = join(root, "folder/mount");
    fs.writeFileSync(join(root, "kept"), "");
    if (!mount(place)) {
      return context.skip("needs the right to mount a file system");
    }
    try {
      await byEachAccess(async () => {
        fs.writeFileSync(join(place, "inside"), "");
        const rules = { excludes: [], oneFileSystem: true };
        const rule = "one-file-system: another file system is mounted here";
        const skipped: Skipped[] = [];
        const walker = new Walker(root, rules);
        const paths = [
          ...walker.entries({ onSkip: (one) => skipped.push(one) }),
        ]
          .map(({ path }) => path);
        assert.deepEqual(paths, ["folder", "folder/mount", "kept"]);
        assert.deepEqual(skipped, [
          { path: "folder/mount", reason: "excluded", detail: rule },
        ]);
        assert.equal(walker.whyExcluded("folder/mount"), undefined);
        assert.equal(walker.whyExcluded("folder/mount/inside"), rule);
        // A walk that starts in the mounted file system is complete.
        assert.deepEqual(walk(place, rules).paths, ["inside"]);
        const state = stateOf(root, rules);
        assert.equal(await isUnchanged(walker, state), true);
        const without = stateOf(root, { excludes: [] });
        const all = new Walker(root, { excludes: [] });
        assert.equal(await isUnchanged(all, without), true);
        assert.equal(await isUnchanged(walker, without), false);
      });
    } finally {
      runText("umount", [place]);
    }
  });
});

const WHOLE: Rules = {
  excludes: [],
  ignoreFile: false,
  excludeCaches: true,
  excludeIfPresent: [".nobackup"],
  oneFileSystem: true,
};

test("GNU tar excludes the same paths", needs("tar"), async () => {
  await withTemp((folder) => {
    const root = join(folder, "root");
    write(root);
    fs.rmSync(join(root, "linked"), { recursive: true });
    const place = join(root, "mounted");
    fs.mkdirSync(place);
    const isMounted = mount(place);
    try {
      if (isMounted) fs.writeFileSync(join(place, "inside"), "");
      runText("tar", [
        "--create",
        `--file=${folder}/a.tar`,
        "--exclude-caches",
        "--exclude-tag=.nobackup",
        "--one-file-system",
        `--directory=${root}`,
        ".",
      ]);
    } finally {
      if (isMounted) runText("umount", [place]);
    }
    const told = runText("tar", [
      "--list",
      "--quoting-style=literal",
      `--file=${folder}/a.tar`,
    ]);
    const names = told.trim().split("\n")
      .map((name) => name.replace(/^\.\/|\/$/g, "").replace(/\/$/, ""))
      .filter((name) => name !== "");
    assert.deepEqual(walk(root, WHOLE).paths.sort(), names.sort());
  });
});

const RESTIC = spawnSync("restic", ["version"]).status === 0;

test("restic excludes the same paths", {
  skip: RESTIC ? false : "needs restic",
}, async () => {
  await withTemp((folder) => {
    const root = join(folder, "root");
    write(root);
    fs.rmSync(join(root, "linked"), { recursive: true });
    // restic counts the length of a symlink's target as its size.
    fs.rmSync(join(root, "long"));
    const place = join(root, "mounted");
    fs.mkdirSync(place);
    const isMounted = mount(place);
    let names: string[];
    try {
      if (isMounted) fs.writeFileSync(join(place, "inside"), "");
      const restic = (...words: string[]) => {
        const { status, stdout, stderr } = spawnSync("restic", words, {
          cwd: root,
          encoding: "utf8",
          env: {
            ...process.env,
            RESTIC_REPOSITORY: join(folder, "restic"),
            RESTIC_PASSWORD: "x",
            RESTIC_CACHE_DIR: join(folder, "restic-cache"),
          },
        });
        assert.equal(status, 0, stderr);
        return stdout;
      };
      restic("init");
      restic(
        "backup",
        "--exclude-caches",
        "--exclude-if-present=.nobackup",
        "--one-file-system",
        "--exclude-larger-than=2000",
        "--iexclude=*.Jpg",
        ".",
      );
      names = restic("ls", "--json", "latest").trim().split("\n")
        .map((line) => JSON.parse(line))
        .filter(({ struct_type }) => struct_type === "node")
        .map(({ path }) => path.slice(1));
    } finally {
      if (isMounted) runText("umount", [place]);
    }
    const rules = { ...WHOLE, excludeLargerThan: 2000, iexcludes: ["*.Jpg"] };
    const { paths } = walk(root, rules);
    assert.deepEqual(paths.sort(), names.sort());
  });
});

test("restore() with `delete` keeps paths that later rules exclude", async () => {
  await withTemp(async (root) => {
    write(root);
    const rules = {
      excludes: [],
      excludeCaches: true,
      excludeIfPresent: [".nobackup"],
      excludeLargerThan: 2000,
      iexcludes: ["*.jpg"],
    };
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository.snapshot(new Dir(root, rules));
    // A reader that does not know these rules must not find the field `rules`.
    const [text] = [...storage.objects]
      .filter(([name]) => name.startsWith("snapshots/"))
      .map(([, bytes]) => new TextDecoder().decode(bytes));
    const [line] = text.split("\n");
    const { rules: none, selection } = JSON.parse(line);
    assert.equal(none, undefined);
    assert.deepEqual(selection.iexcludes, rules.iexcludes);
    const found = await repository.find(record.id);
    const rest = { ignoreFile: ".deltarignore", gitignore: false };
    assert.deepEqual(found.rules, { ...rules, ...rest });
    const kept = [
      "cache/new",
      "cache/a",
      "marked/new",
      "new.JPG",
      "large",
      "new-large",
    ];
    fs.writeFileSync(join(root, "cache/new"), "");
    fs.writeFileSync(join(root, "marked/new"), "");
    fs.rmSync(join(root, "marked/.nobackup"));
    fs.writeFileSync(join(root, "new.JPG"), "");
    fs.writeFileSync(join(root, "new-large"), "x".repeat(2001));
    fs.writeFileSync(join(root, "deep/new"), "");
    await repository.restore(record, root, { delete: true });
    for (const path of kept) assert.ok(fs.existsSync(join(root, path)), path);
    assert.ok(!fs.existsSync(join(root, "deep/new")));
    assert.ok(fs.existsSync(join(root, "marked/.nobackup")));
  });
});

test("`paths` limits a walk to listed paths, and missing ones are named", async () => {
  await byEachAccess(async () => {
    await withTemp(async (root) => {
      write(root);
      fs.symlinkSync("deep", join(root, "link"));
      const paths = [
        "deep/marked/also",
        "kept",
        "deep/marked",
        "link/marked",
        "kept/below",
        "none/a",
        "none/b/c",
        "marked/.nobackup",
        "limit",
        "cache",
      ];
      const rules: Rules = { excludes: ["limit", "deep/*/a"], paths };
      const skipped: Skipped[] = [];
      const walker = new Walker(root, rules);
      const walked = [
        ...walker.entries({ onSkip: (one) => skipped.push(one) }),
      ];
      assert.deepEqual(walked.map(({ path }) => path), [
        "cache",
        "cache/CACHEDIR.TAG",
        "cache/a",
        "cache/below",
        "cache/below/b",
        "deep",
        "deep/marked",
        "deep/marked/also",
        "deep/marked/also/.nobackup",
        "deep/marked/also/a",
        "kept",
        "marked",
        "marked/.nobackup",
      ]);
      const missing = skipped.filter(({ reason }) => reason === "vanished");
      assert.deepEqual(missing.map(({ path }) => path).sort(), [
        "link/marked",
        "none/a",
        "none/b/c",
      ]);
      const excluded = skipped.filter(({ reason }) => reason === "excluded");
      assert.deepEqual(excluded.map(({ path }) => path), [
        "deep/marked/a",
        "limit",
      ]);
      assert.match(walker.whyExcluded("marked/a") ?? "", /^files-from: /);
      const state = stateOf(root, rules);
      assert.equal(await isUnchanged(walker, state), true);
      fs.writeFileSync(join(root, "marked/below/b"), "changed");
      assert.equal(await isUnchanged(walker, state), true);
      fs.writeFileSync(join(root, "deep/marked/also/a"), "changed");
      assert.equal(await isUnchanged(walker, state), false);
      const other = new Walker(root, { ...rules, paths: ["kept"] });
      assert.equal(await isUnchanged(other, stateOf(root, rules)), false);
    });
  });
  await withTemp((root) => {
    assert.throws(() => new Walker(root, { paths: ["../a"] }), {
      code: "unsafe",
    });
  });
});

test("a name that cannot be stored is named only if it is listed", async () => {
  await byEachAccess(async () => {
    await withTemp((root) => {
      fs.writeFileSync(join(root, "kept"), "");
      fs.writeFileSync(join(root, ".deltar-stage-mine"), "");
      const reasons = (rules: Rules) => {
        const skipped: Skipped[] = [];
        const walker = new Walker(root, rules);
        const onSkip = (skip: Skipped) => skipped.push(skip);
        assert.equal([...walker.entries({ onSkip })].length, 1);
        return skipped.map(({ reason }) => reason);
      };
      assert.deepEqual(reasons({ paths: ["kept"] }), []);
      assert.deepEqual(reasons({}), ["name"]);
    });
  });
});

test("restore() with `delete` keeps paths that a snapshot of listed paths did not read", async () => {
  await withTemp(async (root) => {
    write(root);
    const repository = await Repository.create(new MemoryStorage());
    const rules = { excludes: [], paths: ["deep", "marked/a"] };
    const { record } = await repository.snapshot(new Dir(root, rules));
    fs.writeFileSync(join(root, "new"), "");
    fs.writeFileSync(join(root, "deep/new"), "");
    fs.writeFileSync(join(root, "marked/new"), "");
    fs.rmSync(join(root, "marked/a"));
    await repository.restore(record, root, { delete: true });
    for (const path of ["new", "kept", "marked/new", "marked/a"]) {
      assert.ok(fs.existsSync(join(root, path)), path);
    }
    assert.ok(!fs.existsSync(join(root, "deep/new")));
    // A long list is not recorded, so nothing may be deleted.
    const paths = [..."x".repeat(2000)].map((x, at) => x.repeat(40) + at);
    const long = await repository.snapshot(new Dir(root, { paths }));
    assert.equal(long.record.rules, undefined);
    assert.equal(long.skipped.length, 2000);
    await assert.rejects(
      repository.restore(long.record, root, { delete: true }),
      { code: "unsupported" },
    );
  });
});
