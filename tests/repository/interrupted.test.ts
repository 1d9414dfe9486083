import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotOptions } from "../../lib/repository/snapshot/take_snapshot.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { dieAt, FaultyStorage, isInjected } from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

const VOLUME = 100_000;
/**
 * The number of files, which is larger than the number of concurrent requests.
 */
const FILES = 120;
const options = { volumeSize: VOLUME };

/** Writes many files of 20 kB, five of which fit into a volume. */
function fill(root: string, seed: number): void {
  fs.mkdirSync(root, { recursive: true });
  for (let at = 0; at < FILES; at++) {
    const name = String(at).padStart(3, "0");
    fs.writeFileSync(join(root, name), noise(20_000, seed + at));
  }
}

/** Writes many small files with long paths, and larger files. */
function fillDeep(root: string): { names: string[]; count: number } {
  const names = [..."abcdefghijkl"].map((letter) => letter.repeat(250));
  const deep = join(root, ...names);
  fs.mkdirSync(deep, { recursive: true });
  const count = 800;
  for (let at = 0; at < count; at++) {
    fs.writeFileSync(join(deep, `${at}`), noise(100, at));
  }
  for (let at = 0; at < FILES; at++) {
    fs.writeFileSync(join(root, `z${at}`), noise(40_000, count + at));
  }
  return { names, count };
}

/** Takes a snapshot, and interrupts it after the given number of entries. */
async function interrupt(
  repository: Repository,
  root: string,
  after: number,
  more: SnapshotOptions = {},
): Promise<void> {
  const stop = new AbortController();
  await assert.rejects(
    repository.snapshot(everything(root), {
      ...options,
      ...more,
      signal: stop.signal,
      onProgress: ({ entries }) => {
        if (entries === after) stop.abort();
      },
    }),
    { code: "aborted" },
  );
}

function sizeOf(storage: MemoryStorage, prefix: string): number {
  let size = 0;
  for (const [name, bytes] of storage.objects) {
    if (name.startsWith(prefix)) size += bytes.length;
  }
  return size;
}

/** Restores the latest snapshot, and compares it with the directory. */
async function assertRestores(
  repository: Repository,
  root: string,
  target: string,
): Promise<void> {
  const record = await repository.find("latest");
  const { failed } = await repository.restore(record, target);
  assert.deepEqual(failed, []);
  const names = fs.readdirSync(root).sort();
  assert.deepEqual(fs.readdirSync(target).sort(), names);
  for (const name of names) {
    const [got, good] = [target, root]
      .map((folder) => fs.readFileSync(join(folder, name)));
    assert.ok(got.equals(good), name);
  }
  fs.rmSync(target, { recursive: true });
  const { damage } = await repository.verify({ data: true });
  assert.deepEqual(damage, []);
}

test("the next snapshot takes over the finished objects of an interrupted one", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root, 1);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    let kept = 0;
    await interrupt(repository, root, FILES - 5, {
      onKept: (volumes) => kept = volumes.length,
    });
    assert.ok(kept >= 4, `${kept} volumes kept`);
    const before = sizeOf(storage, "volumes/");
    assert.ok(before > 4 * 0.9 * VOLUME);
    assert.deepEqual(await repository.snapshots(), []);

    // The second run is interrupted, too, and adds to the finished objects.
    await interrupt(repository, root, FILES - 1);
    const { record } = await repository.snapshot(everything(root), options);
    const all = sizeOf(storage, "volumes/");
    assert.ok(all < FILES * 20_000 + VOLUME, `${all} bytes in volumes`);
    assert.ok(
      record.counts.stored < FILES * 20_000 - before + VOLUME,
      `${record.counts.stored} stored`,
    );
    await assertRestores(repository, root, join(folder, "to"));
    // The checkpoints and intents are deleted.
    assert.equal(sizeOf(storage, "checkpoints/"), 0);
    assert.equal(sizeOf(storage, "running/"), 0);
  });
});

test("a finished volume on a local disk is taken over only if it is undamaged", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root, 1);
    const place = join(folder, "repository");
    const repository = await Repository.create(new LocalStorage(place));
    await interrupt(repository, root, FILES - 5);
    const volumes = join(place, "volumes");
    const names = fs.readdirSync(volumes).sort();
    assert.ok(names.length >= 4, `${names.length} volumes`);
    // A crash of the machine lost the content of one volume, but not its size.
    const file = join(volumes, names[1]);
    fs.chmodSync(file, 0o600);
    fs.writeFileSync(file, new Uint8Array(fs.statSync(file).size));
    const { record } = await repository.snapshot(everything(root), options);
    assert.ok(record.counts.stored < FILES * 20_000 - 2 * VOLUME);
    await assertRestores(repository, root, join(folder, "to"));
  });
});

test("the finished volumes of a snapshot that is killed at any time are taken over", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root, 100);
    const whole = FILES * 20_000;
    for (const after of [2, 5, 9, 20, 31, 32, 33, 50, 59, 60]) {
      const inner = new MemoryStorage();
      await Repository.create(inner);
      const dying = new FaultyStorage(inner, dieAt(after, "before"));
      const opened = await Repository.open(dying);
      await opened.snapshot(everything(root), options).catch((error) => {
        if (!isInjected(error)) throw error;
      });
      const left = sizeOf(inner, "volumes/");
      const repository = await Repository.open(inner);
      const { record } = await repository.snapshot(everything(root), options);
      // One volume can be finished without a checkpoint.
      const most = whole - left + 2 * VOLUME;
      assert.ok(
        record.counts.stored < most,
        `${after}: ${record.counts.stored}`,
      );
      const again = await repository.snapshot(everything(root), options);
      assert.equal(again.isNew, false);
      await assertRestores(repository, root, join(folder, "to"));
    }
  });
});

test("a large file that was finished is taken over, and further deltas are based on it", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const large = noise(1_500_000, 3);
    fs.writeFileSync(join(root, "a"), large);
    for (let at = 0; at < 30; at++) {
      fs.writeFileSync(join(root, `b${at}`), noise(40_000, at + 50));
    }
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    await interrupt(repository, root, 30);
    const first = await repository.snapshot(everything(root), options);
    assert.ok(first.record.counts.stored < 1_300_000);
    large.set(noise(100, 9), 700_000);
    fs.writeFileSync(join(root, "a"), large);
    const second = await repository.snapshot(everything(root), options);
    assert.ok(second.record.counts.stored < 50_000);
    await assertRestores(repository, root, join(folder, "to"));
  });
});

test("deltas are taken over only if the parent is the same", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root, 1);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    await repository.snapshot(everything(root), { volumeSize: 4096 });
    // Each delta is half as large as its file, so that the deltas fill volumes.
    for (let at = 0; at < FILES; at++) {
      const name = String(at).padStart(3, "0");
      const bytes = noise(20_000, 1 + at);
      bytes.set(noise(9000, 1000 + at), 5000);
      fs.writeFileSync(join(root, name), bytes);
    }
    await interrupt(repository, root, FILES - 5, { volumeSize: 40_000 });
    const left = sizeOf(storage, "volumes/");
    const { record } = await repository.snapshot(everything(root), {
      volumeSize: 40_000,
    });
    assert.ok(record.counts.stored < FILES * 9500 - 100_000);
    await assertRestores(repository, root, join(folder, "to"));
    assert.ok(sizeOf(storage, "volumes/") < left + FILES * 9500);

    for (let at = 0; at < FILES; at++) {
      const name = String(at).padStart(3, "0");
      const bytes = noise(20_000, 1 + at);
      bytes.set(noise(9000, 2000 + at), 5000);
      fs.writeFileSync(join(root, name), bytes);
    }
    await interrupt(repository, root, FILES - 5, { volumeSize: 40_000 });
    storage.objects.delete(`snapshots/${record.id}.json`);
    await repository.snapshot(everything(root), { volumeSize: 40_000 });
    await assertRestores(repository, root, join(folder, "to"));
  });
});

test("objects of an interrupted run of another directory, and damaged ones, are not taken over", async () => {
  await withTemp(async (folder) => {
    const [root, other] = [join(folder, "root"), join(folder, "other")];
    fill(root, 1);
    fill(other, 500);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    await interrupt(repository, root, FILES - 5);
    await repository.snapshot(everything(other), options);
    const names = [...storage.objects.keys()]
      .filter((name) => name.startsWith("checkpoints/"));
    assert.ok(names.length >= 4);
    storage.objects.get(names[1])![30] ^= 1;
    const volume = [...storage.objects.keys()]
      .find((name) => name.startsWith("volumes/") && name.includes("vol2"))!;
    storage.objects.delete(volume);
    await repository.snapshot(everything(root), options);
    await assertRestores(repository, root, join(folder, "to"));
  });
});

test("a volume with many contents has several checkpoints, all of which are taken over", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const { names, count } = fillDeep(root);
    const volumeSize = 500_000;
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const after = names.length + count + FILES - 5;
    let kept = 0;
    await interrupt(repository, root, after, {
      volumeSize,
      onKept: (volumes) => kept = volumes.length,
    });
    const checkpoints = [...storage.objects.keys()]
      .filter((name) => name.startsWith("checkpoints/"));
    assert.ok(kept > 0);
    assert.ok(checkpoints.length > kept, checkpoints.join());
    const stored = sizeOf(storage, "volumes/");
    const { record } = await repository.snapshot(everything(root));
    const left = FILES * 40_000 + count * 100 - stored + volumeSize;
    assert.ok(record.counts.stored < left, `${record.counts.stored} stored`);
    const target = join(folder, "to");
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    for (const at of [0, count - 1]) {
      const file = join(target, ...names, `${at}`);
      assert.deepEqual(fs.readFileSync(file), Buffer.from(noise(100, at)));
    }
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
    assert.equal(sizeOf(storage, "checkpoints/"), 0);
  });
});

test("a checkpoint that cannot be stored does not affect the later ones", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const { names, count } = fillDeep(root);
    let refused = 0;
    class Refusing extends MemoryStorage {
      override put(...args: Parameters<MemoryStorage["put"]>) {
        if (!args[0].startsWith("checkpoints/") || refused > 0) {
          return super.put(...args);
        }
        refused++;
        return Promise.reject(new DeltarError("io", "the disk is full"));
      }
    }
    const volumeSize = 500_000;
    const storage = new Refusing();
    const repository = await Repository.create(storage);
    const after = names.length + count + FILES - 5;
    await interrupt(repository, root, after, { volumeSize });
    assert.equal(refused, 1);
    const stored = sizeOf(storage, "volumes/");
    const { record } = await repository.snapshot(everything(root));
    // The contents of the first volume are stored again.
    const left = FILES * 40_000 + count * 100 - stored + 2 * volumeSize;
    assert.ok(record.counts.stored < left, `${record.counts.stored} stored`);
  });
});
