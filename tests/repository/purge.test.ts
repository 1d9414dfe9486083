import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { codecFor, type CodecName } from "../../lib/archive/codec.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { chunks, collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { isWithin } from "../../lib/tree/path.ts";
import {
  type FaultPlan,
  FaultyStorage,
  isInjected,
} from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes } from "../support/trees.ts";
import { everything, noise } from "./helpers.ts";

const SLOW = process.env.SLOW === "1";
const NOW = { grace: 0, patience: 1 };
/** The length of the runs of bytes that must be gone. */
const RUN = 64;

const admin = await newIdentity();
const key = await readPrivateKey(await makeKeyPair(""));
const machine = { id: "m1", host: "one", key };

/** The entries of each snapshot, with the SHA-256 of the contents, by id. */
type States = Map<string, Map<string, string>>;

interface Stage {
  storage: MemoryStorage;
  isEncrypted: boolean;
  root: string;
  folder: string;
  /** Each version of the purged files. */
  secrets: Uint8Array[];
}

function open(storage: Storage, isEncrypted: boolean): Promise<Repository> {
  return isEncrypted
    ? Repository.open(storage, { keys: [admin], machine })
    : Repository.open(storage);
}

/** Reads every file of every snapshot, except those in some paths. */
async function statesOf(
  repository: Repository,
  without: readonly string[] = [],
): Promise<States> {
  const states: States = new Map();
  for (const record of await repository.snapshots()) {
    const state = new Map<string, string>();
    for (const entry of (await repository.tree(record)).entries) {
      const { path, kind, mode, mtime, target } = entry;
      if (without.some((one) => isWithin(path, one))) continue;
      let sum = "";
      if (entry.kind === "file") {
        const bytes = await collect(await repository.readFile(record, path));
        sum = toHex(sha256(bytes));
      }
      state.set(path, `${kind} ${mode} ${mtime} ${target} ${sum}`);
    }
    states.set(record.id, state);
  }
  return states;
}

/**
 * Returns the names of the objects that have a run of bytes of a secret, after
 * decryption and decompression.
 */
async function leaks(
  { storage, isEncrypted }: Pick<Stage, "storage" | "isEncrypted">,
  secrets: readonly Uint8Array[],
): Promise<string[]> {
  // A run of 64 bytes has at least one whole aligned block of 32 bytes.
  const size = RUN / 2;
  const blocks = new Map<number, Set<string>>();
  for (const secret of secrets) {
    const buffer = Buffer.from(secret);
    for (let at = 0; at + size <= buffer.length; at += size) {
      const first = buffer.readUInt32LE(at);
      const known = blocks.get(first) ?? new Set();
      blocks.set(first, known.add(buffer.toString("latin1", at, at + size)));
    }
  }
  const repository = await open(storage, isEncrypted);
  const found: string[] = [];
  for await (const { name } of repository.storage.list()) {
    const stored = await collect(repository.storage.get(name));
    const plains = [stored];
    const codec: CodecName | undefined = /\.(?:tgz|gz)$/.test(name)
      ? "gzip"
      : /\.zst$/.test(name)
      ? "zstd"
      : undefined;
    if (codec !== undefined) {
      plains.push(
        await collect(codecFor(codec).decompress(chunks(stored))),
      );
    }
    for (const plain of plains) {
      const buffer = Buffer.from(plain);
      for (let at = 0; at + size <= buffer.length; at++) {
        const same = blocks.get(buffer.readUInt32LE(at));
        if (same?.has(buffer.toString("latin1", at, at + size))) {
          found.push(name);
          break;
        }
      }
    }
  }
  return found;
}

/**
 * A repository with small and large secrets that change, and with removed
 * snapshots, safety snapshots, moved volumes, and dead contents.
 */
async function make(
  folder: string,
  { codec, isEncrypted }: { codec: CodecName; isEncrypted: boolean },
): Promise<Stage> {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, {
    codec,
    ...isEncrypted && {
      encrypt: { name: "admin", to: await recipientOf(admin) },
      machine,
    },
  });
  const root = join(folder, "root");
  fs.mkdirSync(join(root, "keys"), { recursive: true });
  const secrets: Uint8Array[] = [];
  const write = (path: string, bytes: Uint8Array) => {
    fs.writeFileSync(join(root, path), bytes);
    if (path === "token" || path.startsWith("keys/")) secrets.push(bytes);
  };
  const take = async () => {
    roundTimes(root);
    return (await repository.snapshot(everything(root))).record;
  };
  const grown = (bytes: Uint8Array, more: Uint8Array) =>
    new Uint8Array(Buffer.concat([bytes, more]));
  let token = noise(9000, 1);
  let large = noise(1_300_000, 2);
  write("token", token);
  write("keys/large", large);
  write("keys/small", noise(500, 3));
  for (let at = 0; at < 5; at++) write(`file ${at}`, noise(2000, 10 + at));
  write("text", new TextEncoder().encode("some text\n".repeat(300)));
  write("gone", noise(2_000_000, 9));
  const first = await take();
  fs.rmSync(join(root, "gone"));
  for (let at = 0; at < 4; at++) {
    token = grown(token, noise(300, 20 + at));
    large = grown(large, noise(3000, 30 + at));
    write("token", token);
    write("keys/large", large);
    write(`file ${at}`, noise(2000, 40 + at));
    write(`large ${at}`, noise(1_100_000, 50 + at));
    await take();
  }
  const records = await repository.snapshots();
  // The first version of the secrets is only in removed snapshots.
  write("token", noise(9000, 60));
  const last = await take();
  await repository.forget(first);
  await repository.prune({}, { ...NOW, repackBelow: 0.99 });
  await repository.forget(records[2]);
  // A restore takes a safety snapshot of the secrets.
  write("token", noise(5000, 61));
  await repository.restore(last, root);
  fs.rmSync(join(root, "large 0"));
  fs.rmSync(join(root, "large 1"));
  await take();
  return { storage, isEncrypted, root, folder, secrets };
}

const PATHS = ["token", "keys"];

async function assertSound(
  { storage, isEncrypted }: Stage,
  what = "",
  isListed = true,
): Promise<void> {
  const repository = await open(storage, isEncrypted);
  const { damage, untrusted } = await repository.verify({ data: true });
  assert.deepEqual(damage, [], what);
  assert.deepEqual(untrusted, [], what);
  if (!isEncrypted) return;
  const sealed = await verifySealed(storage, {
    data: true,
    signers: [key.publicKey, repository.keys!.adminPublicKey],
  });
  assert.deepEqual(sealed.damage, [], what);
  // A run that was killed has not listed its last objects.
  if (isListed) assert.deepEqual(sealed.unlisted, [], what);
}

for (const codec of ["zstd", "gzip"] as const) {
  for (const isEncrypted of [false, true]) {
    const kind = `${codec}, ${isEncrypted ? "encrypted" : "clear"}`;
    test(`purge() leaves no bytes of the files, and all others: ${kind}`, async () => {
      await withTemp(async (folder) => {
        const stage = await make(folder, { codec, isEncrypted });
        const { storage, secrets } = stage;
        assert.ok((await leaks(stage, secrets)).length > 5);
        const repository = await open(storage, isEncrypted);
        const before = await statesOf(repository, PATHS);
        const names = [...storage.objects.keys()];
        assert.ok(names.some((name) => name.startsWith("moves/")));
        assert.ok(names.some((name) => name.includes("-safety")));
        const plan = await repository.planPurge(PATHS);
        assert.deepEqual([...storage.objects.keys()], names);
        const result = await repository.purge(PATHS, {
          onPlan: (planned) => {
            assert.deepEqual(planned, plan);
            return true;
          },
        });
        assert.deepEqual(result.left, []);
        assert.ok(result.rewritten > 0 && result.deleted > 0);
        assert.deepEqual(await leaks(stage, secrets), []);
        const after = await statesOf(await open(storage, isEncrypted));
        const by = new Map(result.replaced.map(({ id, by }) => [id, by]));
        assert.deepEqual(
          [...after].sort(),
          [...before].map(([id, state]) => [by.get(id) ?? id, state]).sort(),
        );
        await assertSound(stage);
        const again = await open(storage, isEncrypted);
        for (const record of await again.snapshots()) {
          if (![...by.values()].includes(record.id)) continue;
          assert.deepEqual(record.purged?.paths, PATHS);
          const state = after.get(record.id)!;
          const files = [...state.values()].filter((one) => /^file/.test(one));
          assert.equal(record.counts.files, files.length);
        }
        assert.equal((await again.removed()).length, 1);
        // Nothing is left for the next purge, and prunes find everything.
        const next = await again.planPurge(PATHS);
        assert.deepEqual([next.snapshots, next.unfinished], [[], []]);
        const pruned = await again.prune({}, NOW);
        assert.deepEqual([pruned.missing, pruned.damaged], [[], []]);
        assert.deepEqual(await leaks(stage, secrets), []);
        await assertSound(stage, "after a prune");
      });
    });
  }
}

/** A small repository in which every kind of object is affected. */
async function makeSmall(
  folder: string,
  isEncrypted: boolean,
): Promise<Stage> {
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage, {
    ...isEncrypted && {
      encrypt: { name: "admin", to: await recipientOf(admin) },
      machine,
    },
  });
  const root = join(folder, "root");
  fs.mkdirSync(root);
  const secrets = [noise(5000, 1), noise(5000, 2)];
  const take = async () => {
    roundTimes(root);
    return (await repository.snapshot(everything(root))).record;
  };
  fs.writeFileSync(join(root, "token"), secrets[0]);
  fs.writeFileSync(join(root, "file"), noise(3000, 3));
  fs.writeFileSync(join(root, "gone"), noise(1_060_000, 4));
  const first = await take();
  fs.rmSync(join(root, "gone"));
  const second = await take();
  await repository.label(second, "a label");
  await repository.forget(first);
  await repository.prune({}, { ...NOW, repackBelow: 0.99 });
  fs.writeFileSync(join(root, "token"), secrets[1]);
  fs.writeFileSync(join(root, "file"), noise(3000, 5));
  const third = await take();
  await repository.forget(await take0(third));
  fs.renameSync(join(root, "token"), join(root, "old"));
  fs.appendFileSync(join(root, "old"), noise(100, 6));
  await take();
  await repository.restore(second, root, { paths: ["file"] });
  return { storage, isEncrypted, root, folder, secrets };

  /** Takes one more snapshot with a changed file, which is removed. */
  async function take0(_: unknown) {
    fs.writeFileSync(join(root, "file"), noise(3000, 7));
    return await take();
  }
}

for (const isEncrypted of [false, true]) {
  const kind = isEncrypted ? "encrypted" : "clear";
  test(`purge() that is killed at any change loses nothing, and the next ends it: ${kind}`, async () => {
    await withTemp(async (folder) => {
      const stage = await makeSmall(folder, isEncrypted);
      const before = await statesOf(await open(stage.storage, isEncrypted), [
        "token",
      ]);
      const contents = [...before.values()].map((state) =>
        JSON.stringify([...state])
      ).sort();
      let killed = 0;
      for (let at = 1;; at++) {
        const storage = copyOf(stage.storage);
        const faulty = new FaultyStorage(storage, dieAtChange(at));
        const first = open(faulty, isEncrypted)
          .then((one) => one.purge(["token"], { patience: 0 }));
        const isDone = await first.then(() => true, (error) => {
          assert.ok(isInjected(error), `${at}: ${error.stack}`);
          return false;
        });
        const what = `change ${at}`;
        if (!isDone) killed++;
        const between = await statesOf(await open(storage, isEncrypted), [
          "token",
        ]);
        const found = new Set(
          [...between.values()].map((state) => JSON.stringify([...state])),
        );
        for (const one of contents) assert.ok(found.has(one), what);
        const copied = { ...stage, storage };
        await assertSound(copied, what, false);
        if (at % 2 === 0) {
          const again = await open(storage, isEncrypted);
          const { missing, damaged } = await again.prune({}, NOW);
          assert.deepEqual([missing, damaged], [[], []], what);
          await assertSound(copied, `${what}, after a prune`, false);
        }
        const next = await open(storage, isEncrypted);
        const { left } = await next.purge(["token"], { patience: 0 });
        assert.deepEqual(left, [], what);
        const after = await statesOf(await open(storage, isEncrypted));
        assert.deepEqual(
          [...after.values()].map((state) => JSON.stringify([...state]))
            .sort(),
          contents,
          what,
        );
        await assertSound(copied, `${what}, in the end`, false);
        assert.deepEqual(await leaksOf(copied), [], what);
        const labels = (await next.snapshots()).map(({ label }) => label);
        assert.ok(labels.includes("a label"), what);
        if (isDone) break;
        if (!SLOW) at += isEncrypted ? 4 : 1;
      }
      assert.ok(killed > 8, `${killed}`);
    });
  });
}

/** Leaks of the bytes that no file has that stays. */
async function leaksOf(stage: Stage): Promise<string[]> {
  return await leaks(stage, [stage.secrets[0]]);
}

/** The machine dies at the nth change of the storage. */
function dieAtChange(nth: number): FaultPlan {
  let changes = 0;
  return ({ kind, number }) => {
    if (changes >= nth) return "before";
    if (kind !== "put" && kind !== "delete") return undefined;
    if (++changes < nth) return undefined;
    return number % 2 === 0 ? "before" : "after";
  };
}

function copyOf({ objects }: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  for (const [name, bytes] of objects) copy.objects.set(name, bytes);
  return copy;
}
