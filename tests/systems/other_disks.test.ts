import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Repository } from "../../lib/repository/repository.ts";
import type { RestoreFailure } from "../../lib/repository/restore/plan.ts";
import { foldName } from "../../lib/tree/name.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  type DiskKind,
  needsOtherDisk,
  withOtherDisk,
} from "../support/other_disk.ts";
import { runs } from "../support/runs.ts";
import { everything } from "../repository/helpers.ts";

const KINDS: DiskKind[] = ["apfs", "hfs", "exfat"];

/**
 * The state of a path: the text of a file, the target of a link, or a folder.
 */
type Item = { file: string } | { link: string } | "folder";

/** The items of a tree by path. */
type Items = Map<string, Item>;

/** Names of which several are equal on some disks. */
const name = fc.constantFrom(
  "File.txt",
  "file.TXT",
  "FILE.txt",
  "caf\u00e9",
  "cafe\u0301",
  "CAF\u00c9",
  "\u1e9e",
  "ss",
  "\u212b",
  "\u00c5",
  "A\u030a",
  "dir",
  "Dir",
  "plain",
  "q?",
);
const items: fc.Arbitrary<Items> = fc.array(
  fc.tuple(
    fc.array(name, { minLength: 1, maxLength: 3 }),
    fc.oneof(
      { weight: 5, arbitrary: fc.constant("file") },
      { weight: 1, arbitrary: fc.constant("link") },
      { weight: 1, arbitrary: fc.constant("folder") },
      { weight: 1, arbitrary: fc.constant("hard link") },
    ),
  ),
  { maxLength: 10 },
).map((all) => {
  const tree: Items = new Map();
  let file: string | undefined;
  for (const [names, kind] of all) {
    const path = names.join("/");
    const above = names.slice(0, -1).map((_, at) =>
      names.slice(0, at + 1).join("/")
    );
    const isTaken = tree.has(path) ||
      above.some((at) => tree.has(at) && tree.get(at) !== "folder");
    if (isTaken) continue;
    for (const at of above) tree.set(at, "folder");
    tree.set(
      path,
      kind === "folder"
        ? "folder"
        : kind === "link"
        ? { link: `to ${path}` }
        : { file: `${CONTENT}${kind === "hard link" && file || path}` },
    );
    if (kind === "file") file ??= path;
  }
  return tree;
});

/**
 * The beginning of a file's content. A file with another content is a hard
 * link.
 */
const CONTENT = "content of ";

/** Writes items, except those that the disk cannot hold next to the others. */
function write(root: string, tree: Items): void {
  fs.mkdirSync(root, { recursive: true });
  for (const [path, item] of tree) {
    const place = join(root, path);
    try {
      if (item === "folder") fs.mkdirSync(place);
      else if ("link" in item) fs.symlinkSync(item.link, place);
      else {
        const first = item.file.slice(CONTENT.length);
        if (tree.has(first) && first !== path) {
          fs.linkSync(join(root, first), place);
        } else fs.writeFileSync(place, item.file, { flag: "wx" });
      }
    } catch {
      // Another spelling exists already, or the disk does not allow such names
      // or links.
    }
  }
}

/** Returns the items below a folder, by the names that the disk lists. */
function read(root: string, below = ""): Items {
  const tree: Items = new Map();
  for (const name of fs.readdirSync(join(root, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    const place = join(root, path);
    const stat = fs.lstatSync(place);
    if (stat.isDirectory()) {
      tree.set(path, "folder");
      for (const [at, item] of read(root, path)) tree.set(at, item);
    } else if (stat.isSymbolicLink()) {
      tree.set(path, { link: fs.readlinkSync(place) });
    } else tree.set(path, { file: fs.readFileSync(place, "utf8") });
  }
  return tree;
}

/** Returns the name that a disk lists for a name that was written. */
function listed(kind: DiskKind, path: string): string {
  return kind === "hfs" ? path.normalize("NFD") : path;
}

/**
 * Asserts that each item is on the disk under its own name, or is named as
 * failed, as everything below a failed item is.
 */
function assertThere(
  kind: DiskKind,
  wanted: Items,
  there: Items,
  failed: Iterable<string>,
): void {
  const named = new Set(failed);
  for (const [path, item] of wanted) {
    const isNamed = path.split("/").some((_, at, names) =>
      named.has(names.slice(0, at + 1).join("/"))
    );
    if (isNamed) continue;
    assert.deepEqual(
      there.get(listed(kind, path)),
      item,
      `${path} is neither there nor named; there is ${[...there.keys()]}`,
    );
  }
}

/** Returns whether more is missing than a mode, which exFAT does not store. */
function isLost({ restored }: RestoreFailure): boolean {
  return !restored;
}

for (const kind of KINDS) {
  test(
    `restore() onto ${kind} restores or names each entry [R2] [R3] [R4] [T7]`,
    needsOtherDisk(),
    async () => {
      await withOtherDisk(kind, async (disk, folder) => {
        let round = 0;
        await fc.assert(
          fc.asyncProperty(
            items,
            items,
            fc.boolean(),
            async (wanted, there, removes) => {
              const source = join(folder, `${++round}`);
              const target = join(disk, `${round}`);
              write(source, wanted);
              write(target, there);
              const before = read(target);
              const repository = await Repository.create(new MemoryStorage());
              const { record } = await repository.snapshot(everything(source));
              const options = { delete: removes };
              const plan = await repository.planRestore(
                record,
                target,
                options,
              );
              assert.deepEqual(read(target), before, "a plan changes nothing");
              const done = await repository.restore(record, target, options);
              const after = read(target);
              const failed = done.failed.map(({ path }) => path);
              assertThere(kind, wanted, after, failed);
              const foreseen = new Set(plan.failed.map(({ path }) => path));
              if (kind !== "exfat") {
                for (const path of failed) {
                  assert.ok(foreseen.has(path), `${path} was not foreseen`);
                }
              }
              if (removes) {
                // A path that is wanted in another spelling is not deleted.
                const stays = new Set([...wanted.keys()].map(foldName));
                for (const path of after.keys()) {
                  assert.ok(
                    stays.has(foldName(path)),
                    `${path} is still there`,
                  );
                }
              }
              const again = await repository.restore(record, target, options);
              assert.deepEqual(
                again.failed.map(({ path }) => path),
                failed,
                "the same fails again",
              );
              assert.equal(again.files + again.deleted, 0, "all was done");
              assert.deepEqual(read(target), after, "nothing is left to do");
              if (again.safety !== undefined) {
                // The restore tried again to set the modes, which exFAT does
                // not store.
                assert.equal(kind, "exfat");
                await repository.revert(target);
              }
              // Existing items stay, unless an entry has their name or they are
              // deleted.
              if (!removes) {
                for (const [path, item] of before) {
                  if (item === "folder") continue;
                  const stays = [...after].some(([at, other]) =>
                    foldName(at) === foldName(path) || other === item
                  );
                  assert.ok(stays, `${path} is gone`);
                }
              }
              const isFresh = before.size === 0 && after.size > 0;
              if (done.safety === undefined && !isFresh) return;
              const undone = await repository.revert(target);
              assert.deepEqual(undone.failed.filter(isLost), []);
              assert.deepEqual(read(target), before);
            },
          ),
          runs(12, 500),
        );
      });
    },
  );

  test(
    `snapshot() on ${kind} survives renames that change the spelling [R2]`,
    needsOtherDisk(),
    async () => {
      await withOtherDisk(kind, async (disk) => {
        let round = 0;
        await fc.assert(
          fc.asyncProperty(items, items, async (first, second) => {
            const root = join(disk, `${++round}`);
            const repository = await Repository.create(new MemoryStorage());
            const states: Items[] = [];
            const records = [];
            for (const tree of [first, second]) {
              fs.rmSync(root, { recursive: true, force: true });
              write(root, tree);
              states.push(read(root));
              const { record, skipped } = await repository.snapshot(
                everything(root),
              );
              assert.deepEqual(skipped ?? [], []);
              records.push(record);
            }
            const done = await repository.restore(records[0], root, {
              delete: true,
            });
            assert.deepEqual(done.failed, []);
            assert.deepEqual(read(root), states[0]);
            if (done.safety === undefined) return;
            const undone = await repository.revert(root);
            assert.deepEqual(undone.failed, []);
            assert.deepEqual(read(root), states[1]);
          }),
          runs(12, 500),
        );
      });
    },
  );
}

test(
  "revert() on hfs deletes folders whose names the disk spelled differently [R2]",
  needsOtherDisk(),
  async () => {
    await withOtherDisk("hfs", async (disk, folder) => {
      const source = join(folder, "source");
      const target = join(disk, "target");
      const wanted: Items = new Map<string, Item>([
        ["caf\u00e9", "folder"],
        ["caf\u00e9/CAF\u00c9", "folder"],
        ["caf\u00e9/CAF\u00c9/File.txt", { file: "in a folder" }],
      ]);
      write(source, wanted);
      write(target, new Map([["caf\u00e9", { file: "a file" }]]));
      const before = read(target);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(source));
      const done = await repository.restore(record, target);
      assert.deepEqual(done.failed, []);
      assertThere("hfs", wanted, read(target), []);
      const undone = await repository.revert(target);
      assert.deepEqual(undone.failed, []);
      assert.deepEqual(read(target), before);
    });
  },
);

test(
  "revert() on hfs deletes a folder with a file whose name the disk spelled differently [R2]",
  needsOtherDisk(),
  async () => {
    await withOtherDisk("hfs", async (disk, folder) => {
      const source = join(folder, "source");
      const target = join(disk, "target");
      write(
        source,
        new Map<string, Item>([
          ["folder", "folder"],
          ["folder/caf\u00e9", { file: "in a folder" }],
        ]),
      );
      write(target, new Map([["other", { file: "other" }]]));
      const before = read(target);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(source));
      const done = await repository.restore(record, target);
      assert.deepEqual(done.failed, []);
      const undone = await repository.revert(target);
      assert.deepEqual([undone.failed, undone.left], [[], []]);
      assert.deepEqual(read(target), before);
    });
  },
);

test(
  "revert() on hfs brings back the files next to a hard link [R2]",
  needsOtherDisk(),
  async () => {
    await withOtherDisk("hfs", async (disk, folder) => {
      const source = join(folder, "source");
      const target = join(disk, "target");
      write(
        source,
        new Map<string, Item>([
          ["caf\u00e9", "folder"],
          ["caf\u00e9/a", { file: "another" }],
        ]),
      );
      write(
        target,
        new Map<string, Item>([
          ["first", { file: "content of first" }],
          ["caf\u00e9", "folder"],
          ["caf\u00e9/a", { file: "content of first" }],
          ["caf\u00e9/plain", { file: "plain" }],
        ]),
      );
      const before = read(target);
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(source));
      const options = { delete: true };
      const done = await repository.restore(record, target, options);
      assert.deepEqual(done.failed, []);
      const undone = await repository.revert(target);
      assert.deepEqual(undone.failed, []);
      assert.deepEqual(read(target), before);
    });
  },
);

test(
  "restore() onto apfs gives a hard link its own content, not that of another spelling [R3]",
  needsOtherDisk(),
  async () => {
    await withOtherDisk("apfs", async (disk, folder) => {
      const source = join(folder, "source");
      const target = join(disk, "target");
      write(
        source,
        new Map<string, Item>([
          ["Dir", "folder"],
          ["Dir/a", { file: "content of Dir/a" }],
          ["dir", "folder"],
          ["dir/a", { file: "content of dir/a" }],
          ["link", { file: "content of dir/a" }],
        ]),
      );
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(source));
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed.map(({ path }) => path), ["dir", "dir/a"]);
      assert.deepEqual(
        read(target),
        new Map<string, Item>([
          ["Dir", "folder"],
          ["Dir/a", { file: "content of Dir/a" }],
          ["link", { file: "content of dir/a" }],
        ]),
      );
    });
  },
);
