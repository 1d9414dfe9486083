import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { noise } from "../support/noise.ts";
import { everything } from "../repository/helpers.ts";
import {
  allFrozen,
  assertRestored,
  type Frozen,
  frozenNamed,
  type FrozenSnapshot,
  rehome,
  rehomeCheckpoints,
  thaw,
} from "./frozen.ts";

/**
 * Skips on Windows, where the content of these repositories cannot be created.
 */
const posix = { skip: process.platform === "win32" && "needs POSIX" };
const all = allFrozen();
const sound = all.filter(({ expected }) => expected.damage === undefined);

/** Returns the paths that the damage removes from a snapshot. */
function lostIn({ expected }: Frozen, { id }: FrozenSnapshot): string[] {
  return (expected.damage ?? []).flatMap(({ files }) =>
    files.filter(({ snapshots }) => snapshots.includes(id))
      .map(({ path }) => path)
  ).sort();
}

/** Returns the snapshots that the damage does not affect. */
function left({ expected }: Frozen): FrozenSnapshot[] {
  const lost = (expected.damage ?? []).flatMap(({ lost }) => lost);
  return expected.snapshots.filter(({ id }) => !lost.includes(id));
}

/** Restores each snapshot into an empty folder, and checks the result. */
async function assertAll(
  frozen: Frozen,
  storage: LocalStorage | MemoryStorage,
  snapshots: FrozenSnapshot[],
): Promise<void> {
  const repository = await Repository.open(storage);
  await withTemp(async (folder) => {
    for (const [at, snapshot] of snapshots.entries()) {
      const record = await repository.find(snapshot.id);
      const target = join(folder, String(at));
      const { failed } = await repository.restore(record, target);
      const lost = lostIn(frozen, snapshot);
      assert.deepEqual(failed.map(({ path }) => path).sort(), lost);
      assertRestored(target, frozen, snapshot.tree, lost);
    }
  });
}

test("every kind of frozen repository exists", () => {
  assert.deepEqual(
    all.map(({ name }) => name).filter((name) => /^2abdc44/.test(name)),
    [
      "condemned",
      "cut-record",
      "flipped",
      "gzip",
      "interrupted",
      "large",
      "life",
      "no-layer",
      "no-volume",
      "pruned",
      "repaired",
    ].map((name) => `2abdc44/${name}`),
  );
});

for (const frozen of all) {
  const { name, folder, expected } = frozen;

  test(`Repository.snapshots() lists ${name}`, async () => {
    const repository = await Repository.open(new LocalStorage(folder));
    const damaged: string[] = [];
    const records = await repository.snapshots({
      onDamage: (error) => void damaged.push(String(error.object)),
    });
    const cut = (expected.damage ?? []).filter(({ kind }) => kind === "record");
    assert.deepEqual(damaged, cut.map(({ object }) => object));
    const unread = cut.flatMap(({ lost }) => lost);
    const expectedRecords = expected.snapshots
      .filter(({ id }) => !unread.includes(id));
    assert.deepEqual(
      records.map(({ id, label, directory, safety, repairs }) => ({
        id,
        label,
        directory,
        safety,
        repairs,
      })),
      expectedRecords.map(({ id, label, directory, safety, repairs }) => ({
        id,
        label,
        directory,
        safety,
        repairs,
      })),
    );
    assert.equal(await repository.maxSize(), expected.maxSize);
    if (cut.length > 0) return;
    assert.deepEqual(
      (await repository.removed()).map(({ id }) => id),
      (expected.removed ?? []).map(({ id }) => id),
    );
  });

  test(`Repository.restore() restores all of ${name}`, posix, async () => {
    // A restore stores a note in the repository, so that it can be undone.
    await withTemp(async (place) => {
      const storage = new LocalStorage(thaw(frozen, join(place, "copy")));
      await assertAll(frozen, storage, left(frozen));
    });
  });

  test(`Repository.verify() finds the damage in ${name}`, async () => {
    const repository = await Repository.open(new LocalStorage(folder));
    for (const data of [false, true]) {
      const { damage } = await repository.verify({ data });
      // A flipped bit is found only if the data is read.
      const isSeen = data || !name.endsWith("/flipped");
      const seen = isSeen ? expected.damage ?? [] : [];
      assert.deepEqual(
        damage.map(({ object, kind, lost, files }) => ({
          object,
          kind,
          lost,
          files,
        })),
        seen,
        `data: ${data}`,
      );
    }
  });
}

for (const frozen of sound) {
  const { name, expected } = frozen;

  test(`Repository.readFile() reads every file of ${name}`, async () => {
    const repository = await Repository.open(new LocalStorage(frozen.folder));
    const { id, tree } = expected.snapshots.at(-1)!;
    const record = await repository.find(id);
    for (const [path, at] of Object.entries(tree)) {
      const { kind, size } = expected.nodes[at];
      if (kind !== "file") continue;
      const bytes = await collect(await repository.readFile(record, path));
      assert.equal(bytes.length, size, path);
    }
  });

  test(`Repository.copyTo() copies ${name}`, posix, async () => {
    const repository = await Repository.open(new LocalStorage(frozen.folder));
    const target = await Repository.create(new MemoryStorage());
    await repository.copyTo(target, await repository.snapshots());
    const { damage } = await target.verify({ data: true });
    assert.deepEqual(damage, []);
    await assertAll(
      frozen,
      target.storage as MemoryStorage,
      expected.snapshots,
    );
  });

  test(
    `Repository.prune() keeps everything that ${name} needs`,
    posix,
    async () => {
      await withTemp(async (folder) => {
        const storage = new LocalStorage(thaw(frozen, join(folder, "copy")));
        const repository = await Repository.open(storage);
        const ids = (await repository.snapshots()).map(({ id }) => id);
        await repository.prune({}, { grace: 0, patience: 0 });
        const { damage } = await repository.verify({ data: true });
        assert.deepEqual(damage, []);
        await assertAll(frozen, storage, expected.snapshots);
        await repository.prune({ last: 1 }, { grace: 0, patience: 0 });
        const kept = (await repository.snapshots()).map(({ id }) => id);
        assert.ok(kept.includes(ids.at(-1)!));
        assert.ok(ids.length === 1 || kept.length < ids.length);
        assert.deepEqual((await repository.verify({ data: true })).damage, []);
        await assertAll(
          frozen,
          storage,
          expected.snapshots.filter(({ id }) => kept.includes(id)),
        );
      });
    },
  );

  test(`Repository.snapshot() continues ${name}`, posix, async () => {
    await withTemp(async (temp) => {
      const folder = fs.realpathSync(temp);
      const storage = new LocalStorage(thaw(frozen, join(folder, "copy")));
      const root = join(folder, "root");
      const last = expected.snapshots.findLast(({ safety }) => !safety)!;
      rehome(storage.location, last.directory!, root);
      const repository = await Repository.open(storage);
      await repository.restore(await repository.find(last.id), root);
      for (const [path, at] of Object.entries(last.tree)) {
        const { kind, sameFileAs, mode } = expected.nodes[at];
        if (kind !== "file" || sameFileAs !== undefined) continue;
        fs.chmodSync(join(root, path), 0o600);
        fs.appendFileSync(join(root, path), `and more: ${path}`);
        fs.chmodSync(join(root, path), parseInt(mode!, 8));
      }
      fs.writeFileSync(join(root, "new"), "new");
      const size = sizeIn(storage.location);
      const { record } = await repository.snapshot(everything(root));
      assert.equal(record.parent, last.id);
      // No large content is stored again.
      assert.ok(sizeIn(storage.location) - size < 80_000);
      const target = join(folder, "target");
      assert.deepEqual((await repository.restore(record, target)).failed, []);
      for (
        const name of fs.readdirSync(root, { recursive: true }) as string[]
      ) {
        if (!fs.lstatSync(join(root, name)).isFile()) continue;
        const [a, b] = [root, target]
          .map((place) => fs.readFileSync(join(place, name)));
        assert.ok(a.equals(b), name);
      }
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
      await assertAll(frozen, storage, expected.snapshots);
    });
  });
}

for (const frozen of sound) {
  const { name, expected: { removed } } = frozen;
  if (removed === undefined) continue;

  test(
    `Repository.undelete() brings back the removed snapshots of ${name}`,
    posix,
    async () => {
      await withTemp(async (folder) => {
        const storage = new LocalStorage(thaw(frozen, join(folder, "copy")));
        const repository = await Repository.open(storage);
        for (const { id } of removed) await repository.undelete(id);
        await assertAll(frozen, storage, removed);
      });
    },
  );
}

for (const frozen of all.filter(({ expected }) => expected.damage)) {
  test(`Repository.repair() repairs ${frozen.name}`, posix, async () => {
    await withTemp(async (folder) => {
      const storage = new LocalStorage(thaw(frozen, join(folder, "copy")));
      const repository = await Repository.open(storage);
      await repository.repair();
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
      const records = await repository.snapshots();
      // Each undamaged snapshot still exists, under its own id or as its
      // replacement.
      for (const snapshot of left(frozen)) {
        const record = records.find(({ id, repairs }) =>
          id === snapshot.id || repairs === snapshot.id
        );
        assert.ok(record, snapshot.id);
        await assertOne(repository, record, frozen, snapshot);
      }
    });
  });
}

async function assertOne(
  repository: Repository,
  record: SnapshotRecord,
  frozen: Frozen,
  snapshot: FrozenSnapshot,
): Promise<void> {
  await withTemp(async (folder) => {
    const target = join(folder, "target");
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    const lost = record.id === snapshot.id ? [] : lostIn(frozen, snapshot);
    assertRestored(target, frozen, snapshot.tree, lost);
  });
}

test(
  "Repository.revert() undoes a restore that an older deltar made",
  posix,
  async () => {
    const frozen = frozenNamed("2abdc44/life");
    const { snapshots } = frozen.expected;
    await withTemp(async (temp) => {
      const folder = fs.realpathSync(temp);
      const root = join(folder, "root");
      const storage = new LocalStorage(thaw(frozen, join(folder, "copy")));
      rehome(storage.location, "/tmp/deltar-frozen/life", root);
      const repository = await Repository.open(storage);
      // The last restore, which is the redo, restored the first snapshot.
      await repository.restore(await repository.find(snapshots[0].id), root);
      assertRestored(root, frozen, snapshots[0].tree);
      // The older version stored no notes about restores into new directories.
      fs.rmSync(join(storage.location, "restores"), { recursive: true });
      const { failed } = await repository.revert(root);
      assert.deepEqual(failed, []);
      const last = snapshots.findLast(({ safety }) => !safety)!;
      assertRestored(root, frozen, last.tree);
      await repository.revert(root, { direction: "redo" });
      assertRestored(root, frozen, snapshots[0].tree);
    });
  },
);

test(
  "snapshot() takes over the finished objects of an interrupted run of an older deltar",
  posix,
  async () => {
    const frozen = frozenNamed("2abdc44/interrupted");
    const { next, nodes, snapshots } = frozen.expected;
    await withTemp(async (temp) => {
      const folder = fs.realpathSync(temp);
      const root = join(folder, "root");
      const storage = new LocalStorage(thaw(frozen, join(folder, "copy")));
      const repository = await Repository.open(storage);
      // The directory has the same path and the same contents as at that time.
      await repository.restore(await repository.find(snapshots[0].id), root);
      for (let at = 0; at < 6; at++) {
        fs.writeFileSync(join(root, `m${at}`), noise(4000, at + 99));
      }
      const { directory } = snapshots[0];
      rehome(storage.location, directory!, root);
      await rehomeCheckpoints(storage.location, directory!, root);
      const [run] = fs.readdirSync(join(storage.location, "running"))
        .map((name) => name.replace(/\..*/, ""));
      const { record } = await repository.snapshot(everything(root));
      const volumes = [...(await repository.tree(record)).objects.keys()];
      assert.ok(volumes.some((name) => name.includes(run)));
      const stored = Object.keys(next!)
        .reduce((sum, path) => sum + nodes[next![path]].size!, 0);
      assert.ok(record.counts.stored < stored / 4);
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
    });
  },
);

/** Returns the total size of the files in a folder, in bytes. */
function sizeIn(folder: string): number {
  return (fs.readdirSync(folder, { recursive: true }) as string[])
    .map((name) => fs.lstatSync(join(folder, name)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}
