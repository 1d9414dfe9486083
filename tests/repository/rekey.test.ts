import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { mirror } from "../../lib/repository/mirror.ts";
import type { RepositoryKeys } from "../../lib/repository/mod.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { withCache } from "../../lib/repository/with_cache.ts";
import { FaultyStorage, isInjected } from "../support/faulty_storage.ts";
import { hooked } from "../support/hooked.ts";
import { noise } from "../support/noise.ts";
import { needs, run } from "../support/peer.ts";
import { play } from "../support/schedule.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything } from "./helpers.ts";

const admin = await newIdentity();
const other = await newIdentity();
const writer = await newIdentity();
const key = await readPrivateKey(await makeKeyPair(""));
const writerKey = await readPrivateKey(await makeKeyPair(""));
const machine = { id: "m1", host: "one", key };
const writerMachine = { id: "m2", host: "two", key: writerKey };

const SLOW = process.env.SLOW === "1";

/** The time after which an interrupted change is ignored, in milliseconds. */
const INTERRUPTED_MS = 11 * 60_000;

function open(storage: Storage, own = admin): Promise<Repository> {
  return Repository.open(storage, { keys: [own], machine });
}

function openWriter(storage: Storage): Promise<Repository> {
  return Repository.open(storage, { keys: [writer], machine: writerMachine });
}

function keysOf({ keys }: Repository): RepositoryKeys {
  if (keys === undefined) throw new Error("not encrypted");
  return keys;
}

/** Returns the keys that sign the manifests of a repository. */
async function signersOf(storage: Storage): Promise<string[]> {
  const { adminPublicKey } = keysOf(await open(storage));
  return [key.publicKey, writerKey.publicKey, adminPublicKey];
}

function copyOf({ objects }: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  for (const [name, bytes] of objects) copy.objects.set(name, bytes);
  return copy;
}

/** Makes a repository with two full keys and a write-only key. */
async function makeKeys(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, {
    encrypt: { name: "admin", to: await recipientOf(admin) },
    machine,
  });
  const keys = keysOf(repository);
  await keys.add({ name: "other", to: await recipientOf(other) });
  await keys.add({
    name: "writer",
    kind: "write-only",
    to: await recipientOf(writer),
    signer: { publicKey: writerKey.publicKey, machine: writerMachine },
  });
  return storage;
}

/**
 * Makes a rotated repository with a moved volume, labels, a proof, a removed
 * snapshot, snapshots of a write-only machine, and some snapshots from after
 * the rotation.
 */
async function make(folder: string): Promise<{
  storage: MemoryStorage;
  states: Map<string, unknown>;
}> {
  const storage = await makeKeys();
  const root = join(folder, "root");
  fs.mkdirSync(root);
  const states = new Map<string, unknown>();
  const snapshot = async (repository: Repository) => {
    roundTimes(root);
    const { record } = await repository.snapshot(everything(root), {
      cache: join(folder, `cache-${repository.keys?.openedBy}`),
    });
    states.set(record.id, stateOf(root));
    return record;
  };
  for (let n = 0; n < 5; n++) {
    for (let file = n; file < 5; file++) {
      fs.writeFileSync(
        join(root, `file ${file}`),
        noise(400_000, 10 * n + file),
      );
    }
    if (n === 0) fs.writeFileSync(join(root, "large"), noise(1_200_000, 99));
    else fs.appendFileSync(join(root, "large"), `more ${n}`);
    await snapshot(await open(storage));
  }
  const repository = await open(storage);
  const [first, second, third, fourth] = await repository.snapshots();
  await repository.label(third, "a label");
  await repository.drill({ files: 1 });
  await repository.forget(first);
  await repository.forget(second);
  await repository.prune({}, { grace: 0, repackBelow: 0.99 });
  await repository.forget(fourth);
  for (const { id } of [first, second, fourth]) states.delete(id);
  fs.appendFileSync(join(root, "large"), "by the writer");
  await snapshot(await openWriter(storage));
  await keysOf(repository).rotate();
  fs.appendFileSync(join(root, "large"), "after the rotation");
  await snapshot(await open(storage));
  return { storage, states };
}

/** Returns the payloads of all age files, by name. */
function payloads({ objects }: MemoryStorage): Map<string, string> {
  const all = new Map<string, string>();
  for (const [name, bytes] of objects) {
    if (/^(?:keys\/|recipients)/.test(name) || !name.endsWith(".age")) continue;
    const text = Buffer.from(bytes).toString("latin1");
    const mac = text.indexOf("\n---");
    all.set(name, text.slice(text.indexOf("\n", mac + 1) + 1));
  }
  return all;
}

async function assertWhole(
  storage: MemoryStorage,
  { states, folder, by = [admin] }: {
    states: ReadonlyMap<string, unknown>;
    folder?: string;
    by?: string[];
  },
  what = "",
): Promise<void> {
  for (const own of by) {
    const repository = await open(storage, own);
    const { damage } = await repository.verify({ data: folder !== undefined });
    assert.deepEqual(damage, [], what);
    const records = await repository.snapshots();
    assert.deepEqual(
      records.map(({ id }) => id).sort(),
      [...states.keys()].sort(),
      what,
    );
    if (folder === undefined) continue;
    for (const record of records) {
      const target = join(folder, `restored ${record.id}`);
      await repository.restore(record, target);
      assert.deepEqual(stateOf(target), states.get(record.id), what);
      fs.rmSync(target, { recursive: true });
    }
  }
  const sealed = await verifySealed(storage, {
    data: true,
    signers: await signersOf(storage),
  });
  assert.deepEqual(sealed.damage, [], what);
  assert.deepEqual(sealed.unlisted, [], what);
}

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

test("rekey() leaves nothing for the old identity, and does not change any payload", async () => {
  await withTemp(async (folder) => {
    const { storage, states } = await make(folder);
    assert.ok([...storage.objects.keys()].some((n) => n.startsWith("moves/")));
    const before = payloads(storage);
    const old = copyOf(storage);
    // This reader has already read the headers of objects.
    const reader = await open(storage);
    const [record] = await reader.snapshots();
    const tree = await reader.tree(record);
    const repository = await open(storage);
    const plan = await repository.planRekey();
    assert.ok(plan.objects > 15, `${plan.objects}`);
    assert.deepEqual([plan.atWork, plan.damage], [[], []]);
    assert.deepEqual(payloads(storage), before);
    let seen = 0;
    const result = await repository.rekey({
      onPlan: (planned) => {
        assert.deepEqual(planned, plan);
        return true;
      },
      onProgress: ({ phase, done, bytes }) => {
        if (phase === "writing") [seen] = [done, bytes];
      },
    });
    assert.deepEqual(result, { ...plan, retired: 1 });
    assert.equal(seen, plan.objects);
    // Only the headers have changed, and their lengths are the same.
    const after = payloads(storage);
    for (const [name, payload] of before) {
      assert.equal(after.get(name), payload, name);
      assert.equal(
        storage.objects.get(name)?.length,
        old.objects.get(name)?.length,
      );
    }
    assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
    await assertWhole(storage, { states, folder, by: [admin, other] });
    const [again] = (await (await open(storage)).snapshots())
      .filter(({ label }) => label === "a label");
    assert.ok(again !== undefined);
    const [removed] = await (await open(storage)).removed();
    assert.equal(removed.reason, "forgotten");
    for (const { path } of tree.entries.filter(({ kind }) => kind === "file")) {
      const content = await reader.readFile(record, path);
      assert.ok((await Array.fromAsync(content)).length > 0);
    }
    // Nothing is left to do, and the manifests list only stored objects.
    assert.equal((await (await open(storage)).planRekey()).objects, 0);
    const listed = [...storage.objects.entries()]
      .filter(([name]) => name.startsWith("manifests/"))
      .flatMap(([, bytes]) => new TextDecoder().decode(bytes).split("\n"))
      .flatMap((line) => /"name":"([^"]+\.age)","size"/.exec(line)?.[1] ?? []);
    assert.equal(new Set(listed).size, listed.length);
  });
});

test(
  "age decrypts every object with only the new identity, and none with the old one",
  {
    ...needs("age"),
  },
  async () => {
    await withTemp(async (folder) => {
      const { storage } = await make(folder);
      const keys = keysOf(await open(storage));
      const [newest, old] = keys.identities();
      await (await open(storage)).rekey();
      const files = {
        newest: join(folder, "newest"),
        old: join(folder, "old"),
      };
      fs.writeFileSync(files.newest, `${newest}\n`);
      fs.writeFileSync(files.old, `${old}\n`);
      const file = join(folder, "file");
      let count = 0;
      for (const [name, bytes] of storage.objects) {
        if (name.startsWith("keys/") || !name.endsWith(".age")) continue;
        count++;
        fs.writeFileSync(file, bytes);
        run("age", ["-d", "-i", files.newest, file]);
        assert.throws(
          () => run("age", ["-d", "-i", files.old, file]),
          /no identity matched/,
          name,
        );
      }
      assert.ok(count > 20);
      // age uses only the newest identity of a key file.
      const own = join(folder, "own");
      fs.writeFileSync(own, `${admin}\n`);
      const input = storage.objects.get("keys/admin.age");
      const text = Buffer.from(run("age", ["-d", "-i", own], { input }))
        .toString();
      assert.deepEqual(
        text.split("\n").filter((line) => /^[^#]/.test(line)),
        [newest],
      );
      assert.ok(text.includes(`# retired: ${old}\n`));
    });
  },
);

test("a cache from before a rekey can be used after it", async () => {
  await withTemp(async (folder) => {
    const { storage } = await make(folder);
    const cache = new MemoryStorage();
    const cached = withCache(storage, cache);
    const names = async () => {
      const repository = await open(cached);
      const trees = [];
      for (const record of await repository.snapshots()) {
        trees.push((await repository.tree(record)).entries.length);
      }
      return trees;
    };
    const before = await names();
    assert.ok(cache.objects.size > 0);
    await (await open(storage)).rekey();
    assert.deepEqual(await names(), before);
    assert.deepEqual((await (await open(cached)).verify()).damage, []);
    await keysOf(await open(cached)).rotate();
    await (await open(cached)).rekey();
    assert.deepEqual(await names(), before);
    assert.equal((await (await open(storage)).planRekey()).objects, 0);
  });
});

test("mirror() copies rekeyed objects again", async () => {
  await withTemp(async (folder) => {
    const { storage, states } = await make(folder);
    const copy = new MemoryStorage();
    const signers = await signersOf(storage);
    await mirror(storage, copy, { signers });
    await (await open(storage)).rekey();
    // If a mirror is interrupted at any object, the next one completes the
    // copy.
    for (let stop = 1; stop < 40; stop += 9) {
      const faulty = new FaultyStorage(
        copy,
        ({ kind, number }) =>
          kind === "put" && number > stop ? "before" : undefined,
      );
      await assert.rejects(mirror(storage, faulty, { signers }), isInjected);
      const { damage } = await verifySealed(copy, { data: true, signers });
      assert.deepEqual(damage, [], `interrupted at ${stop}`);
      const found = await (await open(copy)).verify();
      assert.deepEqual(found.damage, [], `interrupted at ${stop}`);
    }
    const { objects, damage } = await mirror(storage, copy, { signers });
    assert.ok(objects > 15);
    assert.deepEqual(damage, []);
    const same = (name: string) =>
      Buffer.compare(storage.objects.get(name)!, copy.objects.get(name)!) === 0;
    for (const name of storage.objects.keys()) assert.ok(same(name), name);
    assert.equal((await mirror(storage, copy, { signers })).objects, 0);
    await assertWhole(copy, { states, folder });
  });
});

test("rekey() of large objects can be continued, and leaves few manifests", async () => {
  await withTemp(async (folder) => {
    const before = await makeKeys();
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const states = new Map<string, unknown>();
    // There are more objects than fit into the memory of one batch.
    for (const n of [1, 2]) {
      fs.writeFileSync(join(root, `large ${n}`), noise(17 << 20, n));
      roundTimes(root);
      const { record } = await (await open(before)).snapshot(everything(root));
      states.set(record.id, stateOf(root));
    }
    await keysOf(await open(before)).rotate();
    const old = payloads(before);
    for (const stop of [3, 5, Infinity]) {
      const storage = copyOf(before);
      const isOver = ({ name }: { name: string }) =>
        /^(?:volumes|signatures|manifests)\//.test(name);
      let puts = 0;
      const faulty = new FaultyStorage(
        storage,
        (operation) =>
          operation.kind === "put" && isOver(operation) && ++puts >= stop
            ? "after"
            : undefined,
      );
      const first = open(faulty).then((one) => one.rekey({ patience: 0 }));
      if (stop < Infinity) await assert.rejects(first, isInjected);
      else await first;
      await assertWhole(storage, { states }, `stopped at ${stop}`);
      await (await open(storage)).rekey({ patience: 0 });
      assert.deepEqual(payloads(storage), old);
      await assertWhole(storage, { states, folder }, `stopped at ${stop}`);
      const manifests = [...storage.objects.keys()]
        .filter((name) => /^manifests\/[^/]+\.\d+\.json$/.test(name));
      // An interrupted rekey leaves the manifests that it had stored.
      const most = stop < Infinity ? 4 : 1;
      assert.ok(manifests.length <= most, `${stop}: ${manifests}`);
    }
  });
});

test("a write-only machine continues after a rekey", async () => {
  await withTemp(async (folder) => {
    const { storage, states } = await make(folder);
    await (await open(storage)).rekey();
    const root = join(folder, "root");
    fs.appendFileSync(join(root, "large"), "after the rekey");
    roundTimes(root);
    const { record } = await (await openWriter(storage)).snapshot(
      everything(root),
      { cache: join(folder, "cache-writer") },
    );
    assert.ok(record.parent !== undefined);
    assert.ok(record.counts.stored < 10_000, `${record.counts.stored}`);
    states.set(record.id, stateOf(root));
    await assertWhole(storage, { states, folder });
  });
});

test("rekey() that is killed leaves objects that every key decrypts, and the next call completes it", async () => {
  await withTemp(async (folder) => {
    const before = await makeKeys();
    const root = join(folder, "root");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "file"), "content");
    roundTimes(root);
    const { record } = await (await open(before)).snapshot(everything(root));
    const states = new Map([[record.id, stateOf(root)]]);
    await (await open(before)).label(record, "a label");
    await keysOf(await open(before)).rotate();
    let isFinished = false;
    let number = 0;
    while (!isFinished) {
      number++;
      assert.ok(number < 200);
      for (
        const fault of SLOW ? ["before", "after"] as const : ["before"] as const
      ) {
        const storage = copyOf(before);
        // The stored objects depend only on the changes that were made.
        let changes = -Infinity;
        let isDead = false;
        const faulty = new FaultyStorage(storage, ({ kind }) => {
          if (isDead) return "before";
          if (kind !== "put" && kind !== "delete") return undefined;
          isDead = ++changes === number;
          return isDead ? fault : undefined;
        });
        const repository = await open(faulty);
        changes = 0;
        try {
          await repository.rekey({ patience: 0 });
          isFinished = !isDead;
        } catch (error) {
          assert.ok(isInjected(error), String(error));
        }
        const what = `killed ${fault} change ${number}`;
        const own = number % 2 === 0 ? admin : other;
        await assertWhole(storage, { states, by: [own] }, what);
        await openWriter(storage);
        await later(async () => {
          const repository = await open(storage, own);
          const result = await repository.rekey({ patience: 0 });
          assert.deepEqual([result.atWork, result.damage], [[], []], what);
        });
        const by = own === admin ? [other] : [admin];
        await assertWhole(storage, { states, by }, what);
        const rest = await open(storage);
        assert.equal((await rest.planRekey()).objects, 0, what);
        assert.deepEqual(await rest.rekey({ patience: 0 }), {
          ...{ objects: 0, bytes: 0, atWork: [], damage: [], retired: 0 },
        }, what);
        // The manifest of a mark may remain. It lists a deleted object.
        const names = [...storage.objects.keys()]
          .filter((name) => !name.startsWith("manifests/"));
        assert.doesNotMatch(names.join(" "), /lease|changes/, what);
      }
    }
    assert.ok(number > 15, `${number}`);
  });
});

/** Yields schedules of two works, with a few switches from one to the other. */
function* schedules(): Generator<(enabled: number[], step: number) => number> {
  for (const first of [0, 1]) {
    for (let one = 8; one < 120; one += SLOW ? 3 : 51) {
      for (const two of SLOW ? [4, 11, 25, 60] : [30]) {
        yield (enabled, step) => {
          const isOther = step >= one && step < one + two;
          const wanted = isOther ? 1 - first : first;
          return enabled.includes(wanted) ? wanted : enabled[0];
        };
      }
    }
  }
}

test("a rekey and another change, snapshot, prune or rekey at the same time lose nothing", async () => {
  await withTemp(async (folder) => {
    const before = await makeKeys();
    const root = join(folder, "root");
    fs.mkdirSync(root);
    fs.writeFileSync(join(root, "file"), "content");
    roundTimes(root);
    const first = await (await open(before)).snapshot(everything(root));
    fs.writeFileSync(join(root, "file"), "new content");
    roundTimes(root);
    await (await open(before)).snapshot(everything(root));
    await keysOf(await open(before)).rotate();
    const to = await recipientOf(await newIdentity());
    const signers = await signersOf(before);
    const patience = 0;
    const works: Record<string, (repository: Repository) => Promise<unknown>> =
      {
        add: ({ keys }) => keys!.add({ name: "new", to }),
        revoke: ({ keys }) => keys!.revoke(writerKey.publicKey),
        rotate: ({ keys }) => keys!.rotate(),
        rekey: (repository) => repository.rekey({ patience }),
        prune: (repository) =>
          repository.prune({ last: 1 }, { grace: 0, patience }),
        forget: (repository) => repository.forget(first.record),
        label: (repository) => repository.label(first.record, "new"),
        snapshot: (repository) =>
          repository.snapshot(everything(root), { label: "again" }),
      };
    for (const [name, work] of Object.entries(works)) {
      let both = 0;
      for (const choose of schedules()) {
        const { storage, outcomes } = await play(before.objects, [
          async (storage) => await (await open(storage)).rekey({ patience }),
          async (storage) => await work(await open(storage, other)),
        ], choose);
        const isDone = outcomes.map(({ status }) => status === "fulfilled");
        if (isDone.every(Boolean)) both++;
        for (const outcome of outcomes) {
          if (outcome.status === "fulfilled") continue;
          const { reason } = outcome;
          assert.match(
            codeOf(reason) ?? "",
            /^(?:conflict|key|exists)$/,
            `${name}: ${reason.stack}`,
          );
        }
        // Both keys open everything, with and without another rekey.
        for (const round of [1, 2]) {
          const own = round === 1 ? other : admin;
          const found = await (await open(storage, own)).verify({ data: true });
          assert.deepEqual(found.damage, [], `${name}, round ${round}`);
          const trusted = name === "revoke" && isDone[1]
            ? signers.filter((signer) => signer !== writerKey.publicKey)
            : signers;
          const { damage } = await verifySealed(storage, {
            data: true,
            signers: trusted,
          });
          assert.deepEqual(damage, [], `${name}, round ${round}`);
          await later(async () =>
            await (await open(storage)).rekey({ patience })
          );
        }
        const keys = keysOf(await open(storage));
        if (name === "revoke" && isDone[1]) {
          assert.equal(
            await keys.signers.trust(writerKey.publicKey),
            "revoked",
          );
        }
        if (name === "add" && isDone[1]) {
          assert.ok((await keys.list()).includes("new"));
        }
      }
      assert.ok(both > 0, name);
    }
  });
});

test("rekey() stores nothing again that was deleted after it was read", async () => {
  await withTemp(async (folder) => {
    const before = await makeKeys();
    const root = join(folder, "root");
    fs.mkdirSync(root);
    for (const content of ["content", "new content"]) {
      fs.writeFileSync(join(root, "file"), content);
      roundTimes(root);
      await (await open(before)).snapshot(everything(root));
    }
    const [first, second] = await (await open(before)).snapshots();
    await keysOf(await open(before)).rotate();
    for (const isPruned of [false, true]) {
      const storage = copyOf(before);
      let isDone = false;
      const { now } = Date;
      const slow = hooked(storage, {
        afterPut: async (name) => {
          if (!name.startsWith("manifests/") || isDone) return;
          // The objects were read, and none of them was stored yet.
          isDone = true;
          const repository = await open(storage);
          await repository.forget(first);
          if (!isPruned) return;
          await repository.prune({}, { grace: 0, patience: 4 });
          Date.now = () => now() + 60_000;
        },
      });
      try {
        const rekeyed = (await open(slow)).rekey({ patience: 4 });
        if (isPruned) await assert.rejects(rekeyed, { code: "conflict" });
        else await rekeyed;
      } finally {
        Date.now = now;
      }
      assert.ok(isDone);
      const repository = await open(storage);
      const ids = async () =>
        (await repository.snapshots()).map(({ id }) => id);
      assert.deepEqual(await ids(), [second.id]);
      await repository.rekey({ patience: 4 });
      const states = new Map([[second.id, stateOf(root)]]);
      await assertWhole(storage, { states, folder });
      if (!isPruned) {
        await repository.undelete(first.id);
        assert.deepEqual(await ids(), [first.id, second.id]);
      }
      await repository.prune({}, { grace: 0, patience: 4 });
    }
  });
});

test("rekey() skips damaged objects and the objects of runs", async () => {
  await withTemp(async (folder) => {
    const { storage } = await make(folder);
    const name = [...storage.objects.keys()]
      .filter((name) => name.startsWith("volumes/")).sort()[0];
    const bytes = storage.objects.get(name)!;
    const damaged = bytes.slice();
    damaged[damaged.length - 1] ^= 1;
    storage.objects.set(name, damaged);
    const result = await (await open(storage)).rekey();
    assert.deepEqual(result.damage.map(({ object }) => object), [name]);
    assert.equal(result.retired, 0);
    assert.deepEqual(storage.objects.get(name), damaged);
    storage.objects.set(name, bytes);
    const next = await (await open(storage)).rekey();
    assert.deepEqual([next.objects, next.retired], [1, 1]);
    assert.equal(
      (await verifySealed(storage, { data: true })).damage.length,
      0,
    );

    // The objects of a run that began before a rotation are encrypted for the
    // old identity.
    const own = keysOf(await open(storage)).decrypted();
    await keysOf(await open(storage)).rotate();
    const id = "20261126T100000Z-abc123";
    const running = [`running/${id}.json`, `volumes/${id}.vol0.tar.zst`];
    for (const one of running) await own.put(one, [Uint8Array.of(1)]);
    const third = await (await open(storage)).rekey();
    assert.deepEqual(
      third.atWork.sort(),
      running.map((name) => `${name}.age`).sort(),
    );
    assert.equal(third.retired, 0);
    await own.delete(running[0]);
    assert.equal((await (await open(storage)).rekey()).retired, 1);
  });
});

test("the passphrase key of another person works after a rekey", async () => {
  const storage = await makeKeys();
  const stale = await open(storage, other);
  await keysOf(await open(storage)).rotate();
  const passphrase = "correct horse";
  await keysOf(await open(storage)).add({ name: "paper", to: { passphrase } });
  const before = await open(storage, other);
  assert.equal((await (await open(storage)).rekey()).retired, 1);
  const paper = await Repository.open(storage, { keys: [{ passphrase }] });
  assert.deepEqual((await paper.verify()).damage, []);
  assert.equal((await paper.planRekey()).objects, 0);
  assert.equal((await paper.rekey()).retired, 0);
  // A program that opened the repository before the rekey, and the key file
  // with the passphrase, do not bring the retired identity back.
  await keysOf(before).add({
    name: "new",
    to: await recipientOf(await newIdentity()),
  });
  await keysOf(before).remove("new");
  await assert.rejects(keysOf(stale).rotate(), { code: "corrupt" });
  await keysOf(before).remove("paper");
  await keysOf(before).rotate();
  const old = keysOf(await open(storage)).identities().slice(2);
  assert.equal(old.length, 1);
  await assert.rejects(openSheet(storage, old), { code: "key" });
});

test("rekey() refuses unencrypted repositories, write-only keys and outdated keys", async () => {
  const plain = await Repository.create(new MemoryStorage());
  await assert.rejects(plain.rekey(), { code: "unsupported" });
  const storage = await makeKeys();
  const nothing = await (await open(storage)).rekey();
  assert.deepEqual(nothing, {
    ...{ objects: 0, bytes: 0, atWork: [], damage: [], retired: 0 },
  });
  await assert.rejects((await openWriter(storage)).rekey(), { code: "key" });
  const outdated = await open(storage);
  const sheet = keysOf(outdated).identities();
  await keysOf(await open(storage)).rotate();
  await assert.rejects(
    async () => await (await openSheet(storage, sheet)).rekey(),
    { code: "key" },
  );
  await (await open(storage)).rekey();
  await assert.rejects(openSheet(storage, sheet), {
    code: "key",
    message: /older than the last rekey/,
  });
  const keys = keysOf(await open(storage));
  const later = await openSheet(storage, keys.identities());
  assert.equal(keysOf(later).recipient(), keys.recipient());
  assert.equal(keysOf(later).adminPublicKey, keysOf(outdated).adminPublicKey);
  // The next rotation does not encrypt for the retired identity, either.
  await keys.rotate();
  await assert.rejects(openSheet(storage, sheet), { code: "key" });
  const result = await (await open(storage)).rekey();
  assert.equal(result.retired, 1);
  assert.equal(keysOf(await open(storage)).identities().length, 3);
});

function openSheet(
  storage: Storage,
  keys: readonly string[],
): Promise<Repository> {
  return Repository.open(storage, { keys, machine });
}
