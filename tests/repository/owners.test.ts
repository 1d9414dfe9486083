/** The names of owners: recorded, and restored if the names exist. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { useOwnersHere } from "../../lib/repository/restore/owners_here.ts";
import {
  decodeRecord,
  encodeRecord,
  type SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { type OwnerNames, SystemOwners } from "../../lib/tree/owner_names.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const asRoot = process.getuid?.() === 0
  ? {}
  : { skip: "needs to be root, to set owners" };
const posix = { skip: process.platform === "win32" && "needs POSIX" };

/** The numbers and names of the users and groups of this system. */
const system = new SystemOwners();
const DAEMON = system.numberOf("users", "daemon") ?? 0;
const NOBODY = system.numberOf("users", "nobody") ?? 0;
const MAIL = system.numberOf("groups", "mail") ?? 0;

/** Makes a repository whose only snapshot has files of several owners. */
async function withOwners(
  owners: OwnerNames | undefined,
  work: (place: {
    repository: Repository;
    record: SnapshotRecord;
    root: string;
    target: string;
  }) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const [root, target] = ["root", "target"].map((name) => join(folder, name));
    fs.mkdirSync(join(root, "sub"), { recursive: true });
    fs.writeFileSync(join(root, "sub/file"), "content");
    fs.linkSync(join(root, "sub/file"), join(root, "twin"));
    fs.symlinkSync("file", join(root, "sub/link"));
    fs.writeFileSync(join(root, "unnamed"), "");
    fs.chownSync(join(root, "sub/file"), 4_000_001, 4_000_002);
    fs.lchownSync(join(root, "sub/link"), 4_000_001, 0);
    fs.chownSync(join(root, "sub"), 4_000_003, 4_000_002);
    fs.chownSync(join(root, "unnamed"), 4_000_004, 4_000_004);
    fs.chownSync(root, 4_000_001, 4_000_002);
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(root));
    assert.equal(record.owners?.users[4_000_001], undefined);
    await work({ repository, record: { ...record, owners }, root, target });
  });
}

/** Returns the owners of a directory and everything in it. */
function ownersIn(root: string): Record<string, string> {
  const paths = ["", "sub", "sub/file", "sub/link", "twin", "unnamed"];
  return Object.fromEntries(paths.map((path) => {
    const { uid, gid } = fs.lstatSync(join(root, path));
    return [path, `${uid}:${gid}`];
  }));
}

const NAMES: OwnerNames = {
  users: { 4000001: "daemon", 4000003: "nobody", 4000004: "no such user" },
  groups: { 4000002: "mail" },
};

test("a record has the names of the owners in its tree", posix, async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "file"), "");
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository.snapshot(everything(root));
    const { uid, gid } = fs.statSync(root);
    const wanted: OwnerNames = { users: {}, groups: {} };
    const [user, group] = [
      system.nameOf("users", uid),
      system.nameOf("groups", gid),
    ];
    if (user !== undefined) wanted.users[uid] = user;
    if (group !== undefined) wanted.groups[gid] = group;
    assert.deepEqual(record.owners ?? { users: {}, groups: {} }, wanted);
    const [read] = await (await Repository.open(storage)).snapshots();
    assert.deepEqual(read.owners, record.owners);
    // A change of names alone causes no new snapshot.
    assert.equal((await repository.snapshot(everything(root))).isNew, false);
  });
});

test("a restore sets the owners whose names exist here", asRoot, async () => {
  await withOwners(NAMES, async ({ repository, record, target }) => {
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual(ownersIn(target), {
      "": `${DAEMON}:${MAIL}`,
      "sub": `${NOBODY}:${MAIL}`,
      "sub/file": `${DAEMON}:${MAIL}`,
      "sub/link": `${DAEMON}:0`,
      "twin": `${DAEMON}:${MAIL}`,
      "unnamed": "4000004:4000004",
    });
    const again = await repository.planRestore(record, target, {
      rootAttributes: true,
    });
    assert.deepEqual(again.steps, []);
    assert.equal(again.touchesRoot, false);
  });
});

test(
  "restore() with numericOwner restores numbers, and undo restores the earlier owners",
  asRoot,
  async () => {
    await withOwners(NAMES, async ({ repository, record, root, target }) => {
      const options = { numericOwner: true };
      await repository.restore(record, target, options);
      assert.deepEqual(ownersIn(target), ownersIn(root));
      const { touched } = await repository.restore(record, target);
      assert.equal(touched, 3);
      assert.equal(ownersIn(target)["sub/file"], `${DAEMON}:${MAIL}`);
      await repository.revert(target);
      assert.deepEqual(ownersIn(target), ownersIn(root));
      await repository.revert(target, { direction: "redo" });
      assert.equal(ownersIn(target)["sub/file"], `${DAEMON}:${MAIL}`);
    });
  },
);

test("owners without names are restored by number", asRoot, async () => {
  await withOwners(undefined, async ({ repository, record, root, target }) => {
    await repository.restore(record, target);
    assert.deepEqual(ownersIn(target), ownersIn(root));
  });
});

test("useOwnersHere() does not change entries whose numbers stay the same", () => {
  const metadata = { mode: 0o644, mtime: 0n, uid: 5, gid: 6 };
  const entry = { path: "a", kind: "directory" as const, size: 0, ...metadata };
  const entries = [entry];
  const wanted = { entries, above: new Set<string>(), root: undefined };
  useOwnersHere(wanted, undefined);
  useOwnersHere(wanted, { users: { 5: "no such user" }, groups: {} });
  assert.equal(wanted.entries, entries);
  const here = new SystemOwners();
  here.numberOf = () => 77;
  here.nameOf = () => undefined;
  useOwnersHere(wanted, { users: { 5: "me" }, groups: {} }, here);
  assert.deepEqual(wanted.entries, [{ ...entry, uid: 77 }]);
  assert.match(JSON.stringify(wanted.entries), /"mtime":"0"/);
});

test("a record with invalid names is refused [T1]", () => {
  const record = {
    id: "20261125T194354Z-20e89e",
    time: 1_795_635_834_000,
    duration: 0,
    directory: "/",
    root: { mode: 0o755, mtime: 0n, uid: 0, gid: 0 },
    layers: [{
      name: "trees/20261125T194354Z-20e89e.ndjson.zst",
      size: 0,
      sha256: "0".repeat(64),
      entries: 0,
      frames: [],
    }],
    counts: {
      files: 0,
      directories: 0,
      links: 0,
      bytes: 0,
      created: 0,
      updated: 0,
      deleted: 0,
      renamed: 0,
      copied: 0,
      touched: 0,
      stored: 0,
      faults: 0,
    },
  };
  const decoded = (owners: unknown) =>
    decodeRecord(encodeRecord({ ...record, owners: owners as OwnerNames }), "r")
      .owners;
  assert.deepEqual(decoded({ users: { 0: "root" } }), {
    users: { 0: "root" },
    groups: {},
  });
  const many = Array.from({ length: 5000 }, (_, id) => [id, `u${id}`]);
  for (
    const users of [
      { a: "root" },
      { "-1": "root" },
      { 0: "a:b" },
      { 0: 5 },
      { 0: "" },
      Object.fromEntries(many),
    ]
  ) {
    assert.throws(() => decoded({ users, groups: {} }), {
      code: "corrupt",
      message: /invalid `owners`/,
    });
  }
});
