import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { concat } from "../../lib/bytes/source.ts";
import type { RepositoryKeys } from "../../lib/repository/mod.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { putSigned } from "../../lib/repository/store/signed_object.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { owner } from "../../lib/storage/temporary.ts";
import {
  dieAt,
  FaultyStorage,
  generator,
  isInjected,
} from "../support/faulty_storage.ts";
import { play } from "../support/schedule.ts";

/** The identities of the holders of keys, by the names of the keys. */
const IDENTITIES: Record<string, string> = {};
for (const name of ["main", "other", "third", "writer", "new"]) {
  IDENTITIES[name] = await newIdentity();
}
const { publicKey } = await readPrivateKey(await makeKeyPair("a machine"));
const signer = { publicKey, machine: { id: "the machine of writer" } };

/** The time after which an interrupted change is ignored, in milliseconds. */
const INTERRUPTED_MS = 11 * 60_000;

async function open(storage: Storage, name: string): Promise<RepositoryKeys> {
  const repository = await Repository.open(storage, {
    keys: [IDENTITIES[name]],
  });
  return keysOf(repository);
}

function keysOf({ keys }: Repository): RepositoryKeys {
  if (keys === undefined) throw new Error("not encrypted");
  return keys;
}

/** Makes a repository with full keys of these names, and a write-only key. */
async function make(...full: string[]): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const [first, ...others] = full;
  const to = await recipientOf(IDENTITIES[first]);
  const repository = await Repository.create(storage, {
    encrypt: { name: first, to },
  });
  const keys = keysOf(repository);
  for (const name of others) {
    await keys.add({ name, to: await recipientOf(IDENTITIES[name]) });
  }
  await keys.add({
    name: "writer",
    kind: "write-only",
    to: await recipientOf(IDENTITIES.writer),
    signer,
  });
  await keys.decrypted().put("volumes/before", [Uint8Array.of(1)]);
  return storage;
}

function copyOf({ objects }: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  for (const [name, bytes] of objects) copy.objects.set(name, bytes);
  return copy;
}

async function canRead(keys: RepositoryKeys, object: string): Promise<boolean> {
  try {
    const parts = await Array.fromAsync(keys.decrypted().get(object));
    return concat(parts).length === 1;
  } catch (error) {
    // A full key must decrypt all objects.
    assert.equal(codeOf(error), keys.isWriteOnly ? "key" : "corrupt");
    return false;
  }
}

/**
 * Asserts that each key opens the repository, and reads what any other key
 * stores.
 */
async function assertWorking(
  storage: MemoryStorage,
  names: readonly string[],
  what: string,
): Promise<void> {
  const opened = await Promise.all(names.map((name) => open(storage, name)));
  const objects = ["volumes/before"];
  for (const [at, keys] of opened.entries()) {
    objects.push(`volumes/${at}`);
    await keys.decrypted().put(`volumes/${at}`, [Uint8Array.of(at)]);
  }
  for (const keys of opened) {
    for (const object of objects) {
      const expected = !keys.isWriteOnly;
      assert.equal(await canRead(keys, object), expected, `${what}, ${object}`);
    }
  }
}

/**
 * Makes a change as the owner of `main`, and kills it at each operation in
 * turn.
 *
 * @param after Called after each kill with the stored objects.
 */
async function killEach(
  before: MemoryStorage,
  change: (keys: RepositoryKeys) => Promise<void>,
  after: (storage: MemoryStorage, what: string) => Promise<void>,
): Promise<void> {
  let isFinished = false;
  for (let number = 1; !isFinished; number++) {
    for (const fault of ["before", "after"] as const) {
      const storage = copyOf(before);
      let dying = Infinity;
      const faulty = new FaultyStorage(
        storage,
        (operation) => dieAt(dying, fault)(operation),
      );
      const keys = await open(faulty, "main");
      dying = faulty.operations + number;
      isFinished = false;
      try {
        await change(keys);
        isFinished = faulty.operations < dying;
      } catch (error) {
        assert.ok(isInjected(error), String(error));
      }
      const what = `killed ${fault} operation ${number}`;
      const { damage } = await verifySealed(storage, { data: true });
      assert.deepEqual(damage, [], what);
      await after(storage, what);
    }
    assert.ok(number < 100);
  }
}

test("a change whose process has ended does not block others", async () => {
  const storage = await make("main", "other");
  const keys = await open(storage, "main");
  /** Stores the notice of a rotation by a process that was killed. */
  const leave = (process: string | undefined) =>
    putSigned(
      keys.decrypted(),
      "holders/changes/rotate.0123456789abcdef.json",
      "deltar-key-change",
      { time: new Date().toISOString(), process },
      keys.admin!,
    );
  const { pid } = spawnSync(process.execPath, ["--version"]);
  const ended = owner().replace(`p${process.pid}-`, `p${pid}-`);
  const elsewhere = ended.replace(/.{8}$/, "00000000");
  for (const other of [owner(), elsewhere, undefined]) {
    await leave(other);
    await assert.rejects(keys.remove("other"), { code: "conflict" });
  }
  await leave(ended);
  await keys.remove("other");
  const names = [...storage.objects.keys()];
  assert.ok(!names.some((name) => name.startsWith("holders/changes/")));
});

/**
 * Runs work at a time at which changes that are made now count as interrupted.
 */
async function later<Result>(work: () => Promise<Result>): Promise<Result> {
  const { now } = Date;
  Date.now = () => now() + INTERRUPTED_MS;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** Waits for work, and ignores an error with the given code. */
async function unless(code: string, work: Promise<void>): Promise<void> {
  await work.catch((error) => assert.equal(codeOf(error), code));
}

test("add() that is killed keeps the old keys, and may have added the new one", async () => {
  const before = await make("main", "other");
  const key = { name: "new", to: await recipientOf(IDENTITIES.new) };
  await killEach(before, (keys) => keys.add(key), async (storage, what) => {
    await assertWorking(storage, ["main", "other", "writer"], what);
    await later(async () => {
      const keys = await open(storage, "main");
      await unless("exists", keys.add(key));
    });
    await assertWorking(storage, ["main", "other", "writer", "new"], what);
  });
});

test("remove() that is killed keeps the other keys, and the next call completes it", async () => {
  const before = await make("main", "other");
  for (const name of ["other", "writer"]) {
    const others = ["main", "other", "writer"].filter((one) => one !== name);
    const remove = (keys: RepositoryKeys) => keys.remove(name);
    await killEach(before, remove, async (storage, what) => {
      await assertWorking(storage, others, what);
      await later(async () => {
        const keys = await open(storage, "main");
        await unless("not-found", keys.remove(name));
      });
      await assertWorking(storage, others, what);
      await assert.rejects(open(storage, name), { code: "key" }, what);
      const keys = await open(storage, "main");
      assert.equal((await keys.holders()).length, 2, what);
      const trust = await keys.signers.trust(publicKey);
      assert.equal(trust, name === "writer" ? "revoked" : "trusted", what);
      // A key with the same name can be added again.
      const to = await recipientOf(IDENTITIES[name]);
      await later(() => keys.add({ name, to }));
      await assertWorking(storage, ["main", "other"], what);
    });
  }
});

test("signers.revoke() that is killed has either revoked the key or not", async () => {
  const before = await make("main");
  const revoke = ({ signers }: RepositoryKeys) => signers.revoke(publicKey);
  await killEach(before, revoke, async (storage, what) => {
    const { signers } = await open(storage, "main");
    assert.equal((await signers.list()).length, 1, what);
    await signers.revoke(publicKey);
    assert.equal(await signers.trust(publicKey), "revoked", what);
  });
});

test("rotate() that is killed leaves keys that open everything, and the next call continues it", async () => {
  const before = await make("main", "other");
  const names = ["main", "other", "writer"];
  const [first] = (await open(before, "main")).identities();
  await killEach(before, (keys) => keys.rotate(), async (storage, what) => {
    await assertWorking(storage, names, what);
    // The next rotation is made by the same owner or by another one.
    for (const name of ["main", "other"]) {
      const copy = copyOf(storage);
      await later(async () => await (await open(copy, name)).rotate());
      await assertWorking(copy, names, `${what}, continued by ${name}`);
      const keys = await open(copy, name);
      assert.equal(keys.identities().at(-1), first, what);
      const recipients = await Promise.all(
        names.map(async (name) => (await open(copy, name)).recipient()),
      );
      assert.equal(new Set(recipients).size, 1, what);
      assert.notEqual(recipients[0], await recipientOf(first), what);
    }
  });
});

test("rotate() shuts out a holder of only the old identity", async () => {
  const storage = await make("main", "other");
  const old = await open(storage, "other");
  const keys = await open(storage, "main");
  const before = keys.recipient();
  await keys.remove("other");
  await keys.rotate();
  assert.notEqual(keys.recipient(), before);
  assert.equal(keys.identities().length, 2);
  const view = keys.decrypted();
  await view.put("volumes/after", [Uint8Array.of(2)]);
  assert.equal(await canRead(keys, "volumes/after"), true);
  assert.equal(await canRead(old, "volumes/before"), true);
  assert.equal(await canRead(old, "volumes/after"), false);
  const writer = await open(storage, "writer");
  assert.equal(writer.recipient(), keys.recipient());
  // The settings, and thus the pins, and the admin key do not change.
  const again = await open(storage, "main");
  assert.equal(again.sum(), old.sum());
  assert.equal(again.adminPublicKey, old.adminPublicKey);
  // A program that opened the repository before the rotation does not get the
  // new identity from the other keys.
  const refused = { code: "key", message: /rotated after this key was read/ };
  await assert.rejects(old.rotate(), refused);
  await assert.rejects(
    old.add({ name: "back", to: await recipientOf(IDENTITIES.other) }),
    refused,
  );
  assert.deepEqual(await again.list(), ["main", "writer"]);
  await again.rotate();
  assert.equal((await open(storage, "main")).identities().length, 3);
  await assertWorking(storage, ["main", "writer"], "rotated twice");
});

test("a recovery sheet from before a rotation decrypts older objects, and one from after it decrypts all", async () => {
  const storage = await make("main");
  const keys = await open(storage, "main");
  const old = keys.identities();
  await keys.rotate();
  await keys.decrypted().put("volumes/after", [Uint8Array.of(2)]);
  const bySheet = async (identities: readonly string[]) =>
    keysOf(await Repository.open(storage, { keys: identities }));
  // Identities of other people in the file, in any order, are not used.
  const lines = [IDENTITIES.third, ...keys.identities().toReversed()];
  const whole = await bySheet(lines);
  assert.equal(whole.openedBy, "recovery sheet");
  assert.deepEqual(whole.identities(), keys.identities());
  assert.equal(whole.recipient(), keys.recipient());
  assert.equal(await canRead(whole, "volumes/after"), true);
  const outdated = await bySheet(old);
  assert.equal(outdated.recipient(), keys.recipient());
  assert.equal(await canRead(outdated, "volumes/before"), true);
  assert.equal(await canRead(outdated, "volumes/after"), false);
  await outdated.decrypted().put("volumes/by sheet", [Uint8Array.of(3)]);
  assert.equal(await canRead(keys, "volumes/by sheet"), true);
  await assert.rejects(outdated.rotate(), { code: "key" });
  await whole.rotate();
  await assertWorking(storage, ["main", "writer"], "rotated by the sheet");
});

test("rotate() names the keys whose passphrases are not known", async () => {
  const storage = await make("main");
  const keys = await open(storage, "main");
  await keys.add({ name: "paper", to: { passphrase: "correct horse" } });
  await assert.rejects(keys.rotate(), {
    code: "unsupported",
    message: /not known: paper\. Remove these keys, rotate again/,
  });
  const repository = await Repository.open(storage, {
    keys: [{ passphrase: "correct horse" }],
  });
  await keysOf(repository).rotate();
  const again = await Repository.open(storage, {
    keys: [{ passphrase: "correct horse" }],
  });
  assert.equal(keysOf(again).identities().length, 2);
  await assertWorking(storage, ["main", "writer"], "rotated by a passphrase");
});

/**
 * Yields schedules of the works, with up to three switches from one to another.
 */
function* schedules(works: number): Generator<
  (enabled: number[], step: number) => number
> {
  for (let first = 0; first < works; first++) {
    for (let one = 0; one < 20; one += 2) {
      for (let two = 0; two < 20; two += 4) {
        yield (enabled, step) => {
          const turn = step < one
            ? first
            : step < one + two
            ? first + 1
            : first;
          const wanted = turn % works;
          return enabled.includes(wanted) ? wanted : enabled[0];
        };
      }
    }
  }
  for (let seed = 0; seed < 30; seed++) {
    const chance = generator(seed);
    yield (enabled) => enabled[Math.floor(chance() * enabled.length)];
  }
}

test("two owners who remove each other's keys at the same time leave one key", async () => {
  const before = await make("main", "other");
  const remove = (by: string, name: string) => async (storage: Storage) =>
    await (await open(storage, by)).remove(name);
  const counts = [0, 0];
  for (const choose of schedules(2)) {
    const { storage, outcomes } = await play(before.objects, [
      remove("main", "other"),
      remove("other", "main"),
    ], choose);
    const left = (await open(storage, "writer").catch(() => undefined)) &&
      await Promise.all(
        ["main", "other"].map((name) =>
          open(storage, name).then(() => true, () => false)
        ),
      );
    const removed = outcomes.filter(({ status }) => status === "fulfilled");
    assert.ok(removed.length < 2);
    assert.ok(left?.some(Boolean), JSON.stringify(outcomes));
    counts[removed.length]++;
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      assert.match(codeOf(outcome.reason) ?? "", /^(?:unsafe|key|not-found)$/);
    }
  }
  assert.ok(counts.every((count) => count > 0), `${counts}`);
});

test("a rotation and another change at the same time lose no key", async () => {
  const before = await make("main", "other", "third");
  const to = await recipientOf(IDENTITIES.new);
  const rotate = async (storage: Storage) =>
    await (await open(storage, "main")).rotate();
  const works: Record<string, (keys: RepositoryKeys) => Promise<void>> = {
    add: (keys) => keys.add({ name: "new", to }),
    remove: (keys) => keys.remove("third"),
    rotate: (keys) => keys.rotate(),
  };
  for (const [name, work] of Object.entries(works)) {
    let both = 0;
    for (const [at, choose] of [...schedules(2)].entries()) {
      if (at % 5 !== 0) continue;
      const { storage, outcomes } = await play(before.objects, [
        rotate,
        async (storage) => await work(await open(storage, "other")),
      ], choose);
      const [first, second] = outcomes.map(({ status }) =>
        status === "fulfilled"
      );
      if (first && second) both++;
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        // A program that opened the repository before the rotation is outdated
        // after it.
        assert.match(codeOf(outcome.reason) ?? "", /^(?:conflict|key)$/);
      }
      const names = ["main", "other", "writer"];
      if (name === "add" && second) names.push("new");
      if (name === "remove" && second) {
        await assert.rejects(open(storage, "third"), { code: "key" });
      } else names.push("third");
      await assertWorking(storage, names, `${name}, schedule ${at}`);
    }
    assert.ok(both > 0, name);
  }
});

test("two programs that create a repository at the same time make one identity", async () => {
  const create = (name: string, key: string) => async (storage: Storage) => {
    const to = await recipientOf(IDENTITIES[key]);
    await Repository.create(storage, { encrypt: { name, to } });
  };
  for (const names of [["main", "main"], ["main", "other"]]) {
    let [won, number] = [0, 0];
    for (const choose of schedules(2)) {
      const { storage, outcomes } = await play(new Map(), [
        create(names[0], "main"),
        create(names[1], "other"),
      ], choose);
      number++;
      const states = outcomes.map(({ status }) => status);
      const winner = states.indexOf("fulfilled");
      assert.equal(states.filter((one) => one === "fulfilled").length, 1);
      const [loser] = outcomes.filter(({ status }) => status === "rejected");
      assert.equal(codeOf((loser as PromiseRejectedResult).reason), "exists");
      const keys = await open(storage, winner === 0 ? "main" : "other");
      assert.deepEqual(await keys.list(), [names[winner]]);
      assert.equal((await keys.holders())[0].kind, "full");
      if (winner === 0) won++;
    }
    assert.ok(won > 0 && won < number, `${won} of ${number}`);
  }
});

test("create() that is killed leaves no repository, or one that can be opened", async () => {
  const to = await recipientOf(IDENTITIES.main);
  const encrypt = { name: "main", to };
  let isFinished = false;
  for (let number = 1; !isFinished; number++) {
    for (const fault of ["before", "after"] as const) {
      const storage = new MemoryStorage();
      const faulty = new FaultyStorage(storage, dieAt(number, fault));
      await Repository.create(faulty, { encrypt }).catch((error) =>
        assert.ok(isInjected(error))
      );
      isFinished = faulty.operations < number;
      if (storage.objects.has("deltar.json")) {
        const keys = await open(storage, "main");
        assert.equal(keys.isWriteOnly, false);
        await keys.rotate();
        await open(storage, "main");
        continue;
      }
      await assert.rejects(open(storage, "main"), { code: "not-found" });
      for (const name of [...storage.objects.keys()]) {
        assert.match(name, /^(?:manifests\/)?keys\//);
        if (name.startsWith("keys/")) storage.objects.delete(name);
      }
      await Repository.create(storage, { encrypt });
      const { damage, uncovered } = await verifySealed(storage, { data: true });
      assert.deepEqual([damage, uncovered], [[], []]);
    }
  }
});
