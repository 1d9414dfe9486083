import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { collect } from "../../lib/bytes/source.ts";
import {
  encodeRecord,
  type SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { RepairResult } from "../../lib/repository/repair/repair.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { comparePaths } from "../../lib/tree/path.ts";
import { dieAt, FaultyStorage, isInjected } from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { makeSample, readAll, type Sample } from "./harmed.ts";
import { copyOf, everything, noise } from "./helpers.ts";

let sample: Promise<Sample> | undefined;

function flip(bytes: Uint8Array, part = 0.5): void {
  bytes[Math.floor(bytes.length * part)] ^= 4;
}

function keysOf(storage: MemoryStorage): string[] {
  return [...storage.objects.keys()].sort();
}

/** Returns the result without the ids that only a real repair has. */
function plain({ replaced, ...rest }: RepairResult) {
  return { ...rest, replaced: replaced.map(({ by: _, ...one }) => one) };
}

/**
 * Repairs, and checks that everything that was readable before is still
 * readable.
 */
async function repair(
  what: string,
  storage: MemoryStorage,
  contents: Sample["contents"],
): Promise<RepairResult> {
  const before = await readAll(storage, contents);
  const names = keysOf(storage);
  const repository = await Repository.open(storage, { onDamage: () => {} });
  const planned = await repository.repair({ dryRun: true });
  assert.deepEqual(
    keysOf(storage),
    names,
    `${what}: a dry run changes nothing`,
  );
  const result = await repository.repair();
  assert.deepEqual(plain(result), plain(planned), what);

  const again = await Repository.open(storage);
  const { damage } = await again.verify({ data: true });
  assert.deepEqual(damage, [], what);
  const replaced = new Map(result.replaced.map((one) => [one.id, one]));
  const records = new Map(
    (await again.snapshots()).map((one) => [one.id, one]),
  );
  for (const [id, sums] of contents) {
    if (result.lost.includes(id)) {
      assert.ok(before.lost.includes(id), `${what}: ${id} is given up`);
      continue;
    }
    const { by = id, lost = [], unknown = [] } = replaced.get(id) ?? {};
    const record = records.get(by)!;
    assert.equal(record.repairs, by === id ? undefined : id);
    const tree = await again.tree(record);
    for (const [path, sum] of sums) {
      const isLost = lost.includes(path);
      const isUnknown = unknown.some(({ from, to }) =>
        comparePaths(from, path) <= 0 &&
        (to === undefined || comparePaths(path, to) < 0)
      );
      if (before.files.includes(`${id} ${path}`)) assert.ok(isLost, path);
      if (tree.byPath.has(path)) {
        const stream = await again.readFile(record, path);
        const got = toHex(sha256(await collect(stream)));
        assert.equal(got, sum, `${what}: ${path} of ${id}`);
      } else assert.ok(isLost || isUnknown, `${what}: ${path} of ${id}`);
      if (isLost) {
        assert.ok(
          tree.skipped.some((one) =>
            one.path === path && one.reason === "lost"
          ),
        );
      }
    }
    if (!before.lost.includes(id)) assert.deepEqual(unknown, [], what);
  }
  const nothing = await again.repair();
  assert.deepEqual([nothing.replaced, nothing.setAside], [[], []], what);
  return result;
}

test("repair() after any single damage leaves a working repository, and loses nothing readable", async () => {
  const { storage, contents } = await (sample ??= makeSample());
  for (const [at, name] of [...storage.objects.keys()].entries()) {
    const [folder] = name.split("/");
    const flips = process.env.SLOW || at % 3 === 0 || folder === "deltar.json";
    const drops = process.env.SLOW || at % 3 === 1;
    if (folder !== "snapshots" && drops) {
      const { storage: copy } = await copyOf(storage);
      copy.objects.delete(name);
      await repair(`${name} missing`, copy, contents);
    }
    if (!flips) continue;
    const { storage: copy } = await copyOf(storage);
    flip(copy.objects.get(name)!);
    const result = await repair(`${name} flipped`, copy, contents);
    assert.ok(result.damage.some(({ object }) => object === name));
    if (folder === "snapshots" || folder === "deltar.json") {
      assert.deepEqual(result.mended, [name]);
      assert.deepEqual([result.lost, result.replaced], [[], []]);
      assert.deepEqual(copy.objects.get(name), storage.objects.get(name));
      assert.ok(copy.objects.has(`damaged/${name}`));
    }
    if (folder === "signatures") {
      assert.ok(result.replaced.length > 0);
      assert.ok(result.replaced.every(({ lost }) => lost.length === 0));
    }
  }
});

test("repair() sets objects with more than one wrong bit aside, and the rest works", async () => {
  const { storage, contents } = await (sample ??= makeSample());
  const { storage: copy } = await copyOf(storage);
  const names = keysOf(copy);
  const record = names.filter((name) => name.startsWith("snapshots/"))[2];
  const damaged = [
    "deltar.json",
    record,
    names.filter((name) => name.startsWith("volumes/"))[2],
    names.filter((name) => name.startsWith("trees/"))[3],
  ];
  for (const name of damaged) {
    flip(copy.objects.get(name)!, 0.3);
    flip(copy.objects.get(name)!, 0.6);
  }
  const kept = new Map(
    damaged.map((name) => [name, copy.objects.get(name)!]),
  );
  const result = await repair("several", copy, contents);
  assert.ok(result.lost.some((id) => record.includes(id)));
  for (const name of ["deltar.json", record]) {
    assert.deepEqual(copy.objects.get(`damaged/${name}`), kept.get(name));
  }
});

test("the next snapshot after repair() stores files again that still exist in the directory", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    for (let at = 0; at < 9; at++) {
      fs.writeFileSync(join(root, `${at}`), noise(9000, at + 1));
    }
    const large = noise(1_200_000, 50);
    fs.writeFileSync(join(root, "large"), large);
    const cache = join(root, "../", `${root.split("/").at(-1)}-cache`);
    const options = { cache, volumeSize: 20_000 };
    try {
      await repository.snapshot(everything(root), options);
      for (const name of keysOf(storage)) {
        if (name.startsWith("volumes/")) flip(storage.objects.get(name)!);
      }
      const { replaced } = await repository.repair();
      assert.equal(replaced.length, 1);
      assert.ok(replaced[0].lost.includes("large"));
      large.set([1, 2, 3], 600_000);
      fs.writeFileSync(join(root, "large"), large);
      const { record, isNew } = await repository
        .snapshot(everything(root), options);
      assert.ok(isNew);
      assert.equal(record.parent, replaced[0].by);
      const { damage } = await repository.verify({ data: true });
      assert.deepEqual(damage, []);
      const tree = await repository.tree(record);
      assert.equal(tree.entries.length, 10);
      assert.equal(tree.byPath.get("large")!.content!.length, 1);
    } finally {
      fs.rmSync(cache, { recursive: true, force: true });
    }
  });
});

test("repair() that is killed at any time is completed by the next call", async () => {
  const { storage, contents } = await (sample ??= makeSample());
  const volume = keysOf(storage).find((name) => name.startsWith("volumes/"))!;
  const settled = async (copy: MemoryStorage) => {
    const repository = await Repository.open(copy, { onDamage: () => {} });
    await repository.repair();
    const { damage } = await (await Repository.open(copy))
      .verify({ data: true });
    assert.deepEqual(damage, []);
    const records = await repository.snapshots();
    assert.equal(records.length, contents.size);
    return new Set(records.map(({ repairs, id }) => repairs ?? id));
  };
  const harmed = async () => {
    const { storage: copy } = await copyOf(storage);
    flip(copy.objects.get(volume)!);
    flip(copy.objects.get("deltar.json")!);
    return copy;
  };
  const counter = new FaultyStorage(await harmed());
  await (await Repository.open(counter, { onDamage: () => {} })).repair();
  const total = counter.calls.filter(({ kind }) => kind !== "get").length;
  const writes = counter.calls
    .filter(({ kind }) => kind === "put" || kind === "delete")
    .map(({ number }) => number);
  assert.ok(total > 10);
  const step = process.env.SLOW ? 1 : Math.ceil(writes.length / 8);
  for (let at = 0; at < writes.length; at += step) {
    const copy = await harmed();
    const dying = new FaultyStorage(copy, dieAt(writes[at], "before"));
    await Repository.open(dying, { onDamage: () => {} })
      .then((repository) => repository.repair())
      .catch((error) => assert.ok(isInjected(error), String(error)));
    assert.deepEqual(await settled(copy), new Set(contents.keys()));
  }
});

/** Takes a snapshot of six files, with one file in each volume. */
async function snapSixFiles(
  root: string,
  repository: Repository,
): Promise<SnapshotRecord> {
  for (let at = 0; at < 6; at++) {
    fs.writeFileSync(join(root, `file${at}`), noise(5000, at + 1));
  }
  const options = { volumeSize: 1 << 13 };
  return (await repository.snapshot(everything(root), options)).record;
}

test("a repair that is killed before it stores a corrected record or note is finished by the next", async () => {
  const undamaged = new MemoryStorage();
  const source = await Repository.create(undamaged);
  await withTemp(async (root) => {
    await source.forget(await snapSixFiles(root, source));
    fs.writeFileSync(join(root, "seventh"), "x");
    await source.snapshot(everything(root));
  });
  const names = keysOf(undamaged)
    .filter((name) => /^(?:snapshots|removed)\/|^deltar.json$/.test(name));
  assert.equal(names.length, 3);
  for (const name of names) {
    const { storage } = await copyOf(undamaged);
    flip(storage.objects.get(name)!);
    let isDead = false;
    const dying = new FaultyStorage(storage, (call) => {
      isDead ||= call.kind === "put" && call.name === name;
      return isDead ? "before" : undefined;
    });
    const repository = await Repository.open(dying, { onDamage: () => {} });
    await assert.rejects(repository.repair(), { code: "io", object: name });

    const again = await Repository.open(storage, { onDamage: () => {} });
    const { damage } = await again.verify();
    assert.deepEqual(damage.map(({ object }) => object), [name]);
    assert.deepEqual((await again.repair()).mended, [name]);
    assert.deepEqual(storage.objects.get(name), undamaged.objects.get(name));
  }
});

test("a record that only claims to replace a damaged snapshot does not replace it", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const first = await snapSixFiles(root, repository);
    fs.mkdirSync(join(folder, "other"));
    fs.writeFileSync(join(folder, "other/x"), "x");
    const other = everything(join(folder, "other"));
    const { record: { layers } } = await repository.snapshot(other);
    const last = (parseInt(first.id.slice(-2), 16) ^ 1).toString(16);
    const id = first.id.slice(0, -2) + last.padStart(2, "0");
    await storage.put(
      `snapshots/${id}.json`,
      encodeRecord({ ...first, id, repairs: first.id, layers }),
    );
    const [volume] = keysOf(storage)
      .filter((name) => name.startsWith(`volumes/${first.id}`));
    storage.objects.get(volume)![100] ^= 1;
    const { replaced: [{ by, lost }] } = await repository.repair();
    assert.notEqual(by, id);
    assert.deepEqual(lost.length, 1);
    const records = await repository.snapshots();
    assert.equal(records.find((one) => one.id === by)?.counts.files, 5);
  });
});

test("an untrusted record does not replace a damaged snapshot that is trusted", async () => {
  await withTemp(async (root) => {
    const identity = await newIdentity();
    const encrypt = { name: "me", to: await recipientOf(identity) };
    const key = await readPrivateKey(await makeKeyPair(""));
    const options = { keys: [identity], machine: { id: "m", host: "m", key } };
    const storage = new MemoryStorage();
    await Repository.create(storage, { ...options, encrypt });
    const repository = await Repository.open(storage, options);
    const first = await snapSixFiles(root, repository);
    const volume = keysOf(storage)
      .find((name) => name.startsWith(`volumes/${first.id}`))!;
    flip(storage.objects.get(volume)!);
    const dying = new FaultyStorage(
      storage,
      ({ kind, name }) =>
        kind === "put" && name.startsWith("damaged/") ? "before" : undefined,
    );
    const stopped = await Repository.open(dying, options);
    await assert.rejects(stopped.repair(), isInjected);
    const { signer, ...earlier } = (await repository.snapshots())
      .find(({ repairs }) => repairs === first.id)!;
    assert.equal(signer, key.publicKey);
    for (const isSigned of [true, false]) {
      const { storage: copy } = await copyOf(storage);
      const again = await Repository.open(copy, options);
      if (!isSigned) {
        const name = `snapshots/${earlier.id}.json`;
        await again.storage.put(name, encodeRecord(earlier));
      }
      const { replaced: [{ by }] } = await again.repair();
      assert.equal(by === earlier.id, isSigned);
    }
  });
});

test("a replacement of an interrupted repair is not used if more can be read since then", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const first = await snapSixFiles(root, repository);
    const volumes = keysOf(storage)
      .filter((name) => name.startsWith(`volumes/${first.id}`));
    const undamaged = storage.objects.get(volumes[0])!.slice();
    storage.objects.get(volumes[0])![100] ^= 1;
    const dying = new FaultyStorage(
      storage,
      ({ kind, name }) =>
        kind === "put" && name.startsWith("damaged/") ? "before" : undefined,
    );
    await assert.rejects((await Repository.open(dying)).repair(), isInjected);
    storage.objects.set(volumes[0], undamaged);
    storage.objects.get(volumes[1])![100] ^= 1;
    const { replaced } = await repository.repair();
    const { by, lost } = replaced.find(({ id }) => id === first.id)!;
    assert.equal(lost.length, 1);
    const record = (await repository.snapshots()).find(({ id }) => id === by)!;
    const tree = await repository.tree(record);
    for (let at = 0; at < 6; at++) {
      assert.equal(tree.byPath.has(`file${at}`), !lost.includes(`file${at}`));
    }
  });
});

test("repair() treats a failing storage as no damage, and changes nothing", async () => {
  const { storage } = await (sample ??= makeSample());
  const { storage: copy } = await copyOf(storage);
  const volume = keysOf(copy).find((name) => name.startsWith("volumes/"))!;
  const names = keysOf(copy);
  const failing = new FaultyStorage(
    copy,
    ({ kind, name }) =>
      kind === "get" && name === volume ? "before" : undefined,
  );
  const repository = await Repository.open(failing);
  await assert.rejects(repository.repair(), { code: "io", object: volume });
  assert.deepEqual(keysOf(copy), names);
});
