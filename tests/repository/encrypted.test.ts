import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { Repository } from "../../lib/repository/repository.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const encrypt = { name: "me", to: recipient };
const keys = [identity];

/**
 * Fills a directory with entries of each kind that is stored in its own way.
 */
function fill(root: string): void {
  fs.mkdirSync(join(root, "secret folder"), { recursive: true });
  fs.writeFileSync(join(root, "secret folder/small"), "a secret text");
  fs.writeFileSync(join(root, "large secret"), noise(5_000_000, 1));
  fs.writeFileSync(join(root, "lines"), "a secret line\n".repeat(3000));
  fs.symlinkSync("large secret", join(root, "secret link"));
  roundTimes(root);
}

function change(root: string): void {
  fs.appendFileSync(join(root, "large secret"), "more");
  fs.appendFileSync(join(root, "lines"), "more");
  fs.writeFileSync(join(root, "new secret"), "new");
  roundTimes(root);
}

test("an encrypted repository supports snapshot, delta, restore, undo, prune, verify and copy", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root);
    const cache = join(folder, "cache");
    const place = join(folder, "repository");
    await Repository.create(new LocalStorage(place), { encrypt });
    const open = () => Repository.open(new LocalStorage(place), { keys });
    const repository = await open();
    const first = await repository.snapshot(everything(root), { cache });
    const before = stateOf(root);
    change(root);
    const second = await repository
      .snapshot(everything(root), { cache, label: "secret label" });
    assert.ok(second.record.counts.stored < 100_000, "deltas are small");
    const now = stateOf(root);
    const target = join(folder, "target");
    await (await open()).restore(second.record, target);
    assert.deepEqual(stateOf(target), now);
    await repository.restore(first.record, target, { delete: true });
    assert.deepEqual(stateOf(target), before);
    await repository.revert(target);
    assert.deepEqual(stateOf(target), now);
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
    await repository.forget(first.record);
    await repository.prune({}, { grace: 0, patience: 0 });
    const { damage, leftOvers } = await repository.verify({ data: true });
    assert.deepEqual([damage, leftOvers], [[], []]);

    const plain = await Repository.create(new MemoryStorage());
    await repository.copyTo(plain, [second.record]);
    assert.deepEqual((await plain.verify({ data: true })).damage, []);
    const other = await Repository.create(new MemoryStorage(), { encrypt });
    await plain.copyTo(other, [second.record]);
    assert.deepEqual((await other.verify({ data: true })).damage, []);

    // No secret is in plain text, neither in names nor in bytes.
    const secrets = ["secret", "root", "label", "lines", folder]
      .map((text) => Buffer.from(text));
    for (
      const file of fs.readdirSync(place, {
        recursive: true,
        encoding: "utf8",
      })
    ) {
      const at = join(place, file);
      if (!fs.statSync(at).isFile()) continue;
      const bytes = Buffer.concat([Buffer.from(file), fs.readFileSync(at)]);
      for (const secret of secrets) {
        assert.ok(!bytes.includes(secret), `${secret} in ${file}`);
      }
      if (file !== "deltar.json" && !file.startsWith("manifests")) {
        assert.ok(file.endsWith(".age"), file);
        const head = bytes.subarray(file.length).toString("latin1");
        assert.ok(head.startsWith("age-encryption.org/v1\n"), file);
      }
    }
  });
});

test("Repository.open() distinguishes the kinds of wrong keys of an encrypted repository", async () => {
  const storage = new MemoryStorage();
  await Repository.create(storage, { encrypt });
  const refused = (options: Parameters<typeof Repository.open>[1]) =>
    assert.rejects(Repository.open(storage, options), (error: Error) => {
      assert.equal((error as { code?: string }).code, "key");
      return true;
    });
  await refused({});
  await refused({ keys: [] });
  await refused({ keys: [await generateX25519Identity()] });
  await refused({ keys: [{ passphrase: "wrong" }] });
  let asked = 0;
  await Repository.open(storage, {
    keys: () => {
      asked++;
      return Promise.resolve(keys);
    },
  });
  assert.equal(asked, 1);
  const file = storage.objects.get("keys/me.age")!;
  const damaged = file.slice();
  damaged[damaged.length - 1] ^= 1;
  storage.objects.set("keys/me.age", damaged);
  await assert.rejects(Repository.open(storage, { keys }), {
    code: "corrupt",
    object: "keys/me.age",
  });
  storage.objects.delete("keys/me.age");
  await assert.rejects(Repository.open(storage, { keys }), {
    code: "key",
    message: /all of its key files are missing/,
  });
});

test("keys are added, listed and removed, but not the last one", async () => {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, { encrypt });
  const all = repository.keys!;
  await all.add({ name: "paper", to: { passphrase: "correct horse" } });
  await assert.rejects(all.add({ name: "paper", to: recipient }), {
    code: "exists",
  });
  await assert.rejects(all.add({ name: "x", to: "age1nonsense" }), {
    code: "unsupported",
  });
  await assert.rejects(all.add({ name: "../x", to: recipient }), TypeError);
  assert.deepEqual(await all.list(), ["me", "paper"]);
  const passphrase = [{ passphrase: "correct horse" }];
  const opened = await Repository.open(storage, { keys: passphrase });
  assert.equal(opened.keys!.recipient(), all.recipient());
  await opened.keys!.remove("me");
  await assert.rejects(Repository.open(storage, { keys }), { code: "key" });
  await assert.rejects(opened.keys!.remove("me"), { code: "not-found" });
  await assert.rejects(opened.keys!.remove("paper"), { code: "unsafe" });
  // The identity of the repository opens its objects, and not its key files.
  assert.match(opened.keys!.identities()[0], /^AGE-SECRET-KEY-1/);
});

test("Repository.open() accepts a key that cannot be exported", async () => {
  const storage = new MemoryStorage();
  const pair = await crypto.subtle.generateKey({ name: "X25519" }, false, [
    "deriveBits",
  ]) as CryptoKeyPair;
  const to = await identityToRecipient(pair.privateKey);
  await Repository.create(storage, { encrypt: { name: "web", to } });
  const repository = await Repository.open(storage, {
    keys: [pair.privateKey],
  });
  assert.deepEqual(await repository.snapshots(), []);
});

test("an encrypted repository without settings is opened and repaired", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage, { encrypt });
    const { record } = await repository.snapshot(everything(root));
    storage.objects.delete("deltar.json");
    const opened = await Repository.open(storage, {
      keys,
      onDamage: () => {},
    });
    assert.deepEqual((await opened.snapshots()).map(({ id }) => id), [
      record.id,
    ]);
    await opened.repair();
    const again = await Repository.open(storage, { keys });
    assert.deepEqual((await again.verify({ data: true })).damage, []);
    await again.restore(record, join(folder, "target"));
    assert.deepEqual(stateOf(join(folder, "target")), stateOf(root));
  });
});

test("repair() moves every damaged object of an encrypted repository away", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fill(root);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage, { encrypt });
    const { record } = await repository.snapshot(everything(root));
    await repository.label(record, "a label");
    await repository.drill({ files: 1 });
    await repository.setMaxSize(1_000_000_000);
    change(root);
    await repository.snapshot(everything(root));
    fs.writeFileSync(join(root, "lines"), "other lines");
    const gone = await repository.snapshot(everything(root));
    await repository.forget(gone.record);
    const whole = new Map(storage.objects);
    const folders = [
      "labels/",
      "proofs/",
      "settings/",
      "removed/",
      "snapshots/",
    ];
    for (const folder of folders) {
      const name = [...whole.keys()].find((name) => name.startsWith(folder))!;
      storage.objects.clear();
      for (const [other, bytes] of whole) storage.objects.set(other, bytes);
      const damaged = whole.get(name)!.slice();
      damaged[1000] ^= 1;
      storage.objects.set(name, damaged);
      const { setAside } = await repository.repair();
      assert.deepEqual(setAside, [name.replace(/\.age$/, "")]);
      assert.equal(storage.objects.has(name), false, name);
      assert.deepEqual(storage.objects.get(`damaged/${name}`), damaged, name);
      const { damage } = await repository.verify({ data: true });
      assert.deepEqual(damage, [], name);
    }
  });
});

test("prune() does not repack a volume if this would free only padding", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage, { encrypt });
    const write = (name: string, content: Uint8Array) =>
      fs.writeFileSync(join(root, name), content);
    // Later snapshots need only the last frame of each volume.
    const lives = async (large: (seed: number) => Uint8Array) => {
      write("large", large(1));
      write("small", noise(1200, large(3)[0]));
      const { record } = await repository.snapshot(everything(root));
      write("large", large(2));
      await repository.snapshot(everything(root));
      await repository.forget(record);
      const options = { grace: 0, patience: 1 };
      const { repacked } = await repository.prune({}, options);
      const again = await repository.prune({}, options);
      return [repacked, again.repacked];
    };
    const compressed = (seed: number) => new Uint8Array(3_000_000).fill(seed);
    assert.deepEqual(await lives(compressed), [0, 0]);
    assert.deepEqual(await lives((seed) => noise(2_000_000, seed)), [1, 0]);
  });
});

test("reading one file of an encrypted repository takes at most three more requests", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    for (let n = 0; n < 40; n++) {
      fs.writeFileSync(join(root, `file ${n}`), noise(100_000, n));
    }
    const key = await readPrivateKey(await makeKeyPair(""));
    const machine = { id: "m", key };
    /**
     * The numbers of requests of a new reader, and then of the same reader
     * again.
     */
    const counts: number[][] = [];
    for (const isEncrypted of [false, true]) {
      const storage = new MemoryStorage();
      const repository = await Repository.create(storage, {
        machine,
        ...isEncrypted && { encrypt },
      });
      await repository.snapshot(everything(root));
      let requests = 0;
      const counted = new Proxy(storage, {
        get(target, name) {
          const value = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          return (...some: unknown[]) => {
            requests++;
            return value.apply(target, some);
          };
        },
      });
      const read = async (from: Repository, path: string) => {
        const stream = await from.readFile(await from.find("latest"), path);
        await new Response(stream).bytes();
        return requests;
      };
      const reader = await Repository.open(counted, { keys, machine });
      const first = await read(reader, "file 31");
      counts.push([first, await read(reader, "file 32") - first]);
    }
    const [plain, encrypted] = counts;
    assert.ok(encrypted[0] <= plain[0] + 3, `${counts}`);
    assert.ok(encrypted[1] <= plain[1] + 1, `${counts}`);
  });
});
