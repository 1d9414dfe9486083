import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { encodeRecord } from "../../lib/repository/format/snapshot_record.ts";
import { signListing } from "../../lib/repository/format/signed_listing.ts";
import { encodeSettings } from "../../lib/repository/format/settings.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { Machine } from "../../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const mine = await newIdentity();
const to = await recipientOf(mine);

async function machineOf(id: string): Promise<Machine> {
  return { id, host: id, key: await readPrivateKey(await makeKeyPair("")) };
}

/** A storage that counts its operations. */
class CountingStorage extends MemoryStorage {
  readonly counts = new Map<string, number>();
  #count(what: string, name = ""): void {
    const key = `${what} ${name.split("/")[0]}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
  override get(...some: Parameters<MemoryStorage["get"]>) {
    this.#count("get", some[0]);
    return super.get(...some);
  }
  override list(...some: Parameters<MemoryStorage["list"]>) {
    this.#count("list", some[0]);
    return super.list(...some);
  }
}

/** Makes an encrypted repository that two machines with a full key use. */
async function make() {
  const storage = new CountingStorage();
  await Repository.create(storage, { encrypt: { name: "main", to } });
  const [a, b] = [await machineOf("a"), await machineOf("b")];
  const open = (machine?: Machine) =>
    Repository.open(storage, { keys: [mine], machine });
  return { storage, a, b, open };
}

/** Writes a file and takes a snapshot. */
async function take(
  repository: Repository,
  root: string,
  content: string,
): Promise<string> {
  fs.mkdirSync(root, { recursive: true });
  fs.writeFileSync(join(root, "file"), content);
  return (await repository.snapshot(everything(root))).record.id;
}

test("deleting the signers does not make a forged snapshot trusted", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const { storage, a, b, open } = await make();
    const good = await take(await open(a), root, "good");
    await take(await open(b), join(folder, "other"), "of b");
    const { record } = await (await open(a)).readRecord(good);
    const { keys } = await open();
    // Somebody who knows the recipient forges later snapshots, one without a
    // signature and one with their own key, and deletes the signers and
    // holders.
    const stranger = (await machineOf("a")).key!;
    for (const [at, key] of [undefined, stranger].entries()) {
      const id = `2099010${at + 1}T000000Z-000000`;
      const bytes = encodeRecord({ ...record, id, label: "forged" });
      const signed = key === undefined ? bytes : await signListing(bytes, key);
      await storage.put(
        `snapshots/${id}.json.age`,
        encrypt([signed], [keys!.recipient()]),
      );
    }
    for (const name of [...storage.objects.keys()]) {
      if (/^(?:signers|holders)\//.test(name)) storage.objects.delete(name);
    }
    for (const machine of [a, undefined]) {
      const reader = await open(machine);
      const trusts = await Promise.all(
        (await reader.snapshots()).map((one) => reader.trustOf(one)),
      );
      const own = machine === undefined ? "unknown" : "trusted";
      assert.deepEqual(
        trusts.sort(),
        [
          own,
          "unknown",
          "unknown",
          "unsigned",
        ].sort(),
      );
    }
    const found = await (await open(a)).find("latest", { directory: root });
    assert.equal(found.id, good);
    await assert.rejects((await open()).find("latest"), {
      code: "not-found",
      message: /none of the 4 snapshots is signed by a trusted machine/,
    });
    // The machine adds itself again, and continues its snapshots.
    const next = await take(await open(a), root, "next");
    assert.equal((await (await open()).find("latest")).id, next);
  });
});

test("a full key without a signing key signs with the admin key", async () => {
  await withTemp(async (root) => {
    const { open, a } = await make();
    const repository = await open();
    const id = await take(repository, root, "content");
    const { record } = await repository.readRecord(id);
    assert.equal(record.signer, repository.keys!.adminPublicKey);
    assert.equal(await (await open(a)).trustOf(record), "trusted");
    const { untrusted } = await (await open(a)).verify();
    assert.deepEqual(untrusted, []);
  });
});

test("a machine with a revoked key does not trust its own snapshots", async () => {
  await withTemp(async (root) => {
    const { open, a, b } = await make();
    const id = await take(await open(a), root, "content");
    const admin = await open(b);
    await admin.keys!.signers.revoke(a.key!.publicKey);
    const repository = await open(a);
    const { record } = await repository.readRecord(id);
    assert.equal(await repository.trustOf(record), "revoked");
    const { untrusted } = await repository.verify();
    assert.deepEqual(untrusted.map(({ trust }) => trust), ["revoked"]);
    await assert.rejects(take(repository, root, "more"), { code: "exists" });
  });
});

test("snapshot() reads only its own signer", async () => {
  await withTemp(async (folder) => {
    const { storage, open, a } = await make();
    for (const name of ["c", "d", "e"]) {
      const { key, ...machine } = await machineOf(name);
      const { publicKey } = key!;
      await (await open()).keys!.signers.add({ publicKey, machine });
    }
    const root = join(folder, "root");
    await take(await open(a), root, "1");
    const repository = await open(a);
    storage.counts.clear();
    await take(repository, root, "2");
    assert.equal(storage.counts.get("get signers"), 1);
    assert.equal(storage.counts.get("list signers"), undefined);
  });
});

test("a record that was signed for another repository is not trusted", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const one = await make();
    const other = await make();
    // Both repositories trust machine A.
    const id = await take(await one.open(one.a), root, "content");
    await take(await other.open(one.a), join(folder, "other"), "more");
    const { record } = await (await one.open()).readRecord(id);
    const { id: own, keys } = await one.open();
    assert.equal(record.repository, own);
    // Somebody with a key of the first repository copies the record into the
    // other one.
    const plain = await Array.fromAsync(
      keys!.decrypted().get(`snapshots/${id}.json`),
    );
    const target = await other.open(one.a);
    await target.keys!.decrypted().put(`snapshots/${id}.json`, plain);
    for (const machine of [one.a, undefined]) {
      const reader = await other.open(machine);
      assert.equal(await reader.trustOf(record), "foreign");
      const { untrusted } = await reader.verify();
      assert.deepEqual(
        untrusted.map(({ id, trust }) => [id, trust]),
        [[id, "foreign"]],
      );
      const found = reader.find("latest", { directory: root });
      assert.notEqual((await found).id, id);
    }
  });
});

test("the machine that copies a snapshot vouches for it", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const one = await make();
    const ids = [
      await take(await one.open(one.a), root, "content"),
      await take(await one.open(one.a), root, "more"),
    ];
    const forger = await machineOf("a");
    const { record } = await (await one.open()).readRecord(ids[1]);
    const forged = { ...record, id: record.id.replace(/.{3}$/, "fff") };
    await (await one.open()).keys!.decrypted().put(
      `snapshots/${forged.id}.json`,
      [await signListing(encodeRecord(forged), forger.key!)],
    );
    const other = await make();
    // Machine B copies the snapshots. Machine A has never used the target.
    const source = await one.open(one.b);
    const target = await other.open(one.b);
    await source.copyTo(target, await source.snapshots());
    const before = new Set(other.storage.objects.keys());
    await source.copyTo(target, await source.snapshots());
    assert.deepEqual(new Set(other.storage.objects.keys()), before);
    for (const machine of [undefined, one.a, one.b]) {
      const reader = await other.open(machine);
      const trusts = new Map<string, string>();
      for (const one of await reader.snapshots()) {
        trusts.set(one.id, await reader.trustOf(one));
      }
      assert.deepEqual([...trusts], [
        [ids[0], "trusted"],
        [ids[1], "trusted"],
        // The source does not trust this snapshot.
        [forged.id, "unknown"],
      ]);
      assert.equal((await reader.find("latest")).id, ids[1]);
    }
    // A label does not affect the trust in the copy.
    const labelled = await other.open(one.b);
    await labelled.label(await labelled.find(ids[0]), "a label");
    const [first] = await (await other.open()).snapshots();
    assert.equal(first.label, "a label");
    assert.equal(await (await other.open()).trustOf(first), "trusted");
    // Machine A continues the copied snapshots.
    const next = await take(await other.open(one.a), root, "next");
    const { record: after } = await (await other.open()).readRecord(next);
    assert.equal(after.parent, ids[1]);
    // A note does not vouch for another record with the same name.
    const { record: good } = await (await other.open()).readRecord(ids[0]);
    const bad = { ...good, directory: "/elsewhere" };
    await labelled.keys!.decrypted().put(`snapshots/${ids[0]}.json`, [
      await signListing(encodeRecord(bad), forger.key!),
    ]);
    const swapped = await other.open(one.b);
    const { record: read } = await swapped.readRecord(ids[0]);
    assert.equal(await swapped.trustOf(read), "unknown");
    assert.equal(
      await swapped.trustOf({ ...good, directory: "/x" }),
      "foreign",
    );
    // If the machine that copied is revoked, the snapshots that it vouched for
    // are not trusted, either.
    await swapped.keys!.signers.revoke(one.b.key!.publicKey);
    const { record: last } = await (await other.open()).readRecord(ids[1]);
    assert.equal(await (await other.open()).trustOf(last), "foreign");
    // The notes are deleted with the snapshots.
    const names = () =>
      [...other.storage.objects.keys()]
        .filter((name) => name.startsWith("copied/"));
    assert.equal(names().length, 2);
    const admin = await other.open(one.a);
    await admin.forget(last);
    await admin.prune({}, { grace: 0, patience: 4 });
    assert.equal(names().length, 1);
  });
});

test("copyTo() from a plain repository makes its snapshots trusted", async () => {
  await withTemp(async (root) => {
    const plain = await Repository.create(new MemoryStorage());
    const id = await take(plain, root, "content");
    const { open, a, b } = await make();
    await plain.copyTo(await open(a), await plain.snapshots());
    const reader = await open(b);
    assert.equal(await reader.trustOf(await reader.find("latest")), "trusted");
    assert.equal((await reader.find("latest")).id, id);
  });
});

test("verify({ signers }) of a plain repository names records of other repositories", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const a = await machineOf("a");
    const [from, into, copy] = [1, 2, 3].map(() => new MemoryStorage());
    const one = await Repository.create(from, { machine: a });
    const two = await Repository.create(into, { machine: a });
    const three = await Repository.create(copy, { machine: a });
    const id = await take(one, root, "content");
    for (const [name, bytes] of from.objects) {
      if (name !== "deltar.json") into.objects.set(name, bytes);
    }
    await one.copyTo(three, await one.snapshots());
    const signers = [a.key!.publicKey];
    const untrusted = async (repository: Repository) =>
      (await repository.verify({ signers })).untrusted
        .map(({ id, trust }) => [id, trust]);
    assert.deepEqual(await untrusted(one), []);
    assert.deepEqual(await untrusted(two), [[id, "foreign"]]);
    assert.deepEqual(await untrusted(three), []);
    // If the settings are lost, their id is restored from the records.
    from.objects.delete("deltar.json");
    const lost = await Repository.open(from, { onDamage: () => {} });
    await lost.repair();
    assert.equal((await Repository.open(from, {})).id, one.id);
  });
});

test("a key file of another repository, or changed settings, are refused", async () => {
  const { storage, open } = await make();
  const { id, keys } = await open();
  const machine = await newIdentity();
  await keys!.add({
    name: "w",
    kind: "write-only",
    to: await recipientOf(machine),
  });
  const writer = () => Repository.open(storage, { keys: [machine] });
  assert.equal((await writer()).keys!.isWriteOnly, true);
  // The storage knows another repository of the machines, and changes the id.
  const encryption = { kind: "age" as const, recipient: keys!.sum() };
  const other = crypto.randomUUID();
  storage.objects.set(
    "deltar.json",
    encodeSettings({ id: other, codec: "zstd", encryption }),
  );
  await assert.rejects(open(), {
    code: "mismatch",
    message: new RegExp(`${id}, but the id in deltar.json is ${other}`),
  });
  await assert.rejects(writer(), { code: "mismatch" });
  // A recovery sheet opens the repository without a key file, so the id must be
  // given.
  const sheet = keys!.identities();
  assert.equal((await Repository.open(storage, { keys: sheet })).id, other);
  await assert.rejects(Repository.open(storage, { keys: sheet, id }), {
    code: "mismatch",
    message: /was \S+ when it was first opened, and is now /,
  });
});
