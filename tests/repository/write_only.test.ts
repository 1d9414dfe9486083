import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { decrypt } from "../../lib/age/mod.ts";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { Machine } from "../../lib/repository/store/store.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

const admin = await generateX25519Identity();
const encrypt = { name: "admin", to: await identityToRecipient(admin) };
const machineKey = await generateX25519Identity();
const recipient = await identityToRecipient(machineKey);

async function machineOf(id: string): Promise<Machine> {
  return { id, host: id, key: await readPrivateKey(await makeKeyPair("")) };
}

/**
 * Makes a repository with a full key for machine A and a write-only key for B.
 */
async function make(): Promise<{
  storage: MemoryStorage;
  full: () => Promise<Repository>;
  writer: (id?: string) => Promise<Repository>;
}> {
  const storage = new MemoryStorage();
  const a = await machineOf("machine-a");
  const b = await machineOf("machine-b");
  await Repository.create(storage, { encrypt, machine: a });
  const full = () => Repository.open(storage, { keys: [admin], machine: a });
  const { keys } = await full();
  await keys!.add({
    name: "b",
    to: recipient,
    kind: "write-only",
    signer: { publicKey: b.key!.publicKey, machine: { id: b.id } },
  });
  const writer = (id = b.id) =>
    Repository.open(storage, { keys: [machineKey], machine: { ...b, id } });
  return { storage, full, writer };
}

/** Changes some bytes of a file in many places. */
function scatter(file: string, seed: number): void {
  const bytes = fs.readFileSync(file);
  for (let at = seed * 1000; at < bytes.length; at += 400_000) {
    bytes[at] ^= 255;
  }
  fs.writeFileSync(file, bytes);
}

test("a write-only machine takes snapshots that a full key restores", async () => {
  await withTemp(async (folder) => {
    const { storage, full, writer } = await make();
    const cache = join(folder, "cache");
    const root = join(folder, "root");
    fs.mkdirSync(join(root, "folder"), { recursive: true });
    const large = join(root, "large");
    fs.writeFileSync(large, noise(8_000_000, 1));
    fs.writeFileSync(join(root, "folder/small"), noise(50_000, 2));
    const states = new Map<string, unknown>();
    for (let n = 0; n < 12; n++) {
      const isMoved = n === 5 || n === 6;
      if (n > 0 && !isMoved) scatter(large, n);
      if (n % 3 === 1) fs.appendFileSync(join(root, "folder/small"), "more");
      if (n === 5) fs.renameSync(large, join(root, "moved"));
      if (n === 6) fs.renameSync(join(root, "moved"), large);
      roundTimes(root);
      const { record, isNew } = await (await writer())
        .snapshot(everything(root), { cache });
      assert.equal(isNew, true);
      states.set(record.id, stateOf(root));
      // At the maximum number of deltas, the file is stored whole.
      const isWhole = n === 0 || n === 11;
      if (!isWhole) assert.ok(record.counts.stored < 1_000_000, `${n}`);
      if (n === 3) {
        const again = await (await writer())
          .snapshot(everything(root), { cache });
        assert.equal(again.isNew, false);
      }
    }
    const repository = await full();
    const records = await repository.snapshots();
    assert.equal(records.length, 12);
    for (const record of records) {
      assert.equal(await repository.trustOf(record), "trusted");
      const target = join(folder, record.id);
      await repository.restore(record, target);
      assert.deepEqual(stateOf(target), states.get(record.id));
      fs.rmSync(target, { recursive: true });
    }
    assert.deepEqual((await repository.verify({ data: true })).damage, []);
    // After a prune that repacks volumes, the machine still stores deltas.
    await repository.prune({ last: 1 }, { grace: 0, repackBelow: 1 });
    scatter(large, 20);
    roundTimes(root);
    const { record } = await (await writer())
      .snapshot(everything(root), { cache });
    assert.ok(record.counts.stored < 1_000_000);
    // Without its cache, it stores large files whole.
    fs.rmSync(cache, { recursive: true });
    scatter(large, 21);
    roundTimes(root);
    const lost = await (await writer()).snapshot(everything(root), { cache });
    assert.ok(lost.record.counts.stored > 7_000_000);
    const target = join(folder, "last");
    await (await full()).restore(lost.record, target);
    assert.deepEqual(stateOf(target), stateOf(root));
    assert.deepEqual((await (await full()).verify({ data: true })).damage, []);
    assert.ok(storage.objects.size > 10);
  });
});

test("the deltas of a write-only machine are as small as those of a full key", async () => {
  await withTemp(async (folder) => {
    const sizes: number[] = [];
    for (const kind of ["full", "writer"] as const) {
      const repositories = await make();
      const root = join(folder, kind);
      fs.mkdirSync(root);
      const file = join(root, "large");
      fs.writeFileSync(file, noise(20_000_000, 3));
      const cache = join(folder, `cache ${kind}`);
      let stored = 0;
      for (let n = 0; n < 6; n++) {
        scatter(file, n + 1);
        roundTimes(root);
        const repository = await repositories[kind]();
        const { record } = await repository
          .snapshot(everything(root), { cache });
        if (n > 0) stored += record.counts.stored;
      }
      sizes.push(stored);
    }
    const [whole, own] = sizes;
    assert.ok(own <= 1.05 * whole, `${own} bytes, ${whole} with a full key`);
  });
});

test("the key of a stolen write-only machine decrypts no content, and no name of other machines", async () => {
  await withTemp(async (folder) => {
    const { storage, full, writer } = await make();
    const cache = join(folder, "cache");
    const roots = ["theirs", "ours"].map((name) => join(folder, name));
    for (const root of roots) fs.mkdirSync(root);
    for (let n = 0; n < 10; n++) {
      for (const [at, root] of roots.entries()) {
        const name = at === 0 ? `secret name ${n}` : `own name ${n}`;
        fs.writeFileSync(join(root, name), `secret content ${n}`.repeat(9));
        fs.writeFileSync(join(root, "large"), noise(1_500_000, n + 20 * at));
        const repository = await (at === 0 ? full() : writer());
        await repository.snapshot(everything(root), {
          cache: at === 0 ? undefined : cache,
          label: at === 0 ? "secret label" : "own label",
        });
      }
    }
    let opened = 0;
    for (const [name, bytes] of storage.objects) {
      if (!name.endsWith(".age") || name.startsWith("keys/")) continue;
      let plain: Uint8Array;
      try {
        plain = await collect(decrypt(bytes, [machineKey], name));
      } catch {
        continue;
      }
      opened++;
      assert.doesNotMatch(name, /^volumes/);
      const text = Buffer.from(plain).toString("latin1");
      assert.ok(!text.includes("secret"), name);
      assert.ok(!text.includes("theirs"), name);
    }
    assert.ok(opened >= 20, "its own trees and records");
    const repository = await writer();
    const records = await repository.snapshots();
    assert.equal(records.length, 10);
    for (const { directory } of records) assert.equal(directory, roots[1]);
    const { id } = await repository.find("latest", { directory: roots[1] });
    assert.equal(id, records.at(-1)!.id);
    const [theirs] = (await (await full()).snapshots())
      .filter(({ directory }) => directory === roots[0]);
    await assert.rejects(repository.readRecord(theirs.id), { code: "key" });
    await assert.rejects(
      repository.readFile(records[9], "large")
        .then((stream) => new Response(stream).bytes()),
      { code: "key" },
    );
    for (
      const refused of [
        () => repository.prune({ last: 1 }),
        () => repository.purge(["file"]),
        () => repository.forget(records[0]),
        () => repository.restore(records[0], join(folder, "target")),
        () => repository.export(records[0]),
        () => repository.verify(),
        () => repository.repair(),
        () => repository.fit(1),
        () => repository.keys!.remove("admin"),
      ]
    ) await assert.rejects(refused(), { code: "key" });
    assert.equal((await (await full()).snapshots()).length, 20);
    // The cache has nothing of other machines, and no content.
    for (const file of fs.readdirSync(cache)) {
      const text = fs.readFileSync(join(cache, file)).toString("latin1");
      assert.doesNotMatch(text, /secret|theirs/, file);
    }
  });
});

test("a forged snapshot is never the latest one, nor a parent", async () => {
  await withTemp(async (folder) => {
    const { storage, full, writer } = await make();
    const root = join(folder, "root");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "file"), "good");
    const good = await (await full()).snapshot(everything(root));
    // The thief of the write-only key forges a snapshot of machine A: with the
    // stolen key, without a signature, and with another key.
    const key = await readPrivateKey(await makeKeyPair(""));
    for (
      const machine of [
        { id: "machine-a", key },
        { id: "machine-a" },
      ]
    ) {
      fs.writeFileSync(join(root, "file"), `bad ${JSON.stringify(machine)}`);
      const forger = await Repository.open(storage, {
        keys: [machineKey],
        machine,
      });
      const forged = await forger.snapshot(everything(root));
      assert.equal(forged.isNew, true);
      const repository = await full();
      const options = { directory: root };
      assert.equal(
        (await repository.find("latest", options)).id,
        good.record.id,
      );
      const untrusted = await repository.find(forged.record.id);
      assert.match(await repository.trustOf(untrusted), /unknown|unsigned/);
    }
    fs.writeFileSync(join(root, "file"), "good again");
    const next = await (await full()).snapshot(everything(root));
    assert.equal(next.record.parent, good.record.id);
    // A revoked machine is not trusted any more.
    fs.writeFileSync(join(root, "file"), "b");
    const own = await (await writer()).snapshot(everything(root));
    const repository = await full();
    assert.equal(await repository.trustOf(own.record), "trusted");
    await repository.keys!.remove("b");
    assert.equal(await (await full()).trustOf(own.record), "revoked");
    await assert.rejects(writer(), { code: "key" });
  });
});

/** Returns a storage that stores no trees, so that no snapshot is finished. */
function withoutTrees(storage: MemoryStorage): MemoryStorage {
  return new Proxy(storage, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...some: unknown[]) =>
        name === "put" && String(some[0]).startsWith("trees/")
          ? Promise.reject(new Error("killed"))
          : value.apply(target, some);
    },
  });
}

test("a snapshot takes over its own interrupted work, but no forged work", async () => {
  await withTemp(async (folder) => {
    const { storage } = await make();
    const root = join(folder, "root");
    const fill = (seed: number) => {
      fs.mkdirSync(root);
      for (let n = 0; n < 10; n++) {
        fs.writeFileSync(join(root, `${n}`), noise(400_000, seed + n));
      }
    };
    const options = { volumeSize: 1_000_000 };
    /** Takes a snapshot that is interrupted before its tree is stored. */
    const interrupt = async (keys: string[], machine: Machine) => {
      const stopped = withoutTrees(storage);
      const repository = await Repository.open(stopped, { keys, machine });
      const taken = repository.snapshot(everything(root), options);
      await assert.rejects(taken, { message: "killed" });
      const names = [...storage.objects.keys()];
      assert.ok(names.some((name) => name.startsWith("checkpoints/")));
    };
    const size = async (machine: Machine) => {
      const repository = await Repository
        .open(storage, { keys: [admin], machine });
      const taken = await repository.snapshot(everything(root), options);
      return taken.record.counts.stored;
    };
    const own = await machineOf("machine-a");
    fill(0);
    await interrupt([admin], own);
    assert.ok(await size(own) < 100_000, "what it stored is taken over");
    fs.renameSync(root, join(folder, "former"));
    fill(10);
    await interrupt([machineKey], await machineOf("machine-a"));
    assert.ok(await size(own) > 3_900_000, "nothing of a forger is taken over");
  });
});

test("the signature of a write-only machine is trusted only on its own snapshots", async () => {
  await withTemp(async (folder) => {
    const { full, writer } = await make();
    const [root, other] = ["root", "other"].map((name) => join(folder, name));
    for (const at of [root, other]) {
      fs.mkdirSync(at);
      fs.writeFileSync(join(at, "file"), at);
    }
    const { record: first } = await (await full()).snapshot(everything(root));
    // The thief takes a snapshot that names machine A.
    const { record: forged } = await (await writer("machine-a"))
      .snapshot(everything(other), { source: root });
    const repository = await full();
    assert.equal(await repository.trustOf(forged), "unknown");
    const latest = await repository.find("latest", { directory: root });
    assert.equal(latest.id, first.id);
    fs.writeFileSync(join(root, "new"), "");
    const { record } = await repository.snapshot(everything(root));
    assert.equal(record.parent, first.id);
    const { untrusted } = await (await full()).verify();
    assert.deepEqual(untrusted.map(({ id }) => id), [forged.id]);
  });
});

test("no other machine takes over contents of a write-only machine, which may be forged", async () => {
  await withTemp(async (folder) => {
    const { storage, full, writer } = await make();
    const [root, other] = ["root", "other"].map((name) => join(folder, name));
    for (const at of [root, other]) {
      fs.mkdirSync(at);
      fs.writeFileSync(join(at, "file"), noise(50_000, 1));
    }
    await (await writer()).snapshot(everything(other));
    for (const name of storage.objects.keys()) {
      if (name.startsWith("volumes/")) storage.objects.delete(name);
    }
    const { record } = await (await full()).snapshot(everything(root));
    const target = join(folder, "target");
    const { failed } = await (await full()).restore(record, target);
    assert.deepEqual(failed, []);
  });
});

test("a signer becomes write-only, or not, together with its key", async () => {
  const { full } = await make();
  const { signers } = (await full()).keys!;
  const [signer] = await signers.list();
  const { publicKey, machine } = signer;
  assert.equal(signer.writeOnly, true);
  assert.equal(await signers.maySignFor(publicKey, machine.id), true);
  for (const id of ["machine-a", undefined]) {
    assert.equal(await signers.maySignFor(publicKey, id), false);
  }
  await signers.add({ publicKey, machine });
  assert.equal(await signers.maySignFor(publicKey, "machine-a"), true);
  await signers.add({ publicKey, machine, writeOnly: true });
  assert.equal(await signers.maySignFor(publicKey, "machine-a"), false);
  const [again] = await signers.list();
  assert.equal(again.added, signer.added);
  assert.equal(await signers.maySignFor("ssh-ed25519 AAAA", "x"), false);
});
