import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Skipped } from "../../lib/tree/entry.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { byEachAccess } from "../support/folder_access.ts";
import { needs, run } from "../support/peer.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

/** The kinds of unusable rule files, and the messages about them. */
const UNUSABLE: [string, (place: string, folder: string) => void, RegExp][] = [
  [
    "a link to an endless device",
    (place) => fs.symlinkSync("/dev/zero", place),
    /a symlink/,
  ],
  [
    "a link to somebody's file",
    (place, folder) => {
      fs.writeFileSync(join(folder, "secret"), "*.secret\n", { mode: 0o600 });
      fs.symlinkSync(join(folder, "secret"), place);
    },
    /a symlink/,
  ],
  ["a pipe", (place) => run("mkfifo", [place]), /a socket, pipe or device/],
  [
    "a link to a pipe",
    (place) => {
      run("mkfifo", [`${place}-pipe`]);
      fs.symlinkSync(`${place}-pipe`, place);
    },
    /a symlink/,
  ],
  [
    "too large",
    (place) => fs.writeFileSync(place, "*.secret\n".repeat(200_000)),
    /larger than 1 MiB/,
  ],
];

test(
  "a rule file other than a regular file of at most 1 MiB is named and not read [A5]",
  needs("mkfifo"),
  async () => {
    await byEachAccess(async () => {
      for (const name of [".deltarignore", ".gitignore", ".git/info/exclude"]) {
        for (const [what, make, said] of UNUSABLE) {
          await withTemp((folder) => {
            const root = join(folder, "root");
            const below = join(root, "below");
            fs.mkdirSync(join(below, ".git/info"), { recursive: true });
            fs.writeFileSync(join(below, "a.secret"), "");
            make(join(below, name), folder);
            const walker = new Walker(root, { excludes: [], gitignore: true });
            const skipped: Skipped[] = [];
            const onSkip = (skip: Skipped) => skipped.push(skip);
            const paths = [...walker.entries({ onSkip })].map(({ path }) =>
              path
            );
            // Rules that cannot be used exclude nothing.
            assert.ok(paths.includes("below/a.secret"), what);
            const [fault] = skipped.filter(({ reason }) =>
              reason === "unreadable"
            );
            assert.equal(fault?.path, `below/${name}`, what);
            assert.match(fault.detail!, said, what);
            assert.match(fault.detail!, /rules are not applied/, what);
            assert.ok(!JSON.stringify(skipped).includes("*.secret"), what);
            assert.equal(walker.whyExcluded("below/a.secret"), undefined);
          });
        }
      }
    });
  },
);

test("an unreadable rule file is named once [A5]", {
  skip: (process.getuid?.() !== 0 || process.platform !== "linux") &&
    "needs root on Linux",
}, async () => {
  await byEachAccess(() =>
    withTemp((root) => {
      fs.chmodSync(root, 0o755);
      fs.writeFileSync(join(root, ".deltarignore"), "b\n", { mode: 0o600 });
      fs.writeFileSync(join(root, "b"), "");
      const skipped: string[] = [];
      process.seteuid!(65534);
      try {
        const walker = new Walker(root, { excludes: [] });
        const onSkip = ({ path, reason, detail }: Skipped) =>
          skipped.push(`${path} ${reason} ${detail}`);
        const paths = [...walker.entries({ onSkip })].map(({ path }) => path);
        assert.deepEqual(paths, ["b"]);
      } finally {
        process.seteuid!(0);
      }
      assert.equal(skipped.length, 1);
      assert.match(
        skipped[0],
        /^\.deltarignore unreadable the exclude rules are not .*EACCES/,
      );
    })
  );
});

test(
  "Repository.snapshot() names an unusable rule file each time [A5]",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(root);
      fs.writeFileSync(join(root, "file"), "");
      fs.symlinkSync("file", join(root, ".deltarignore"));
      const repository = await Repository.create(new MemoryStorage());
      for (let round = 0; round < 2; round++) {
        const { record, skipped } = await repository.snapshot(new Dir(root), {
          cache: join(folder, "cache"),
        });
        assert.deepEqual(skipped.map(({ path }) => path), [".deltarignore"]);
        const { byPath } = await repository.tree(record);
        assert.deepEqual([...byPath.keys()], [".deltarignore", "file"]);
      }
    });
  },
);

test(
  "Repository.restore() deletes nothing in a folder whose rules cannot be read [A5]",
  needsSymlinks,
  async () => {
    await withTemp(async (folder) => {
      const root = join(folder, "root");
      fs.mkdirSync(join(root, "below"), { recursive: true });
      fs.writeFileSync(join(root, "below/file"), "");
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(new Dir(root));
      fs.symlinkSync("file", join(root, "below/.deltarignore"));
      fs.writeFileSync(join(root, "below/precious"), "");
      fs.writeFileSync(join(root, "extra"), "");
      const plan = await repository.planRestore(record, root, { delete: true });
      const left = new Map(plan.left.map(({ path, why }) => [path, why]));
      assert.match(left.get("below/precious")!, /rules are not applied/);
      await repository.restore(record, root, { delete: true });
      assert.ok(fs.existsSync(join(root, "below/precious")));
      assert.ok(!fs.existsSync(join(root, "extra")));
    });
  },
);

test(
  "a work tree above the directory is used only if it belongs to the user, root or the owner [A11]",
  {
    skip: process.getuid?.() !== 0 && "needs root",
  },
  async () => {
    await byEachAccess(() =>
      withTemp((folder) => {
        const shared = join(folder, "shared");
        const root = join(shared, "between/root");
        fs.mkdirSync(join(shared, ".git/info"), { recursive: true });
        fs.mkdirSync(root, { recursive: true });
        fs.writeFileSync(join(shared, ".gitignore"), "*.one\n");
        fs.writeFileSync(join(shared, "between/.gitignore"), "*.two\n");
        fs.writeFileSync(join(shared, ".git/info/exclude"), "*.three\n");
        for (const name of ["a.one", "a.two", "a.three", "a.four"]) {
          fs.writeFileSync(join(root, name), "");
        }
        const kept = () => {
          const walker = new Walker(root, { excludes: [], gitignore: true });
          return [...walker.entries()].map(({ path }) => path).join(" ");
        };
        assert.equal(kept(), "a.four");
        // Another user owns one of the files, and then all of them.
        fs.chownSync(join(shared, ".gitignore"), 1234, 1234);
        assert.equal(kept(), "a.four a.one");
        fs.chownSync(join(shared, ".git"), 1234, 1234);
        assert.equal(kept(), "a.four a.one a.three a.two");
        // The owner of the root could add these rules to the root.
        fs.chownSync(root, 1234, 1234);
        assert.equal(kept(), "a.four");
      })
    );
  },
);
