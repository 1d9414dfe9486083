import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { collect } from "../../lib/bytes/source.ts";
import {
  encodeSnapshotNote,
  LABELS,
  type NoteKind,
  PROOFS,
} from "../../lib/repository/format/snapshot_note.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { padText } from "../../lib/storage/padded_text.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const identity = await newIdentity();
const machine = {
  id: "m1",
  key: await readPrivateKey(await makeKeyPair("")),
};
const stranger = await readPrivateKey(await makeKeyPair(""));

/**
 * Makes a repository with signers and two snapshots, the first of which has a
 * label.
 */
async function make(root: string) {
  const storage = new MemoryStorage();
  await Repository.create(storage, {
    encrypt: { name: "me", to: await recipientOf(identity) },
  });
  const repository = await Repository.open(storage, {
    keys: [identity],
    machine,
  });
  writeFileSync(join(root, "file"), "content");
  const { record } = await repository.snapshot(everything(root));
  await repository.label(record, "a label");
  writeFileSync(join(root, "file"), "more content");
  const { record: second } = await repository.snapshot(everything(root));
  return { storage, repository, record, second };
}

/** Stores a forged note, as somebody can who knows only the recipient. */
async function forge(
  storage: MemoryStorage,
  recipient: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await collect(encrypt(padText([bytes]), [recipient]));
  storage.objects.set(`${name}.age`, file);
}

const noteOf = (
  { folder }: NoteKind,
  snapshot: string,
  id = "20990101T000000Z-000000",
) => `${folder}${snapshot}.${id}.json`;

test("a label of somebody else is ignored and named until the snapshot gets another label", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    const recipient = repository.keys!.recipient();
    const labels = async () =>
      (await repository.snapshots()).map(({ label }) => label);
    const name = noteOf(LABELS, record.id, "20980101T000000Z-000000");
    const { id: snapshot } = record;
    const time = new Date().toISOString();
    const fields = { snapshot, time, label: "forged" };
    const unsigned = encodeLines("deltar-label", 1, { ...fields, name }, []);
    const wrong = await encodeSnapshotNote(LABELS, name, fields, stranger);
    for (const [bytes, trust] of [[unsigned, "unsigned"], [wrong, "unknown"]]) {
      await forge(storage, recipient, name, bytes as Uint8Array);
      assert.deepEqual(await labels(), ["a label", undefined]);
      assert.equal((await repository.find(snapshot)).label, "a label");
      assert.equal((await repository.find({ label: "a label" })).id, snapshot);
      await assert.rejects(repository.find({ label: "forged" }), {
        code: "not-found",
      });
      const { damage, untrusted, untrustedNotes } = await repository.verify();
      assert.deepEqual([damage, untrusted], [[], []]);
      assert.deepEqual(untrustedNotes, [{
        object: name,
        id: snapshot,
        trust,
        ...trust === "unknown" && { signer: stranger.publicKey },
      }]);
    }
    await repository.label(record, undefined);
    assert.deepEqual(await labels(), [undefined, undefined]);
    const { untrustedNotes } = await repository.verify();
    assert.deepEqual(untrustedNotes, []);
  });
});

test("prune() keeps a snapshot whose label somebody else removed", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    const header = { snapshot: record.id, label: null };
    const bytes = encodeLines("deltar-label", 1, header, []);
    const name = noteOf(LABELS, record.id);
    await forge(storage, repository.keys!.recipient(), name, bytes);
    const { removed } = await repository.prune({ last: 1, labels: ["*"] });
    assert.deepEqual(removed, []);
  });
});

test("a signed label does not count under another name", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    const first = [...storage.objects.keys()]
      .find((name) => name.startsWith("labels/"))!;
    await repository.label(record, "a better label");
    const later = noteOf(LABELS, record.id);
    storage.objects.set(`${later}.age`, storage.objects.get(first)!);
    assert.equal((await repository.find(record.id)).label, "a better label");
    const { damage } = await repository.verify();
    assert.deepEqual(damage.map(({ object }) => object), [later]);
  });
});

test("a write-only machine labels only its own snapshots", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    const writer = await newIdentity();
    const own = { id: "m2", key: await readPrivateKey(await makeKeyPair("")) };
    const { publicKey } = own.key;
    await repository.keys!.add({
      name: "writer",
      kind: "write-only",
      to: await recipientOf(writer),
      signer: { publicKey, machine: { id: "m2" } },
    });
    const writing = await Repository.open(storage, {
      keys: [writer],
      machine: own,
    });
    const { record: third } = await writing.snapshot(everything(root));
    await writing.label(third, "by the writer");
    assert.equal((await writing.find(third.id)).label, "by the writer");
    await writing.label(record, "forged");
    const again = await Repository.open(storage, { keys: [identity], machine });
    assert.deepEqual(
      (await again.snapshots()).map(({ label }) => label),
      ["a label", undefined, "by the writer"],
    );
    const { damage, untrustedNotes } = await again.verify();
    assert.deepEqual(damage, []);
    assert.deepEqual(
      untrustedNotes.map(({ id, trust, signer }) => [id, trust, signer]),
      [[record.id, "unknown", publicKey]],
    );
  });
});

test("a result of a drill that somebody else stored is ignored and named", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record } = await make(root);
    const name = noteOf(PROOFS, record.id);
    const time = new Date().toISOString();
    const fields = { snapshot: record.id, time, files: 9, bytes: 9, failed: 0 };
    const bytes = encodeLines("deltar-proof", 1, fields, []);
    await forge(storage, repository.keys!.recipient(), name, bytes);
    assert.equal((await repository.proofs()).size, 0);
    const { untrustedNotes } = await repository.verify();
    assert.deepEqual(untrustedNotes.map(({ object }) => object), [name]);
    await repository.drill({ snapshot: record });
    assert.equal((await repository.proofs()).get(record.id)?.files, 1);
    assert.deepEqual((await repository.verify()).untrustedNotes, []);
  });
});

test("copyTo() signs the labels that it copies, and does not copy forged ones", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record, second } = await make(root);
    const header = { snapshot: second.id, label: "forged" };
    const bytes = encodeLines("deltar-label", 1, header, []);
    const name = noteOf(LABELS, second.id);
    await forge(storage, repository.keys!.recipient(), name, bytes);
    const target = new MemoryStorage();
    const plain = new MemoryStorage();
    const encrypt = { name: "me", to: await recipientOf(identity) };
    for (
      const copy of [
        await Repository.create(target, { encrypt, machine }),
        await Repository.create(plain),
      ]
    ) {
      await repository.copyTo(copy, await repository.snapshots());
      const labels = (await copy.snapshots()).map(({ label }) => label);
      assert.deepEqual(labels, ["a label", undefined]);
      assert.deepEqual((await copy.verify()).untrustedNotes, []);
    }
    const [label] = [...plain.objects.keys()]
      .filter((name) => name.startsWith(`labels/${record.id}`));
    const text = new TextDecoder().decode(plain.objects.get(label));
    assert.ok(!text.includes("signature"));
  });
});

test("listing the labels takes one request for each label", async () => {
  await withTemp(async (root) => {
    const { storage, repository, record, second } = await make(root);
    await repository.label(second, "another");
    const read: string[] = [];
    const counting: Storage = {
      location: storage.location,
      get: (name, options) => {
        read.push(name);
        return storage.get(name, options);
      },
      put: (name, source, options) => storage.put(name, source, options),
      list: (prefix) => storage.list(prefix),
      delete: (name) => storage.delete(name),
    };
    const reading = await Repository.open(counting, {
      keys: [identity],
      machine,
    });
    read.length = 0;
    const records = await reading.snapshots();
    assert.deepEqual(records.map(({ label }) => label), ["a label", "another"]);
    const count = (folder: string) =>
      read.filter((name) => name.startsWith(folder)).length;
    assert.equal(count("labels/"), 2);
    assert.equal(count("manifests/"), 0);
    assert.ok(count("signers/") <= 1);
    // Only the labels of the snapshot that is searched for are read.
    read.length = 0;
    await reading.find(record.id);
    assert.equal(count("labels/"), 1);
  });
});
