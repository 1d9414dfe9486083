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
import { dieAt, FaultyStorage, isInjected } from "../support/faulty_storage.ts";
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
  assert.deepEqual(sealed.unlisted, [], what);
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
