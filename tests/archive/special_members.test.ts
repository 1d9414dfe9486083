/** Named pipes and devices in archives of deltar and of other programs. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import type { TarMember } from "../../lib/archive/tar_member.ts";
import { VolumeIndex } from "../../lib/archive/volume_index.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { DeviceNumber, Metadata, Skipped } from "../../lib/tree/entry.ts";
import { lstat } from "../../lib/tree/stat.ts";
import { whyNotMade } from "../../lib/tree/open_folder.ts";
import { MemorySink } from "./fakes.ts";
import { has, run, withFolder } from "./peers.ts";

const isRoot = process.getuid?.() === 0;
const TIME = 1_600_000_000_000_000_000n;
const BASICS = { mode: 0o640, mtime: TIME, uid: 12, gid: 34 };

/** The members of the archives, without devices unless root runs the test. */
const MEMBERS: readonly {
  path: string;
  kind: "fifo" | "block" | "character";
  device?: DeviceNumber;
}[] = [
  { path: "pipe", kind: "fifo" },
  { path: "null", kind: "character", device: { major: 1, minor: 3 } },
  { path: "loop", kind: "block", device: { major: 7, minor: 200 } },
  {
    path: "large",
    kind: "character",
    device: { major: 511, minor: 1_048_575 },
  },
];
const made = MEMBERS.filter(({ device }) => isRoot || device === undefined);

/** Makes the members with `mkfifo` and `mknod`. */
function plant(root: string): void {
  for (const { path, kind, device } of made) {
    const place = join(root, path);
    if (device === undefined) run("mkfifo", [place]);
    else {
      const { major, minor } = device;
      run("mknod", [place, kind[0], String(major), String(minor)]);
    }
    fs.chmodSync(place, 0o640);
    if (isRoot) fs.chownSync(place, 12, 34);
    fs.utimesSync(place, 1_600_000_000, 1_600_000_000);
  }
}

/** Asserts that a directory has the members. */
function assertPlanted(root: string, members: readonly typeof made[0][]): void {
  for (const { path, kind, device } of members) {
    const stat = lstat(join(root, path));
    assert.equal(stat.kind, kind, path);
    assert.deepEqual(stat.rdev, device, path);
    assert.equal(stat.mode, 0o640, path);
    assert.equal(stat.mtime, TIME, path);
    if (isRoot) assert.deepEqual([stat.uid, stat.gid], [12, 34], path);
  }
}

/** A sink that also keeps named pipes and devices. */
class SpecialSink extends MemorySink {
  readonly made: Pick<TarMember, "path" | "kind">[] = [];

  special(
    path: string,
    kind: TarMember["kind"],
    device: DeviceNumber | undefined,
    { mode, mtime, uid, gid }: Metadata,
  ): void {
    const entry = { path, kind, mode, mtime, uid, gid };
    this.made.push({ ...entry, ...device && { device } });
  }
}

async function written(storage: MemoryStorage): Promise<void> {
  const writer = TarVolume.create(storage, "a");
  for (const member of MEMBERS) await writer.add({ ...member, ...BASICS });
  await writer.close();
}

test("GNU tar and bsdtar list and extract named pipes and devices", {
  skip: process.platform !== "linux" && "needs Linux",
}, async (context) => {
  for (const program of ["tar", "bsdtar"]) {
    if (!has(context, program)) continue;
    await withFolder(async (folder) => {
      const storage = new MemoryStorage();
      await written(storage);
      const archive = join(folder, "a.tgz");
      fs.writeFileSync(archive, storage.objects.get("a.vol0.tgz")!);
      const list = run(program, ["-tvzf", archive, "--numeric-owner"]);
      const columns = list.trim().split("\n").map((line) => line.split(/ +/));
      const kinds = columns.map(([mode]) => mode);
      assert.deepEqual(kinds, [
        "prw-r-----",
        "crw-r-----",
        "brw-r-----",
        "crw-r-----",
      ]);
      assert.match(list, /511, *1048575/);
      assert.match(list, /7, *200/);
      const out = join(folder, "out");
      fs.mkdirSync(out);
      run(program, [
        "-xpzf",
        archive,
        "-C",
        out,
        ...made.map(({ path }) => path),
      ]);
      assertPlanted(out, made);
    });
  }
});

test(
  "TarVolume reads named pipes and devices from archives of GNU tar and bsdtar",
  {
    skip: process.platform !== "linux" && "needs Linux",
  },
  async (context) => {
    const formats = [
      ["tar", "--format=gnu"],
      ["tar", "--format=pax"],
      ["tar", "--format=ustar"],
      ["bsdtar", "--format=pax"],
    ];
    for (const [program, format] of formats) {
      if (!has(context, program)) continue;
      await withFolder(async (folder) => {
        const root = join(folder, "root");
        fs.mkdirSync(root);
        plant(root);
        const archive = join(folder, "a.tar");
        const names = made.map(({ path }) => path);
        run(program, ["-cf", archive, format, "-C", root, ...names]);
        const storage = new MemoryStorage();
        await storage.put("a.tar", new Uint8Array(fs.readFileSync(archive)));
        const opened = TarVolume.fromVolumes(storage, ["a.tar"]);
        const sink = new SpecialSink();
        await opened.extractAll(sink);
        const ids = isRoot
          ? {}
          : { uid: process.getuid!(), gid: process.getgid!() };
        assert.deepEqual(
          sink.made,
          made.map((member) => ({ ...member, ...BASICS, ...ids })),
          `${program} ${format}`,
        );
      });
    }
  },
);

test("numbers that do not fit into ustar fields are stored in pax records", async () => {
  const device = { major: 4_000_000_000, minor: 3_000_000_000 };
  const storage = new MemoryStorage();
  const writer = TarVolume.create(storage, "a");
  await writer.add({ path: "far", kind: "block", device });
  await writer.close();
  const volume = TarVolume.fromVolumes(storage, ["a.vol0.tgz"]);
  const members = await Array.fromAsync(volume.members());
  assert.deepEqual(members.map((one) => "device" in one && one.device), [
    device,
  ]);
});

test("a device needs a number, and an index with pipes has version 2", async () => {
  const writer = TarVolume.create(new MemoryStorage(), "a");
  await assert.rejects(writer.add({ path: "x", kind: "block" }), TypeError);
  await writer.add("file", new Uint8Array(1));
  const plain = new TextDecoder().decode((await writer.close()).encode());
  assert.match(plain, /"version":1,/);
  const storage = new MemoryStorage();
  await written(storage);
  const bytes = storage.objects.get("a.index.ndjson")!;
  assert.match(new TextDecoder().decode(bytes), /"version":2,/);
  const { members } = VolumeIndex.decode(bytes);
  assert.deepEqual(
    members.map((one) =>
      one.kind === "fifo" ? undefined : Reflect.get(one, "device")
    ),
    MEMBERS.map(({ device }) => device),
  );
});

for (const way of ["with the index", "without the index"]) {
  test(`members that cannot be created are named, ${way}`, {
    skip: process.platform === "win32" && "needs POSIX",
  }, async () => {
    await withFolder(async (folder) => {
      const storage = new MemoryStorage();
      await written(storage);
      const volume = way === "with the index"
        ? await TarVolume.open(storage, "a")
        : TarVolume.fromVolumes(storage, ["a.vol0.tgz"]);
      const skipped: Skipped[] = [];
      const onSkip = (skip: Skipped) => skipped.push(skip);
      await volume.extractAll(folder, { onSkip });
      const can = MEMBERS.filter(({ kind }) => whyNotMade(kind) === undefined);
      assertPlanted(folder, can);
      assert.deepEqual(
        skipped.map(({ path, reason }) => `${path}: ${reason}`),
        MEMBERS.filter((one) => !can.includes(one))
          .map(({ path }) => `${path}: special`),
      );
      skipped.length = 0;
      await volume.extractAll(new MemorySink(), { onSkip });
      assert.equal(skipped.length, MEMBERS.length);
    });
  });
}
