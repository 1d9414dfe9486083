/** Names of owners in archives: deltar's and those of other programs. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { collect } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { SystemOwners } from "../../lib/tree/owner_names.ts";
import { has, run, withFolder } from "./peers.ts";

const isRoot = process.getuid?.() === 0;
const LONG = "a".repeat(32);
const MEMBERS = [
  { path: "a", uid: 4_000_001, gid: 4_000_002, uname: "daemon", gname: "mail" },
  { path: "b", uid: 5, gid: 6, uname: LONG, gname: "größe" },
  { path: "c", uid: 7, gid: 8, uname: "x".repeat(31) },
  { path: "d", uid: 9, gid: 10 },
];

async function written(storage: MemoryStorage): Promise<void> {
  const writer = TarVolume.create(storage, "a");
  for (const member of MEMBERS) await writer.add(member, new Uint8Array(1));
  await writer.close();
}

/** Returns the owners of the members of an archive. */
async function ownersOf(volume: TarVolume): Promise<unknown[]> {
  return (await Array.fromAsync(volume.members())).map((member) => {
    const { path, uid, gid, uname, gname } = member;
    return { path, uid, gid, ...uname && { uname }, ...gname && { gname } };
  });
}

test("the archive and its index have the names of the owners", async () => {
  const storage = new MemoryStorage();
  await written(storage);
  const volume = TarVolume.fromVolumes(storage, ["a.vol0.tgz"]);
  assert.deepEqual(await ownersOf(volume), MEMBERS);
  const indexed = await TarVolume.open(storage, "a");
  assert.deepEqual(await ownersOf(indexed), MEMBERS);
  const index = new TextDecoder().decode(
    await collect(storage.get("a.index.ndjson")),
  );
  assert.match(index, /^\{"format":"deltar-volume-index","version":1,/);
});

test("GNU tar and bsdtar list the names that deltar writes", async (context) => {
  for (const program of ["tar", "bsdtar"]) {
    if (!has(context, program)) continue;
    await withFolder(async (folder) => {
      const storage = new MemoryStorage();
      await written(storage);
      const archive = join(folder, "a.tgz");
      fs.writeFileSync(archive, storage.objects.get("a.vol0.tgz")!);
      const list = run(program, ["-tvzf", archive]);
      const named = program === "tar"
        ? [/ daemon\/mail /, RegExp(` ${LONG}/größe `), / x{31}\/8 /, / 9\/10 /]
        : [/ daemon +mail /, RegExp(` ${LONG} +größe `), / x{31} +8 /];
      for (const pattern of named) assert.match(list, pattern);
    });
  }
});

test("TarVolume reads the names in archives of GNU tar and bsdtar", async (context) => {
  const formats = [
    ["tar", "--format=gnu"],
    ["tar", "--format=pax"],
    ["tar", "--format=v7"],
    ["bsdtar", "--format=pax"],
  ];
  for (const [program, format] of formats) {
    if (!has(context, program)) continue;
    await withFolder(async (folder) => {
      fs.writeFileSync(join(folder, "file"), "");
      const archive = join(folder, "a.tar");
      const owner = program === "tar"
        ? ["--owner=someone:123", "--group=some:456"]
        : ["--uname=someone", "--uid=123", "--gname=some", "--gid=456"];
      run(program, ["-cf", archive, format, ...owner, "-C", folder, "file"]);
      const storage = new MemoryStorage();
      await storage.put("a.tar", new Uint8Array(fs.readFileSync(archive)));
      const names = format === "--format=v7"
        ? {}
        : { uname: "someone", gname: "some" };
      assert.deepEqual(
        await ownersOf(TarVolume.fromVolumes(storage, ["a.tar"])),
        [{ path: "file", uid: 123, gid: 456, ...names }],
        `${program} ${format}`,
      );
    });
  }
});

test("the archive of a directory has the names of its owners", {
  skip: process.platform === "win32" && "needs POSIX",
}, async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "file"), "");
    const { uid, gid } = fs.statSync(join(root, "file"));
    const system = new SystemOwners();
    const uname = system.nameOf("users", uid);
    const gname = system.nameOf("groups", gid);
    const storage = new MemoryStorage();
    await TarVolume.compress(new Dir(root), storage, "a");
    assert.deepEqual(await ownersOf(await TarVolume.open(storage, "a")), [
      { path: "file", uid, gid, ...uname && { uname }, ...gname && { gname } },
    ]);
  });
});

for (const way of ["with the index", "without the index"]) {
  test(`root extracts owners by name or, if requested, by number, ${way}`, {
    skip: isRoot ? false : "needs to be root",
  }, async () => {
    const system = new SystemOwners();
    const daemon = system.numberOf("users", "daemon");
    const mail = system.numberOf("groups", "mail");
    await withFolder(async (folder) => {
      const storage = new MemoryStorage();
      await written(storage);
      const volume = way === "with the index"
        ? await TarVolume.open(storage, "a")
        : TarVolume.fromVolumes(storage, ["a.vol0.tgz"]);
      for (const numericOwner of [false, true]) {
        const target = join(folder, `${numericOwner}`);
        await volume.extractAll(target, { numericOwner });
        const owners = MEMBERS.map(({ path }) => {
          const { uid, gid } = fs.statSync(join(target, path));
          return [path, uid, gid];
        });
        assert.deepEqual(owners, [
          numericOwner ? ["a", 4_000_001, 4_000_002] : ["a", daemon, mail],
          ["b", 5, 6],
          ["c", 7, 8],
          ["d", 9, 10],
        ]);
      }
    });
  });
}
