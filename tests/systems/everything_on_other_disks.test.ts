/**
 * Trees with entries of every kind are restored to a disk of another system,
 * and stored again from there: each entry is unchanged or was named.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { canUseXattrs, whyNotMade } from "../../lib/tree/open_folder.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { everything } from "../repository/helpers.ts";
import {
  type DiskKind,
  needsOtherDisk,
  withOtherDisk,
} from "../support/other_disk.ts";
import { needs, run } from "../support/peer.ts";
import { runs } from "../support/runs.ts";
import { roundTimes } from "../support/trees.ts";
import { isRoot, setXattr, shownXattrs } from "../support/xattrs.ts";

const KINDS: DiskKind[] = ["apfs", "hfs", "exfat", "ntfs"];

/** The kinds of items that this runtime and this user can make. */
const ITEM_KINDS = [
  "file",
  "file",
  "folder",
  "symlink",
  "hardlink",
  "sparse",
  ...whyNotMade("fifo") === undefined ? ["fifo" as const] : [],
  ...whyNotMade("block") === undefined ? ["device" as const] : [],
] as const;

/** An item of a tree. A folder that is not listed is an ordinary folder. */
interface Item {
  kind: typeof ITEM_KINDS[number];
  mode: number;
  /** The time in nanoseconds since 1970. */
  mtime: bigint;
  owner: number;
  hasXattr: boolean;
}

/** Names of which several are equal on some disks, and some are not allowed. */
const name = fc.constantFrom(
  "File.txt",
  "file.TXT",
  "caf\u00e9",
  "cafe\u0301",
  "CAF\u00c9",
  "\u212b",
  "A\u030a",
  "dir",
  "Dir",
  "plain",
  "other",
  "q?",
  "a:b",
  "new\nline",
  "trailing.",
  "n".repeat(255),
);
const path = fc.array(name, { minLength: 1, maxLength: 3 })
  .map((names) => names.join("/"));
const item: fc.Arbitrary<Item> = fc.record({
  kind: fc.constantFrom(...ITEM_KINDS),
  mode: fc.constantFrom(0o644, 0o600, 0o755, 0o4750, 0o1777),
  // The times are from 1906 to 2413. Every runtime sets and reads them exactly.
  mtime: fc.integer({ min: -2000, max: 14_000 })
    .map((count) => BigInt(count) * 1_000_000_250_000_000n),
  owner: fc.constantFrom(0, 12345),
  hasXattr: fc.boolean(),
});
const tree = fc.array(fc.tuple(path, item), { maxLength: 10 });

/** Creates the items of a tree that fit next to the earlier ones. */
function write(
  root: string,
  items: readonly (readonly [string, Item])[],
): void {
  fs.mkdirSync(root);
  const made = new Map<string, Item>();
  let file: string | undefined;
  for (const [path, item] of items) {
    const place = join(root, path);
    try {
      fs.mkdirSync(join(place, ".."), { recursive: true });
      if (item.kind === "folder") fs.mkdirSync(place);
      else if (item.kind === "symlink") fs.symlinkSync(`to ${path}`, place);
      else if (item.kind === "fifo") run("mkfifo", [place]);
      else if (item.kind === "device") run("mknod", [place, "b", "7", "300"]);
      else if (item.kind === "hardlink") {
        if (file !== undefined) fs.linkSync(join(root, file), place);
        continue;
      } else fs.writeFileSync(place, `content of ${path}`, { flag: "wx" });
    } catch {
      // Another item already has the path, or the path of a folder above it.
      continue;
    }
    if (item.kind === "sparse") fs.truncateSync(place, 3_000_000);
    if (item.kind === "file") file ??= path;
    made.set(path, item);
  }
  roundTimes(root);
  for (const [path, { kind, mode, mtime, owner, hasXattr }] of made) {
    const place = join(root, path);
    if (isRoot) fs.lchownSync(place, owner, owner);
    if (kind !== "symlink") fs.chmodSync(place, mode);
    const takesXattr = kind === "file" || kind === "folder";
    if (hasXattr && takesXattr && canUseXattrs()) {
      setXattr(place, "user.path", "value");
    }
    setTimes(place, mtime);
  }
}

/** The visible state of an entry. */
interface State {
  kind: string;
  content?: string;
  mode: number;
  mtime: bigint;
  owner: string;
  device: string;
  xattrs: string;
  /** All paths of the same inode, which share this array. */
  links: string[];
}

/**
 * The fields that are compared, and the texts with which a restore names their
 * loss.
 */
const NAMED: readonly (readonly [keyof State, RegExp])[] = [
  ["mode", /mode|set-user-ID/],
  ["owner", /owner/],
  ["mtime", /time/],
  ["xattrs", /extended attribute/],
  ["links", /hard link/],
];

/** Returns whether two times are equal on a disk that stores rough times. */
function isRoughly(one: bigint, other: bigint): boolean {
  const late = one - other;
  return late <= 2_000_000_000n && late >= -2_000_000_000n;
}

/** Returns the paths of a tree. Bun does not list long names recursively. */
function pathsIn(root: string, below = ""): string[] {
  return fs.readdirSync(join(root, below)).flatMap((name) => {
    const path = below === "" ? name : `${below}/${name}`;
    const isFolder = fs.lstatSync(join(root, path)).isDirectory();
    return [path, ...isFolder ? pathsIn(root, path) : []];
  });
}

/** Returns the state of a tree by path. */
function read(root: string): Map<string, State> {
  const states = new Map<string, State>();
  const links = new Map<string, string[]>();
  const xattrs = new Map<string, string>();
  if (canUseXattrs()) {
    for (const block of shownXattrs(root).split("\n\n")) {
      const [head, ...lines] = block.trim().split("\n");
      const path = head.slice("# file: ".length).replaceAll(
        /\\([0-7]{3})/g,
        (_, octal) => String.fromCharCode(parseInt(octal, 8)),
      );
      xattrs.set(path, lines.join("\n"));
    }
  }
  for (const path of pathsIn(root).sort()) {
    const place = join(root, path);
    const { kind, mode, mtime, uid, gid, rdev, device, inode } = lstat(place);
    const id = `${device}:${inode}`;
    links.set(id, links.get(id) ?? []);
    links.get(id)!.push(path);
    states.set(path, {
      kind,
      content: kind === "file"
        ? toHex(sha256(fs.readFileSync(place)))
        : kind === "symlink"
        ? fs.readlinkSync(place)
        : undefined,
      mode: kind === "symlink" ? 0 : mode,
      mtime,
      owner: `${uid}:${gid}`,
      device: kind === "block" ? JSON.stringify(rdev) : "",
      xattrs: xattrs.get(path) ?? "",
      links: links.get(id)!,
    });
  }
  return states;
}

/** Returns the name that a disk lists for a path that was written. */
function listed(kind: DiskKind, path: string): string {
  return kind === "hfs" ? path.normalize("NFD") : path;
}

for (const kind of KINDS) {
  test(
    `a tree of everything is restored to ${kind} and read back, or is named [R2] [R3] [R4] [T7]`,
    [
      needsOtherDisk(),
      needs("mkfifo", "mknod", "setfattr", "getfattr"),
      kind === "ntfs" ? needs("ntfs-3g", "mkfs.ntfs") : {},
    ].find(({ skip }) => skip !== undefined) ?? {},
    async () => {
      await withOtherDisk(kind, async (disk, folder) => {
        let round = 0;
        const property = fc.asyncProperty(tree, async (items) => {
          round++;
          const source = join(folder, `source-${round}`);
          const there = join(disk, `${round}`);
          const back = join(folder, `back-${round}`);
          write(source, items);
          const wanted = read(source);
          const first = await Repository.create(new MemoryStorage());
          const { record, skipped } = await first.snapshot(everything(source));
          assert.deepEqual(skipped, []);
          const { failed } = await first.restore(record, there);
          const second = await Repository.create(new MemoryStorage());
          const taken = await second.snapshot(everything(there));
          assert.deepEqual(taken.skipped, []);
          const returned = await second.restore(taken.record, back);
          assert.deepEqual(returned.failed, []);
          const found = read(back);

          const missing = new Set(
            failed.filter(({ restored }) => !restored).map(({ path }) => path),
          );
          const isMissing = (path: string) =>
            path.split("/").some((_, at, names) =>
              missing.has(names.slice(0, at + 1).join("/"))
            );
          for (const [path, state] of wanted) {
            if (isMissing(path)) continue;
            const is = found.get(listed(kind, path));
            assert.ok(is, `${path} is neither there nor named`);
            assert.deepEqual(
              [is.kind, is.content, is.device],
              [state.kind, state.content, state.device],
              path,
            );
            const links = state.links.filter((link) => !isMissing(link))
              .map((link) => listed(kind, link)).sort();
            const errors = failed
              .filter((one) => state.links.includes(one.path))
              .map(({ error }) => error.message).join("\n");
            for (const [field, word] of NAMED) {
              if (word.test(errors)) continue;
              const as = { ...state, links }[field];
              if (field === "mtime" && isRoughly(is.mtime, state.mtime)) {
                continue;
              }
              assert.deepEqual(is[field], as, `${path}: ${field}: ${errors}`);
            }
          }
          const expected = [...wanted.keys()].map((path) => listed(kind, path));
          for (const path of found.keys()) {
            assert.ok(expected.includes(path), `${path} was not in the tree`);
          }
        });
        await fc.assert(property, runs(12, 500));
      });
    },
  );
}

test(
  "restore() onto exfat creates the target and the folders above a file [R4]",
  needsOtherDisk(),
  async () => {
    await withOtherDisk("exfat", async (disk, folder) => {
      const source = join(folder, "source");
      fs.mkdirSync(join(source, "a/b"), { recursive: true });
      fs.writeFileSync(join(source, "a/b/file"), "content", { mode: 0o755 });
      fs.writeFileSync(join(source, "a/other"), "other");
      const repository = await Repository.create(new MemoryStorage());
      const { record } = await repository.snapshot(everything(source));
      const target = join(disk, "above/target");
      const paths = { paths: ["a/b/file"] };
      const { failed } = await repository.restore(record, target, paths);
      assert.deepEqual(failed, []);
      const file = join(target, "a/b/file");
      assert.equal(fs.readFileSync(file, "utf8"), "content");
    });
  },
);
