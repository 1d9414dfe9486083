import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { chunks, collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { mirror } from "../../lib/repository/mirror.ts";
import {
  ManifestWriter,
  readLists,
} from "../../lib/repository/runs/manifest.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes } from "../support/trees.ts";
import { everything } from "./helpers.ts";

const identity = await generateX25519Identity();
const encrypt = { name: "me", to: await identityToRecipient(identity) };
const keys = [identity];
const key = await readPrivateKey(await makeKeyPair(""));
const machine = { id: "m1", host: "one", key };

/**
 * Makes an encrypted repository with deltas, a moved volume, a removed snapshot
 * and one that was brought back.
 */
async function make(
  folder: string,
): Promise<{ storage: MemoryStorage; signers: string[] }> {
  const storage = new MemoryStorage();
  await Repository.create(storage, { encrypt, machine });
  const repository = await Repository.open(storage, { keys, machine });
  const root = join(folder, "root");
  fs.mkdirSync(root);
  for (let n = 0; n < 6; n++) {
    for (let file = n; file < 6; file++) {
      const path = join(root, `file ${file}`);
      fs.writeFileSync(path, noise(400_000, 10 * n + file));
    }
    if (n === 0) fs.writeFileSync(join(root, "large"), noise(1_500_000, 99));
    else fs.appendFileSync(join(root, "large"), `more ${n}`);
    roundTimes(root);
    await repository.snapshot(everything(root));
  }
  const [first, second, third] = await repository.snapshots();
  await repository.forget(third);
  await repository.undelete(third.id);
  await repository.forget(first);
  await repository.forget(second);
  await repository.prune({}, { grace: 0, repackBelow: 0.99 });
  const admin = repository.keys!.adminPublicKey;
  return { storage, signers: [key.publicKey, admin] };
}

test("verifySealed() finds no fault in an intact repository, without a key", async () => {
  await withTemp(async (folder) => {
    const { storage, signers } = await make(folder);
    assert.ok([...storage.objects.keys()].some((n) => n.startsWith("moves/")));
    const result = await verifySealed(storage, { data: true, signers });
    assert.deepEqual(result.damage, []);
    assert.deepEqual(result.unlisted, []);
    assert.ok(result.objects > 10);
    assert.deepEqual(result.uncovered, []);
    assert.deepEqual(Object.keys(result.manifests), signers);
    // Objects that were removed before are no longer listed.
    const manifests = [...storage.objects.keys()]
      .filter((name) => /^manifests\/[^/]+$/.test(name));
    assert.ok(manifests.length <= 9, manifests.join());
  });
});

test("verifySealed() names each object that was changed, truncated, swapped or lost", async () => {
  await withTemp(async (folder) => {
    const { storage, signers } = await make(folder);
    const check = async () =>
      await verifySealed(storage, { data: true, signers });
    const listed = [...storage.objects.keys()];
    for (const [at, name] of listed.entries()) {
      const bytes = await collect(storage.get(name));
      const harm = async (harmed: Uint8Array | undefined) => {
        if (harmed === undefined) storage.objects.delete(name);
        else storage.objects.set(name, harmed);
        const { damage, unlisted, uncovered } = await check();
        storage.objects.set(name, bytes);
        const found = damage.map(({ object }) => object);
        return harmed === undefined
          ? [...found, ...unlisted, ...uncovered]
          : found;
      };
      const isManifest = name.startsWith("manifests/");
      const isClear = isManifest || name === "deltar.json";
      const step = isClear && process.env.SLOW
        ? 29
        : Math.ceil(bytes.length / 5);
      for (let byte = at % step; byte < bytes.length; byte += step) {
        const changed = bytes.slice();
        changed[byte] ^= 1;
        assert.ok((await harm(changed)).includes(name), `${name} at ${byte}`);
      }
      assert.ok((await harm(bytes.slice(0, -1))).includes(name), name);
      const other = listed[(at + 1) % listed.length];
      const swapped = await collect(storage.get(other));
      assert.ok((await harm(swapped)).includes(name), `${other} as ${name}`);
      // The loss of a manifest is visible from the objects that it lists. Keys
      // and notes may be deleted.
      const isListed = isManifest ||
        /^(?:snapshots|trees|volumes|signatures|moves)\//.test(name);
      if (!isListed) continue;
      const lost = await harm(undefined);
      assert.ok(isManifest ? lost.length > 0 : lost.includes(name), name);
    }
  });
});

test("verifySealed() trusts only the given signers", async () => {
  await withTemp(async (folder) => {
    const { storage } = await make(folder);
    const other = (await readPrivateKey(await makeKeyPair(""))).publicKey;
    const { damage } = await verifySealed(storage, { signers: [other] });
    assert.ok(damage.length > 0);
    for (const { message } of damage) {
      assert.match(message, /not trusted|missing|no trusted manifest/);
    }
    const open = new MemoryStorage();
    await Repository.create(open);
    await assert.rejects(verifySealed(open), { code: "unsupported" });
    await assert.rejects(verifySealed(new MemoryStorage()), {
      code: "not-found",
    });
  });
});

test("the objects of an interrupted snapshot are listed or unlisted, but never reported as damaged", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    for (let file = 0; file < 8; file++) {
      fs.writeFileSync(join(root, `${file}`), noise(100_000, file));
    }
    for (let stop = 0;; stop++) {
      const storage = new MemoryStorage();
      await Repository.create(storage, { encrypt, machine });
      let left = stop;
      const failing = new Proxy(storage, {
        get(target, name) {
          const value = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          if (name !== "put" && name !== "delete") return value.bind(target);
          return (...some: unknown[]) => {
            if (left-- <= 0) return Promise.reject(new Error("killed"));
            return value.apply(target, some);
          };
        },
      });
      const dying = await Repository.open(failing, { keys, machine });
      const error = await dying.snapshot(everything(root), {
        volumeSize: 200_000,
      }).then(() => undefined, (cause) => cause);
      assert.deepEqual(
        (await verifySealed(storage, { data: true })).damage,
        [],
      );
      const repository = await Repository.open(storage, { keys, machine });
      await repository.snapshot(everything(root), { volumeSize: 200_000 });
      const { damage } = await verifySealed(storage, { data: true });
      assert.deepEqual(damage, []);
      if (error === undefined && left > 0) break;
    }
  });
});

test("mirror() copies a repository without a key, and no damaged object", async () => {
  await withTemp(async (folder) => {
    const { storage, signers } = await make(folder);
    const copy = new MemoryStorage();
    const whole = await mirror(storage, copy, { signers });
    assert.deepEqual(whole.damage, []);
    assert.deepEqual(copy.objects, storage.objects);
    const repository = await Repository.open(copy, { keys });
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
    // Only new objects are copied again.
    const again = await mirror(storage, copy, { signers });
    assert.equal(again.objects, 0);
    const volume = [...storage.objects.keys()]
      .find((name) => name.startsWith("volumes/"))!;
    const changed = storage.objects.get(volume)!.slice();
    changed[changed.length >> 1] ^= 1;
    storage.objects.set(volume, changed);
    const forged = "snapshots/20990101T000000Z-000000.json.age";
    storage.objects.set(forged, changed);
    const other = new MemoryStorage();
    const { damage, unlisted } = await mirror(storage, other, { signers });
    assert.deepEqual(damage.map(({ object }) => object), [volume]);
    assert.deepEqual(unlisted, [forged]);
    assert.equal(other.objects.has(volume), false);
    assert.equal(other.objects.has(forged), false);
    await assert.rejects(
      mirror((await make(join(folder, "root"))).storage, other),
      {
        code: "mismatch",
      },
    );
  });
});

test("mirror() beside a prune of the source copies repacked volumes", async () => {
  for (const at of ["while volumes are listed", "before a volume is read"]) {
    for (const isEncrypted of [false, true]) {
      await withTemp(async (folder) => {
        const storage = new MemoryStorage();
        const options = isEncrypted ? { encrypt, machine } : {};
        await Repository.create(storage, options);
        const open = (of: Storage) =>
          Repository.open(of, isEncrypted ? { keys, machine } : {});
        const repository = await open(storage);
        const root = join(folder, "root");
        fs.mkdirSync(root);
        for (let file = 0; file < 6; file++) {
          fs.writeFileSync(join(root, `${file}`), noise(400_000, file));
        }
        roundTimes(root);
        const { record } = await repository.snapshot(everything(root));
        for (let file = 0; file < 5; file++) fs.rmSync(join(root, `${file}`));
        roundTimes(root);
        await repository.snapshot(everything(root));
        await repository.forget(record);
        let repacked = 0;
        const prune = async () => {
          if (repacked > 0) return;
          ({ repacked } = await repository.prune({}, { grace: 0 }));
        };
        const slow: Storage = {
          location: storage.location,
          async *get(name, options) {
            if (at.startsWith("before") && name.startsWith("volumes/")) {
              await prune();
            }
            yield* chunks(storage.get(name, options));
          },
          async *list(prefix) {
            const isWhole = prefix === undefined;
            // Listed in the order of the names.
            for (const end of isWhole ? ["", "volumes/"] : []) {
              if (end !== "" && at.startsWith("while")) await prune();
              for await (const object of storage.list(end)) {
                if (object.name.startsWith("volumes/") === (end !== "")) {
                  yield object;
                }
              }
            }
            if (!isWhole) yield* storage.list(prefix);
          },
          put: () => Promise.reject(new Error("a mirror writes to its source")),
          delete: () => Promise.reject(new Error("a mirror deletes")),
        };
        const copy = new MemoryStorage();
        const { damage } = await mirror(slow, copy);
        assert.deepEqual(damage, []);
        assert.equal(repacked, 1, at);
        const found = await (await open(copy)).verify({ data: true });
        assert.deepEqual(found.damage, [], at);
        assert.equal(found.snapshots, 1);
      });
    }
  }
});

test("mirror() of a source that loses objects all the time fails", async () => {
  await withTemp(async (folder) => {
    const { storage, signers } = await make(folder);
    let count = 0;
    const restless: Storage = {
      location: storage.location,
      get: (name, options) => storage.get(name, options),
      put: (name, source, options) => storage.put(name, source, options),
      delete: (name) => storage.delete(name),
      async *list(prefix) {
        yield* storage.list(prefix);
        const volume = `volumes/20260101T000000Z-${
          100000 + ++count
        }.vol0.tar.zst`;
        if (prefix === undefined) yield { name: volume, size: 1000 };
      },
    };
    const copy = new MemoryStorage();
    await assert.rejects(mirror(restless, copy), { code: "conflict" });
    const names = [...copy.objects.keys()];
    assert.deepEqual(names.filter((name) => name.startsWith("snapshots/")), []);
    await mirror(storage, copy, { signers });
    assert.deepEqual(copy.objects, storage.objects);
  });
});

test("mirror() keeps each key file that it replaces", async () => {
  await withTemp(async (folder) => {
    const { storage } = await make(folder);
    const copy = new MemoryStorage();
    await mirror(storage, copy);
    const kept = () =>
      [...copy.objects.keys()].filter((name) => name.startsWith("replaced/"));
    const [name] = [...storage.objects.keys()]
      .filter((name) => name.startsWith("keys/"));
    const good = storage.objects.get(name)!;
    // A truncated file does not replace it.
    for (const length of [0, 30, 150, 190]) {
      storage.objects.set(name, good.subarray(0, length));
      const { damage } = await mirror(storage, copy);
      assert.deepEqual(damage.map(({ object }) => object), [name]);
      assert.deepEqual(copy.objects.get(name), good);
    }
    // Without a manifest, as in earlier versions, a changed byte cannot be
    // distinguished from a new key file.
    for (const one of [storage, copy]) {
      for (const other of [...one.objects.keys()]) {
        if (other.startsWith("manifests/keys")) one.objects.delete(other);
      }
    }
    const changed = good.slice();
    changed[changed.length - 1] ^= 1;
    storage.objects.set(name, changed);
    assert.deepEqual((await mirror(storage, copy)).damage, []);
    assert.deepEqual(copy.objects.get(name), changed);
    assert.deepEqual((await mirror(storage, copy)).objects, 0);
    const last = kept().find((one) => one.startsWith(`replaced/${name}.`))!;
    assert.deepEqual(copy.objects.get(last), good);
    copy.objects.set(name, copy.objects.get(last)!);
    const repository = await Repository.open(copy, { keys });
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
    // A mirror of the mirror does not have the replaced files.
    const third = new MemoryStorage();
    await mirror(copy, third);
    assert.ok(![...third.objects.keys()].includes(last));
  });
});

test("mirror() keeps a good key file if that of the source is damaged", async () => {
  await withTemp(async (folder) => {
    const { storage, signers } = await make(folder);
    const copy = new MemoryStorage();
    await mirror(storage, copy, { signers });
    const before = await collect(copy.get("keys/me.age"));
    for (const changed of [before.slice(0, -1), before.toReversed()]) {
      storage.objects.set("keys/me.age", changed);
      const { damage } = await mirror(storage, copy, { signers });
      const damaged = damage.map(({ object }) => object);
      assert.deepEqual(damaged, ["keys/me.age"]);
      assert.deepEqual(copy.objects.get("keys/me.age"), before);
    }
  });
});

test("mirror() that is stopped at any object is continued by the next call", async () => {
  await withTemp(async (folder) => {
    const { storage } = await make(folder);
    const copy = new MemoryStorage();
    for (let left = 1;; left = 1) {
      const stop = new AbortController();
      const result = await mirror(storage, copy, {
        onProgress: () => left-- === 0 && stop.abort(),
        signal: stop.signal,
      }).then((found) => found, () => undefined);
      if (copy.objects.has("keys/me.age")) {
        const part = await Repository.open(copy, { keys });
        for (const record of await part.snapshots()) await part.tree(record);
      }
      if (result !== undefined) break;
    }
    assert.deepEqual(copy.objects, storage.objects);
  });
});

test("prune() does not trust a manifest of somebody else", async () => {
  await withTemp(async (folder) => {
    const { storage, signers } = await make(folder);
    const repository = await Repository.open(storage, { keys, machine });
    const root = join(folder, "root");
    const [, , victim] = await repository.snapshots();
    // The storage deletes a record, and claims that this was intended.
    const name = `snapshots/${victim.id}.json.age`;
    storage.objects.delete(name);
    const id = new ManifestWriter(storage, repository.id, undefined);
    await id.removing([name.replace(/\.age$/, "")]);
    fs.writeFileSync(join(root, "new"), "new");
    const { record } = await repository.snapshot(everything(root));
    await repository.forget(record);
    await repository.prune({}, { grace: 0 });
    const { damage } = await verifySealed(storage, { signers });
    const found = damage.map(({ object }) => object);
    assert.ok(found.includes(name), found.join());
    assert.ok(damage.some(({ message }) => /not signed/.test(message)));
  });
});

test("the id of a machine is checked before anything is stored", async () => {
  const storage = new MemoryStorage();
  const wrong = { machine: { id: "a b" } };
  await assert.rejects(Repository.create(storage, wrong), TypeError);
  await Repository.create(storage);
  await assert.rejects(Repository.open(storage, wrong), TypeError);
});

test("verifySealed() names a lost record of a snapshot that was removed and brought back", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage, { encrypt, machine });
    const names: string[] = [];
    for (let n = 0; n < 3; n++) {
      fs.writeFileSync(join(root, "file"), `content ${n}`);
      const { record } = await repository.snapshot(everything(root));
      await repository.forget(record);
      names.push(`snapshots/${record.id}.json`);
    }
    // A prune merges the manifests of removed records into one.
    const merged = new ManifestWriter(storage, repository.id, key);
    await merged.removing(names);
    const signers = [key.publicKey, repository.keys!.adminPublicKey];
    const check = async () =>
      (await verifySealed(storage, { data: true, signers })).damage
        .map(({ object }) => object);
    assert.deepEqual(await check(), []);

    for (const { id } of (await repository.removed()).slice(1)) {
      await repository.undelete(id);
    }
    assert.deepEqual(await check(), []);
    const lost = names.slice(1).map((name) => `${name}.age`).sort();
    for (const name of lost) storage.objects.delete(name);
    assert.deepEqual((await check()).sort(), lost);
  });
});

test("a prune lists an object that exists again as removed no longer", async () => {
  const storage = new MemoryStorage();
  const writer = new ManifestWriter(storage, "id", undefined);
  const names = ["a", "b", "c"]
    .map((end) => `snapshots/20260101T000000Z-00000${end}.json`);
  const sha256 = "0".repeat(64);
  const objects = names
    .map((name) => ({ name: `${name}.age`, size: 1, sha256 }));
  await writer.put({ objects, removed: [] });
  await writer.removing(names.slice(1));
  for (const { name } of objects.slice(0, 2)) {
    await storage.put(name, new Uint8Array(1));
  }
  await writer.tidy(() => Promise.resolve(true));
  const fail = (name: string) => assert.fail(name);
  const { removed } = await readLists(storage, () => undefined, fail);
  assert.deepEqual([...removed], [objects[2].name]);
});
