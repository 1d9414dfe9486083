import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { withNoteManifests } from "../../lib/repository/store/noted_storage.ts";
import { verifyNoted } from "../../lib/repository/verify/verify_noted.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { dieAt, FaultyStorage, isInjected } from "../support/faulty_storage.ts";
import { play, playAll } from "../support/schedule.ts";
import { withTemp } from "../support/temp.ts";
import { everything, later } from "./helpers.ts";

const DAY_SECONDS = 24 * 60 * 60;
const file = "removed/20260101T000000Z-000000.json.age";

/** Returns the manifests of keys and notes in a storage, sorted. */
function manifestsIn({ objects }: MemoryStorage): string[] {
  return [...objects.keys()].filter((name) => /^manifests\/.+\//.test(name))
    .sort();
}

/** Returns the faults of the keys and notes in a storage. */
async function faultsIn(storage: Storage): Promise<string[]> {
  const faults: string[] = [];
  await verifyNoted(storage, {
    refuse: () => undefined,
    data: true,
    fail: (object, message) => faults.push(`${object}: ${message}`),
  });
  return faults;
}

/** Makes a repository with a snapshot that has a label. */
async function make(root: string) {
  const storage = new MemoryStorage();
  const identity = await newIdentity();
  const encrypt = { name: "me", to: await recipientOf(identity) };
  await Repository.create(storage, { encrypt });
  const repository = await Repository.open(storage, { keys: [identity] });
  writeFileSync(join(root, "file"), "content");
  const { record } = await repository.snapshot(everything(root));
  await repository.label(record, "a label");
  return { storage, repository, record };
}

test("a note has one manifest, even after it was replaced, and none after it was deleted", async () => {
  const storage = new MemoryStorage();
  const notes = withNoteManifests(storage, "id", undefined);
  await notes.put(file, Uint8Array.of(1), { ifAbsent: true });
  const [first] = manifestsIn(storage);
  assert.equal(manifestsIn(storage).length, 1);
  await notes.put(file, Uint8Array.of(2));
  assert.equal(manifestsIn(storage).length, 1);
  assert.notEqual(manifestsIn(storage)[0], first);
  assert.deepEqual(await faultsIn(storage), []);
  const before = storage.objects.get(file);
  await assert.rejects(notes.put(file, Uint8Array.of(3), { ifAbsent: true }), {
    code: "exists",
  });
  assert.equal(storage.objects.get(file), before);
  assert.equal(manifestsIn(storage).length, 1);
  // Other objects have no manifest of their own.
  await notes.put("volumes/x.age", Uint8Array.of(1));
  assert.equal(storage.objects.size, 3);
  storage.objects.set(file, Uint8Array.of(1));
  assert.equal((await faultsIn(storage)).length, 1);
  await notes.delete(file);
  assert.deepEqual([...storage.objects.keys()], ["volumes/x.age"]);
});

test("the manifests of notes whose names begin alike are kept apart", async () => {
  const storage = new MemoryStorage();
  const notes = withNoteManifests(storage, "id", undefined);
  await notes.put("keys/me.age", Uint8Array.of(1));
  await notes.put("keys/me.age.age", Uint8Array.of(2));
  await notes.put("keys/me.age", Uint8Array.of(3));
  assert.equal(manifestsIn(storage).length, 2);
  await notes.delete("keys/me.age");
  assert.equal(manifestsIn(storage).length, 1);
  assert.deepEqual(await faultsIn(storage), []);
});

test("a note that two writers replace or delete at the same time is never reported as damaged", async () => {
  const start = new MemoryStorage();
  await withNoteManifests(start, "id", undefined).put(file, Uint8Array.of(0));
  const put = (byte: number) => async (storage: Storage) =>
    await withNoteManifests(storage, "id", undefined)
      .put(file, Uint8Array.of(byte));
  const add = (byte: number) => async (storage: Storage) =>
    await withNoteManifests(storage, "id", undefined)
      .put(file, Uint8Array.of(byte), { ifAbsent: true });
  const remove = async (storage: Storage) =>
    await withNoteManifests(storage, "id", undefined).delete(file);
  for (
    const [works, least] of [
      [[put(1), put(2)], 100],
      [[put(1), remove], 30],
      [[add(1), remove], 10],
    ] as const
  ) {
    const { played, isAll } = await playAll(async (choose) => {
      const played = await play(start.objects, works, choose);
      assert.deepEqual(await faultsIn(played.storage), []);
      return played;
    }, 5000);
    assert.ok(isAll && played >= least, `${played}`);
  }
});

test("a note that is replaced is never damaged, even if the writer is killed at any time", async () => {
  const start = new MemoryStorage();
  await withNoteManifests(start, "id", undefined).put(file, Uint8Array.of(0));
  for (const fault of ["before", "after"] as const) {
    for (let number = 1;; number++) {
      const storage = new MemoryStorage();
      for (const [name, bytes] of start.objects) {
        storage.objects.set(name, bytes);
      }
      const dying = new FaultyStorage(storage, dieAt(number, fault));
      const error = await withNoteManifests(dying, "id", undefined)
        .put(file, Uint8Array.of(1)).then(() => undefined, (cause) => cause);
      assert.deepEqual(await faultsIn(storage), [], `${fault} ${number}`);
      // The next writer deletes the remaining manifests.
      await withNoteManifests(storage, "id", undefined)
        .put(file, Uint8Array.of(2));
      assert.equal(manifestsIn(storage).length, 1);
      if (error === undefined) break;
      assert.ok(isInjected(error), String(error));
    }
  }
});

test("prune() deletes the manifests of interrupted writers a day later", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    const label = [...storage.objects.keys()]
      .find((name) => name.startsWith("labels/"))!;
    storage.objects.delete(label);
    const before = manifestsIn(storage);
    const prune = async (text: string) => {
      writeFileSync(join(root, "file"), text);
      const { record: next } = await repository.snapshot(everything(root));
      await repository.forget(next);
      await repository.prune({}, { grace: 0 });
    };
    await prune("today");
    assert.deepEqual(manifestsIn(storage), before);
    await later(2 * DAY_SECONDS, () => prune("tomorrow"));
    assert.deepEqual(
      manifestsIn(storage),
      before.filter((name) => !name.includes(label)),
    );
    assert.deepEqual((await repository.verify()).damage, []);
    assert.equal((await repository.find(record.id)).label, undefined);
  });
});

test("keys and notes of an earlier version have no manifests, and are not damaged", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    for (const name of manifestsIn(storage)) storage.objects.delete(name);
    const names = [...storage.objects.keys()]
      .filter((name) => /^(?:keys|holders|labels)\//.test(name)).sort();
    const sealed = await verifySealed(storage, { data: true });
    assert.deepEqual(sealed.damage, []);
    assert.deepEqual(sealed.uncovered.sort(), names);
    assert.deepEqual((await repository.verify()).damage, []);
    await repository.label(record, "another label");
    await repository.keys!.rotate();
    const after = await verifySealed(storage, { data: true });
    assert.deepEqual(after.damage, []);
    assert.deepEqual(
      after.uncovered.sort(),
      names.filter((name) => !name.startsWith("keys/")),
    );
  });
});

test("a repository that is not encrypted has no manifests", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    writeFileSync(join(root, "file"), "content");
    const { record } = await repository.snapshot(everything(root));
    await repository.label(record, "a label");
    await repository.drill();
    await repository.forget(record);
    const names = [...storage.objects.keys()];
    assert.ok(!names.some((name) => name.startsWith("manifests/")));
    const [label] = names.filter((name) => name.startsWith("labels/"));
    const text = new TextDecoder().decode(storage.objects.get(label));
    assert.ok(!text.includes("signature"));
  });
});

test("repair() keeps a label whose manifest is damaged, and moves a replaced label away", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    await repository.label(record, "a better label");
    const manifest = manifestsIn(storage).findLast((name) =>
      name.startsWith("manifests/labels/")
    )!;
    const bytes = await collect(storage.get(manifest));
    storage.objects.set(manifest, bytes.slice(0, -9));
    const { setAside, mended } = await repository.repair();
    assert.deepEqual([setAside, mended], [[manifest], []]);
    assert.equal((await repository.find(record.id)).label, "a better label");
    assert.deepEqual((await repository.verify()).damage, []);
    const [first] = [...storage.objects.keys()]
      .filter((name) => name.startsWith("labels/"));
    storage.objects.set(first, Uint8Array.of(1));
    const { setAside: moved } = await repository.repair();
    assert.deepEqual(moved, [first.replace(/\.age$/, "")]);
    assert.deepEqual((await repository.verify()).damage, []);
    const { damage } = await verifySealed(storage, { data: true });
    assert.deepEqual(damage, []);
  });
});
