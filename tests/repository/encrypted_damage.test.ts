import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { before, test } from "node:test";
import { encrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { NONCE_BYTES, SEALED_BYTES } from "../../lib/age/payload.ts";
import type { DeltarError } from "../../lib/bytes/errors.ts";
import { existing } from "../../lib/bytes/existing.ts";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const identity = await newIdentity();
const recipient = await recipientOf(identity);
const other = await newIdentity();
const machine = {
  id: "m1",
  host: "one",
  key: await readPrivateKey(await makeKeyPair("")),
};

/**
 * The stored objects of a repository with at least one object of every kind.
 */
let objects: ReadonlyMap<string, Uint8Array>;
/** The maximum size of an object in which every byte is changed, in bytes. */
const MAX_SMALL_BYTES = 10_000;

/** The name of an object that no snapshot needs and no manifest lists. */
const garbage = "volumes/20250101T000000Z-000000.vol0.tar.zst.age";
/** The names of all other objects. */
let checked: string[];
/**
 * The names of the objects of removed snapshots, which a verification with a
 * key does not read.
 */
let unread: ReadonlySet<string>;
/** The recipient of the repository. */
let own: string;
/** The identities of the repository, which open it without a key file. */
let identities: readonly string[];
/** The keys that sign manifests: the key of the machine, and the admin key. */
let signers: string[];

before(async () => {
  const storage = new MemoryStorage();
  let repository = await Repository.create(storage, {
    encrypt: { name: "me", to: recipient },
    machine,
  });
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const write = (name: string, content: Uint8Array | string) =>
      fs.writeFileSync(join(root, name), content);
    const take = async () => {
      const { record } = await repository.snapshot(everything(root));
      return record;
    };
    // The volume of the first snapshot is repacked, because most of it is no
    // longer needed.
    write("stays", noise(150_000, 1));
    write("large", noise(1_400_000, 2));
    const gone = await take();
    const large = noise(1_100_000, 3);
    write("large", large);
    const first = await take();
    await repository.forget(gone);
    const { repacked } = await repository.prune({}, { grace: 0, patience: 1 });
    assert.equal(repacked, 1);
    large[600_000] ^= 1;
    write("large", large);
    write("lines", "one line\n".repeat(500));
    const second = await take();
    // From here on, everything is encrypted for another identity.
    await repository.keys!.add({ name: "other", to: await recipientOf(other) });
    await repository.keys!.add({
      name: "writer",
      kind: "write-only",
      to: await recipientOf(await newIdentity()),
      signer: {
        publicKey: (await readPrivateKey(await makeKeyPair(""))).publicKey,
        machine: { id: "m2" },
      },
    });
    await repository.keys!.rotate();
    repository = await Repository.open(storage, { keys: [identity], machine });
    write("other", "other");
    const third = await take();
    await repository.label(first, "a label");
    await repository.label(first, "a better label");
    await repository.label(second, "another label");
    await repository.restore(second, join(folder, "target"));
    await repository.restore(first, join(folder, "another"));
    fs.writeFileSync(join(folder, "target/lines"), "mine");
    await repository.restore(third, join(folder, "target"));
    await repository.drill({ snapshot: second });
    await repository.drill({ snapshot: third });
    await repository.setMaxSize(1_000_000_000);
    for (const text of ["more", "yet more"]) {
      write("other", text);
      await repository.forget(await take());
    }
    // The prune leaves a mark, because this object is garbage.
    storage.objects.set(garbage, noise(1000));
    await repository.prune({ last: 100 });
  });
  objects = storage.objects;
  const { adminPublicKey } = repository.keys!;
  own = repository.keys!.recipient();
  identities = repository.keys!.identities();
  signers = [machine.key.publicKey, adminPublicKey];
  const { damage, leftOvers, untrusted, untrustedNotes } = await repository
    .verify({ data: true });
  assert.deepEqual([damage, untrusted, untrustedNotes], [[], [], []]);
  const left = leftOvers.map(({ name }) => `${name}.age`);
  const sealed = await verifySealed(storage, { data: true, signers });
  assert.deepEqual([sealed.damage, sealed.uncovered], [[], []]);
  assert.deepEqual(sealed.unlisted, [garbage]);
  unread = new Set(left);
  checked = [...objects.keys()].filter((name) => name !== garbage).sort();
  const kinds = new Set(checked.map(kindOf));
  assert.deepEqual([...kinds].sort(), [
    "deltar.json",
    "garbage",
    "holders",
    "judged",
    "keys",
    "labels",
    "manifests",
    "manifests of garbage",
    "manifests of holders",
    "manifests of judged",
    "manifests of keys",
    "manifests of labels",
    "manifests of proofs",
    "manifests of recipients.json",
    "manifests of removed",
    "manifests of restores",
    "manifests of settings",
    "manifests of signers",
    "moves",
    "proofs",
    "recipients.json.age",
    "removed",
    "restores",
    "settings",
    "signatures",
    "signers",
    "snapshots",
    "trees",
    "volumes",
  ]);
});

/** Returns the kind of an object: its folder. */
function kindOf(name: string): string {
  const [, of] = /^manifests\/([a-z.]+json|[a-z]+(?=\/))/.exec(name) ?? [];
  return of === undefined ? name.split("/")[0] : `manifests of ${of}`;
}

/** The ways to verify. Each function returns the names of damaged objects. */
const WAYS = {
  "with a key": async (
    storage: MemoryStorage,
    changed: ReadonlyMap<string, Uint8Array>,
  ): Promise<string[]> => {
    const found: string[] = [];
    const onDamage = ({ object }: DeltarError) => {
      if (object !== undefined) found.push(object);
    };
    try {
      const repository = await Repository.open(storage, {
        // Without the key file, the identities on a recovery sheet are needed.
        keys: changed.has("keys/me.age") ? identities : [identity],
        machine,
        onDamage,
      });
      // All other objects are read anyway.
      const data = [...changed.keys()]
        .some((name) => /^(?:volumes|signatures|moves)\//.test(name));
      const { damage } = await repository.verify({ data });
      // A message about a moved volume also names the move or the new volume.
      for (const { object, message } of damage) {
        found.push(
          object,
          ...message.match(/(?:moves\/)?volumes\/[^ :]+/g) ?? [],
        );
      }
    } catch (error) {
      found.push((error as DeltarError).object ?? `${error}`);
    }
    const plain = (name: string) =>
      name.startsWith("keys/") ? name : name.replace(/\.age$/, "");
    return [...changed.keys()].filter((name) =>
      unread.has(name) || found.includes(plain(name))
    );
  },
  "without a key": async (storage: MemoryStorage): Promise<string[]> => {
    try {
      const { damage } = await verifySealed(storage, { data: true, signers });
      return damage.map(({ object }) => object);
    } catch (error) {
      return [(error as DeltarError).object ?? `${error}`];
    }
  },
};

/** Asserts that the verification names the changed objects. */
async function assertFound(
  changed: ReadonlyMap<string, Uint8Array>,
  what: string,
  ways: readonly (keyof typeof WAYS)[],
): Promise<void> {
  const storage = new MemoryStorage();
  for (const way of ways) {
    for (const [name, kept] of objects) {
      storage.objects.set(name, changed.get(name) ?? kept);
    }
    const found = await WAYS[way](storage, changed);
    for (const name of changed.keys()) {
      assert.ok(found.includes(name), `${name}, ${what}, ${way}: ${found}`);
    }
  }
}

/** Returns the offsets at which the parts of an age file begin. */
function partsOf(file: Uint8Array): number[] {
  const header = Buffer.from(file).indexOf("\n---");
  if (header < 0) return [0, file.length >> 1, file.length >> 1];
  const nonce = Buffer.from(file).indexOf("\n", header + 1) + 1;
  const parts = [Buffer.from(file).indexOf("\n") + 1, header + 1, nonce];
  for (let at = nonce + NONCE_BYTES; at < file.length; at += SEALED_BYTES) {
    parts.push(at);
  }
  return parts;
}

/**
 * Asserts that changed objects are found. The objects of a group are changed at
 * the same time.
 *
 * @param change Returns the changed bytes of an object in a round, or
 *   `undefined` if there is no such round for the object.
 * @param groupOf Returns the group of an object. By default, all keys, notes
 *   and manifests of a kind are a group, and each other object is a group of
 *   its own, because its damage may hide the damage of other objects.
 */
async function assertChangesFound(
  what: string,
  change: (
    file: Uint8Array,
    round: number,
    name: string,
  ) => Uint8Array | undefined | Promise<Uint8Array | undefined>,
  groupOf = (name: string) => isContent(name) ? name : kindOf(name),
  ways: readonly (keyof typeof WAYS)[] = ["with a key", "without a key"],
): Promise<number> {
  let count = 0;
  for (const group of Map.groupBy(checked, groupOf).values()) {
    for (let round = 0;; round++) {
      const changed = new Map<string, Uint8Array>();
      for (const name of group) {
        const bytes = await change(existing(objects, name), round, name);
        if (bytes !== undefined) changed.set(name, bytes);
      }
      if (changed.size === 0) break;
      count += changed.size;
      await assertFound(changed, `${what}, ${round}`, ways);
    }
  }
  return count;
}

/**
 * Returns the changes to make to an object: all with `SLOW=1`, otherwise a
 * third of them. Which third depends on the object.
 *
 * @param number The number of the object.
 */
function sampled<Item>(all: readonly Item[], number: number): readonly Item[] {
  return process.env.SLOW
    ? all
    : all.filter((_, at) => (at + number) % Math.min(3, all.length) === 0);
}

/** Returns whether an object is needed to read others. */
function isContent(name: string): boolean {
  return /^(?:deltar\.json|(?:snapshots|trees|volumes|signatures|moves)\/)/
    .test(name);
}

/** Returns a file with one bit of a byte changed. */
function flipped(file: Uint8Array, at: number, bit: number): Uint8Array {
  const changed = file.slice();
  changed[at] ^= 1 << bit;
  return changed;
}

test("verify() names an object in which any byte was changed", async () => {
  await assertChangesFound("changed", (file, round, name) => {
    const number = checked.indexOf(name);
    const parts = partsOf(file);
    // In each object, another byte of a part is changed: of the header, its
    // MAC, the nonce, the first chunk, and the last chunk with its tag.
    const places = [...parts.slice(0, 4), ...parts.slice(-1)]
      .map((at) => Math.min(at + number, file.length - 1));
    const all = [...places, 0, file.length - 1 - number % 16];
    const at = sampled(all, number)[round];
    return at === undefined ? undefined : flipped(file, at, number % 8);
  });
});

/** Returns a small file with one byte changed in each round. */
function everyByte(file: Uint8Array, round: number): Uint8Array | undefined {
  return file.length <= MAX_SMALL_BYTES && round < file.length
    ? flipped(file, round, round % 8)
    : undefined;
}

test("verifySealed() names an object in which every byte was changed", {
  skip: !process.env.SLOW,
}, async () => {
  // Each object is compared with its manifest. If the settings have an unknown
  // version, nothing else is read.
  const groupOf = (name: string) =>
    name === "deltar.json" ? name : `${name.startsWith("manifests/")}`;
  const ways = ["without a key"] as const;
  const count = await assertChangesFound("changed", everyByte, groupOf, ways);
  console.log(`${count} bytes were changed`);
});

test("verify() names an object in which every byte was changed", {
  skip: !process.env.SLOW,
}, async () => {
  // Notes are compared with their manifests, trees are found by records, and
  // volumes by trees. The key file opens the repository.
  const groupOf = (name: string) =>
    /^(?:volumes|signatures|moves)\/|^keys\/me/.test(name)
      ? "volumes"
      : /^(?:trees|manifests)\//.test(name)
      ? "trees"
      : name === "deltar.json"
      ? name
      : "notes";
  const ways = ["with a key"] as const;
  const count = await assertChangesFound("changed", everyByte, groupOf, ways);
  console.log(`${count} bytes were changed`);
});

test("verify() names an object that was truncated at the end of any part", async () => {
  await assertChangesFound("cut", (file, round, name) => {
    // The object is truncated in its header, and at the end of each chunk.
    const ends = [...partsOf(file).slice(2), file.length - 1];
    const end = sampled(ends, checked.indexOf(name))[round];
    return end === undefined ? undefined : file.slice(0, end);
  });
});

test("verify() names an object that was swapped with another", async () => {
  await assertChangesFound("swapped", (_, round, name) => {
    // The names are in the order of their folders, so the next object is
    // usually of the same kind.
    const number = checked.indexOf(name);
    const next = sampled([1, 2, 9], number)[round];
    if (next === undefined) return undefined;
    return existing(objects, checked[(number + next) % checked.length]);
  });
});

test("verify() names an object that a stranger encrypted for the repository", async () => {
  const forged = (bytes: Uint8Array) => collect(encrypt([bytes], [own]));
  await assertChangesFound("forged", async ({ length }, round, name) => {
    if (name === "deltar.json") return undefined;
    const plains = [noise(length - 200), new Uint8Array(0)];
    const plain = sampled(plains, checked.indexOf(name))[round];
    return plain && await forged(plain);
  });
});
