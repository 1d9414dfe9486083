import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { encrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { codecFor, type CodecName } from "../../lib/archive/codec.ts";
import { codeOf } from "../../lib/bytes/errors.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { chunks, collect } from "../../lib/bytes/source.ts";
import { encodeRecord } from "../../lib/repository/format/snapshot_record.ts";
import { LayerReader } from "../../lib/repository/layers/layer_reader.ts";
import { LayerWriter } from "../../lib/repository/layers/layer_writer.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { verifySealed } from "../../lib/repository/verify/verify_sealed.ts";
import { makeKeyPair, readPrivateKey } from "../../lib/ssh/mod.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { isWithin } from "../../lib/tree/path.ts";
import {
  type FaultPlan,
  FaultyStorage,
  generator,
  isInjected,
} from "../support/faulty_storage.ts";
import { play } from "../support/schedule.ts";
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

/** The entries of each snapshot by id, with the SHA-256 of the contents. */
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
 * Makes a repository with small and large secrets that change, and with removed
 * snapshots, safety snapshots, moved volumes, and unneeded contents.
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
    test(`purge() leaves no bytes of the files, and keeps all others: ${kind}`, async () => {
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
          // The safety snapshot has only the file that the restore changed.
          const paths = record.safety === undefined ? PATHS : ["token"];
          assert.deepEqual(record.purged?.paths, paths);
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

interface Place {
  storage: MemoryStorage;
  root: string;
  repository: Repository;
  write: (path: string, bytes: Uint8Array) => void;
  take: () => Promise<string>;
}

async function withPlace(work: (place: Place) => Promise<void>): Promise<void> {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const root = join(folder, "root");
    fs.mkdirSync(root);
    await work({
      storage,
      root,
      repository,
      write: (path, bytes) => {
        fs.mkdirSync(join(root, path, ".."), { recursive: true });
        fs.writeFileSync(join(root, path), bytes);
      },
      take: async () => {
        roundTimes(root);
        return (await repository.snapshot(everything(root))).record.id;
      },
    });
  });
}

function leaksIn(
  { storage }: Place,
  ...secrets: Uint8Array[]
): Promise<string[]> {
  return leaks({ storage, isEncrypted: false }, secrets);
}

/** Returns the paths of the last snapshot. */
async function pathsOf(
  { repository }: Place,
  id?: string,
): Promise<string[]> {
  const records = await repository.snapshots();
  const record = records.find((one) => one.id === id) ?? records.at(-1)!;
  return (await repository.tree(record)).entries.map(({ path }) => path);
}

async function assertWhole({ repository }: Place): Promise<void> {
  assert.deepEqual((await repository.verify({ data: true })).damage, []);
}

test("purge() names other files with the same content, and with `all` deletes them, too", async () => {
  await withPlace(async (place) => {
    const { repository, write, take } = place;
    const secret = noise(3000, 1);
    write("token", secret);
    write("folder/copy", secret);
    write("file", noise(2000, 2));
    const first = await take();
    write("folder/copy", noise(2500, 3));
    await take();
    write("folder/copy", secret);
    await take();
    const plan = await repository.planPurge(["token"]);
    assert.deepEqual(plan.others, [
      { path: "folder/copy", sameAs: "token", snapshot: first },
    ]);
    const { left } = await repository.purge(["token"]);
    assert.deepEqual(left, []);
    assert.deepEqual(await pathsOf(place), ["file", "folder", "folder/copy"]);
    assert.ok((await leaksIn(place, secret)).length > 0);
    write("token", secret);
    await take();
    const all = await repository.purge(["token"], { all: true });
    assert.deepEqual(all.others, []);
    assert.deepEqual(await pathsOf(place), ["file", "folder"]);
    assert.deepEqual(await leaksIn(place, secret), []);
    const [one, two, three, four] = await repository.snapshots();
    assert.deepEqual(one.purged?.paths, ["token", "folder/copy"]);
    assert.equal(two.purged?.paths.length, 1);
    assert.deepEqual(three.purged?.paths, ["token", "folder/copy"]);
    assert.deepEqual(four.purged?.paths, ["token", "folder/copy"]);
    assert.ok((await pathsOf(place, two.id)).includes("folder/copy"));
    assert.deepEqual(
      [one, two, three, four].map(({ counts: { files } }) => files),
      [1, 2, 1, 1],
    );
    await assertWhole(place);
  });
});

test("purge() stores files whose content is a delta of purged content again", async () => {
  for (const size of [9000, 1_300_000]) {
    await withPlace(async (place) => {
      const { root, repository, write, take } = place;
      const secret = noise(size, 1);
      write("token", secret);
      write("file", noise(2000, 2));
      await take();
      // The beginning of the file remains under another name.
      fs.renameSync(join(root, "token"), join(root, "renamed"));
      await take();
      const kept = Buffer.concat([secret.subarray(size / 10), noise(100, 3)]);
      write("renamed", new Uint8Array(kept));
      await take();
      fs.appendFileSync(join(root, "renamed"), "more");
      const last = await take();
      const tree = await repository.tree(
        (await repository.snapshots()).at(-1)!,
      );
      const entry = tree.byPath.get("renamed");
      assert.ok(entry?.kind === "file" && entry.content.length > 1);
      const result = await repository.purge(["token"], { all: true });
      assert.deepEqual(result.storedAgain, ["renamed"]);
      assert.deepEqual([result.others, result.left], [[], []]);
      assert.equal(result.replaced.at(-1)?.id, last);
      assert.deepEqual(
        await leaksIn(place, secret.slice(0, size / 10 - RUN)),
        [],
      );
      const records = await repository.snapshots();
      assert.deepEqual(
        records.map(({ purged }) => purged?.paths),
        [["token"], ["renamed"], [], []],
      );
      const bytes = await collect(
        await repository.readFile(records[2], "renamed"),
      );
      assert.equal(Buffer.compare(bytes, kept), 0);
      await assertWhole(place);
      // The next snapshot makes a delta against the new pieces.
      fs.appendFileSync(join(root, "renamed"), "and more");
      await take();
      await assertWhole(place);
    });
  }
});

test("purge() from one snapshot keeps the path in the others", async () => {
  await withPlace(async (place) => {
    const { repository, write, take } = place;
    const [one, two] = [noise(9000, 1), noise(300, 8)];
    write("token", one);
    write("file", noise(2000, 2));
    await take();
    write("token", new Uint8Array(Buffer.concat([one, two])));
    const second = await take();
    write("token", noise(500, 4));
    const third = await take();
    const { replaced, others, left } = await repository.purge(["token"], {
      from: [second],
    });
    assert.deepEqual([replaced.map(({ id }) => id), left], [[second], []]);
    assert.deepEqual(others, []);
    assert.deepEqual(await pathsOf(place, replaced[0].by), ["file"]);
    assert.deepEqual(await pathsOf(place, third), ["file", "token"]);
    assert.deepEqual(await leaksIn(place, two), []);
    await assertWhole(place);
  });
});

test("purge() rewrites the layers of snapshots without the path, and lists only lost paths as skipped", async () => {
  await withPlace(async (place) => {
    const { storage, root, repository, write, take } = place;
    const secret = noise(3000, 1);
    for (let at = 0; at < 8; at++) write(`file ${at}`, noise(500, 10 + at));
    await take();
    write("token", secret);
    const second = await take();
    write("folder/copy", secret);
    const third = await take();
    fs.rmSync(join(root, "token"));
    const last = await take();
    const { replaced, left, snapshots } = await repository.purge(
      ["token", "never"],
      { all: true },
    );
    assert.deepEqual(replaced.map(({ id }) => id), [second, third, last]);
    assert.deepEqual(left, []);
    assert.deepEqual(snapshots.at(-1)?.paths, ["folder/copy"]);
    const records = await repository.snapshots();
    const skipped: string[][] = [];
    for (const { layers } of records) {
      const lines: string[] = [];
      for (const layer of layers) {
        for await (const part of new LayerReader(storage, layer).parts({})) {
          lines.push(...part.lines.map(({ path }) => path));
        }
      }
      assert.ok(!lines.includes("token"));
      const reader = new LayerReader(storage, layers.at(-1)!);
      skipped.push((await reader.skipped()).map(({ path }) => path));
    }
    assert.deepEqual(skipped, [
      [],
      ["token"],
      ["token", "folder/copy"],
      ["folder/copy"],
    ]);
    await assertWhole(place);
    assert.deepEqual((await repository.planPurge(["token"])).snapshots, []);
  });
});

test("purge() from one snapshot keeps the files with the same content in others", async () => {
  await withPlace(async (place) => {
    const { root, repository, write, take } = place;
    const secret = noise(9000, 1);
    write("token", secret);
    write("note", noise(3000, 2));
    const first = await take();
    fs.appendFileSync(join(root, "token"), noise(300, 3));
    await take();
    const { replaced, others } = await repository.purge(["token", "note"], {
      from: [first],
      all: true,
    });
    // The other snapshot is replaced because of the delta.
    assert.equal(replaced.length, 2);
    assert.deepEqual(others.map(({ path }) => path), ["note"]);
    assert.deepEqual(await pathsOf(place), ["note", "token"]);
    await assertWhole(place);
  });
});

test("purge() from a snapshot that an interrupted purge has replaced completes that purge", async () => {
  await withPlace(async (place) => {
    const { storage, repository, write, take } = place;
    const secret = noise(9000, 1);
    write("token", secret);
    write("file", noise(2000, 2));
    const first = await take();
    write("token", noise(500, 4));
    await take();
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "put" && name.startsWith("garbage/");
      return isDead ? "before" : undefined;
    });
    await assert.rejects(
      (await Repository.open(faulty)).purge(["token"], { from: [first] }),
      isInjected,
    );
    await assert.rejects(
      repository.purge(["token"], { from: ["20200101"], patience: 0 }),
      (error) => codeOf(error) === "not-found",
    );
    const { left, unfinished } = await repository.purge(["token"], {
      from: [first.slice(-6)],
      patience: 0,
    });
    assert.deepEqual([left, unfinished], [[], [first]]);
    assert.deepEqual(await leaksIn(place, secret), []);
    assert.deepEqual(await pathsOf(place), ["file", "token"]);
    await assertWhole(place);
  });
});

test("purge() refuses a single name of a file with several names", async () => {
  await withPlace(async (place) => {
    const { storage, root, repository, write, take } = place;
    const secret = noise(3000, 1);
    write("a", secret);
    fs.linkSync(join(root, "a"), join(root, "b"));
    write("file", noise(2000, 2));
    await take();
    const names = [...storage.objects.keys()];
    await assert.rejects(repository.purge(["a"]), (error) => {
      assert.equal(codeOf(error), "unsupported");
      assert.match(String(error), /^DeltarError: b: .*hard link.*"a"/);
      return true;
    });
    assert.deepEqual([...storage.objects.keys()], names);
    assert.deepEqual((await repository.planPurge(["b"])).others, [{
      path: "a",
      sameAs: "b",
      snapshot: (await repository.snapshots())[0].id,
    }]);
    const { left } = await repository.purge(["a", "b"]);
    assert.deepEqual(left, []);
    assert.deepEqual(await pathsOf(place), ["file"]);
    assert.deepEqual(await leaksIn(place, secret), []);
    await assertWhole(place);
  });
});

test("purge() deletes contents of interrupted and removed snapshots", async () => {
  await withPlace(async (place) => {
    const { storage, root, repository, write, take } = place;
    const [one, two] = [noise(3000, 1), noise(3000, 2)];
    write("token", one);
    write("file", noise(2000, 3));
    await take();
    write("token", two);
    write("other", noise(2000, 4));
    const [first] = await repository.snapshots();
    await take();
    await repository.forget(first);
    await repository.prune({}, NOW);
    fs.rmSync(join(root, "token"));
    await take();
    const [second] = await repository.snapshots();
    await repository.forget(second);
    await repository.prune({}, NOW);
    // No snapshot has the file, but volumes still have contents of it.
    assert.ok((await leaksIn(place, one, two)).length > 0);
    assert.deepEqual((await repository.planPurge(["token"])).snapshots, []);
    const quick = await repository.purge(["token"], { quick: true });
    assert.equal(quick.rewritten, 0);
    const { rewritten, left } = await repository.purge(["token"]);
    assert.ok(rewritten > 0);
    assert.deepEqual(left, []);
    assert.deepEqual(await leaksIn(place, one, two), []);
    await assertWhole(place);
    const again = await repository.purge(["token"]);
    assert.equal(again.rewritten, 0);
    // A snapshot that is killed after its first volume leaves a checkpoint.
    write("token", noise(1_200_000, 5));
    write("zzz", noise(1_200_000, 6));
    roundTimes(root);
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "put" && name.startsWith("trees/");
      return isDead ? "before" : undefined;
    });
    await assert.rejects(
      (await Repository.open(faulty)).snapshot(everything(root), {
        volumeSize: 1 << 20,
      }),
      isInjected,
    );
    const names = () => [...storage.objects.keys()];
    assert.ok(names().some((name) => name.startsWith("checkpoints/")));
    for (const name of names()) {
      if (name.startsWith("running/")) storage.objects.delete(name);
    }
    const last = await repository.purge(["token"]);
    assert.ok(last.deleted > 0);
    assert.deepEqual(await leaksIn(place, noise(1_200_000, 5)), []);
    fs.rmSync(join(root, "token"));
    await take();
    await assertWhole(place);
  });
});

test("purge() keeps content that a run needs, and completes after the run has ended", async () => {
  await withPlace(async (place) => {
    const { storage, repository, root, write, take } = place;
    const secret = noise(3000, 1);
    write("token", secret);
    write("file", noise(2000, 3));
    await take();
    write("file", noise(2000, 4));
    roundTimes(root);
    let purged: Promise<{ left: string[]; running: string[] }> | undefined;
    const slow = new FaultyStorage(storage);
    const put = slow.put.bind(slow);
    slow.put = async (name, source, options) => {
      if (name.startsWith("trees/")) {
        purged = repository.purge(["token"]);
        await purged;
      }
      await put(name, source, options);
    };
    await (await Repository.open(slow)).snapshot(everything(root));
    const { left, running } = (await purged)!;
    assert.ok(left.length > 0);
    assert.equal(running.length, 1);
    await assertWhole(place);
    assert.deepEqual(await repository.removed(), []);
    await repository.prune({}, NOW);
    await assertWhole(place);
    const end = await repository.purge(["token"]);
    assert.deepEqual(end.left, []);
    assert.equal(end.unfinished.length, 1);
    assert.deepEqual(await leaksIn(place, secret), []);
    await assertWhole(place);
  });
});

test("purge() replaces snapshots that are taken while it asks and while it works", async () => {
  await withPlace(async (place) => {
    const { storage, repository, root, write, take } = place;
    const secret = noise(3000, 1);
    write("token", secret);
    write("file", noise(2000, 3));
    await take();
    write("file", noise(2000, 4));
    const { left, replaced } = await repository.purge(["token"], {
      onPlan: async () => {
        await take();
        return true;
      },
    });
    assert.deepEqual([left, replaced.length], [[], 2]);
    assert.deepEqual(await leaksIn(place, secret), []);
    await assertWhole(place);
    // Another snapshot is taken while the contents are deleted.
    await take();
    write("file", noise(2000, 5));
    const slow = new FaultyStorage(storage);
    const put = slow.put.bind(slow);
    let late: string | undefined;
    slow.put = async (name, source, options) => {
      await put(name, source, options);
      if (name.startsWith("garbage/") && late === undefined) {
        late = (await repository.snapshot(everything(root))).record.id;
      }
    };
    const result = await (await Repository.open(slow)).purge(["token"]);
    assert.ok(result.left.includes(`snapshots/${late}.json`));
    const end = await repository.purge(["token"]);
    assert.deepEqual([end.left, end.replaced.length], [[], 1]);
    assert.deepEqual(await leaksIn(place, secret), []);
    await assertWhole(place);
  });
});

test("purge() stores content that is a delta again although an interrupted run needs it", async () => {
  await withPlace(async (place) => {
    const { storage, root, repository, write, take } = place;
    const secret = noise(9000, 1);
    write("token", secret);
    write("file", noise(2000, 2));
    await take();
    fs.renameSync(join(root, "token"), join(root, "renamed"));
    await take();
    write(
      "renamed",
      new Uint8Array(Buffer.concat([secret.subarray(900), noise(100, 3)])),
    );
    write("token", secret);
    await take();
    write("file", noise(2000, 4));
    roundTimes(root);
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "put" && name.startsWith("trees/");
      return isDead ? "before" : undefined;
    });
    await assert.rejects(
      (await Repository.open(faulty)).snapshot(everything(root)),
      isInjected,
    );
    const first = await repository.purge(["token"], { all: true });
    assert.deepEqual(first.storedAgain, ["renamed"]);
    assert.ok(first.left.length > 0);
    for (const name of [...storage.objects.keys()]) {
      if (name.startsWith("running/")) storage.objects.delete(name);
    }
    const end = await repository.purge(["token"], { all: true });
    assert.deepEqual(end.left, []);
    assert.deepEqual(await leaksIn(place, secret.slice(0, 900 - RUN)), []);
    await assertWhole(place);
  });
});

test("purge() stores deltas again that a run has stored in the meantime", async () => {
  await withPlace(async (place) => {
    const { storage, root, repository, write, take } = place;
    const secret = noise(9000, 1);
    write("token", secret);
    write("renamed", secret);
    write("file", noise(2000, 2));
    await take();
    fs.rmSync(join(root, "token"));
    const kept = Buffer.concat([secret.subarray(900), noise(100, 3)]);
    write("renamed", new Uint8Array(kept));
    roundTimes(root);
    const slow = new FaultyStorage(storage);
    const put = slow.put.bind(slow);
    let left: string[] = [];
    slow.put = async (name, source, options) => {
      if (name.startsWith("trees/")) {
        ({ left } = await repository.purge(["token"], { all: true }));
      }
      await put(name, source, options);
    };
    const { record } = await (await Repository.open(slow))
      .snapshot(everything(root));
    const entry = (await repository.tree(record)).byPath.get("renamed");
    assert.ok(entry?.kind === "file" && entry.content.length > 1);
    assert.ok(left.length > 0);
    const end = await repository.purge(["token"], { all: true });
    assert.deepEqual(end.left, []);
    assert.deepEqual(end.storedAgain, ["renamed"]);
    assert.deepEqual(await leaksIn(place, secret.slice(0, 900 - RUN)), []);
    await assertWhole(place);
  });
});

test("purge() finds the contents in a volume that a killed prune has moved", async () => {
  await withPlace(async (place) => {
    const { storage, root, repository, write, take } = place;
    const secret = noise(3000, 1);
    write("token", secret);
    write("file", noise(2000, 2));
    write("gone", noise(2_000_000, 3));
    const first = await take();
    fs.rmSync(join(root, "gone"));
    await take();
    await repository.forget((await repository.snapshots())[0]);
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "delete" && name.startsWith("volumes/");
      return isDead ? "before" : undefined;
    });
    await assert.rejects(
      (await Repository.open(faulty)).prune({}, { ...NOW, repackBelow: 0.99 }),
      isInjected,
    );
    const names = [...storage.objects.keys()];
    assert.ok(names.some((name) => name.startsWith("moves/")));
    assert.ok(names.some((name) => name.startsWith(`volumes/${first}`)));
    const { left } = await repository.purge(["token"], {
      quick: true,
      patience: 0,
    });
    assert.deepEqual(left, []);
    assert.deepEqual(await leaksIn(place, secret), []);
    await assertWhole(place);
  });
});

test("purge() does not sign the replacement of a snapshot that is not trusted", async () => {
  await withTemp(async (folder) => {
    const { storage, isEncrypted } = await makeSmall(folder, true);
    const repository = await open(storage, isEncrypted);
    const last = (await repository.snapshots())
      .findLast(({ safety }) => safety === undefined)!;
    const [{ id: first }] = await repository.snapshots();
    const id = first.replace(/.{3}$/, (end) => end === "000" ? "001" : "000");
    const forged = { ...last, id, parent: undefined, parentSha256: undefined };
    await storage.put(
      `snapshots/${id}.json.age`,
      encrypt([encodeRecord(forged)], [repository.keys!.recipient()]),
    );
    const { replaced, left } = await repository.purge(["old"], {
      patience: 0,
    });
    assert.deepEqual(left, []);
    const by = replaced.find((one) => one.id === id)?.by;
    assert.ok(by !== undefined);
    const records = await repository.snapshots();
    for (const record of records) {
      assert.equal(
        await repository.trustOf(record),
        record.id === by ? "unsigned" : "trusted",
      );
    }
  });
});

test("undelete() fails if a purge replaces the snapshot at the same time", async () => {
  await withPlace(async (place) => {
    const { storage, repository, write, take } = place;
    const secret = noise(3000, 1);
    write("token", secret);
    write("file", noise(2000, 2));
    const first = await take();
    await repository.forget((await repository.snapshots())[0]);
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "put" && name.startsWith("garbage/");
      return isDead ? "before" : undefined;
    });
    const slow = new FaultyStorage(storage);
    const put = slow.put.bind(slow);
    slow.put = async (name, source, options) => {
      if (name.startsWith("running/") && !isDead) {
        const purging = (await Repository.open(faulty)).purge(["token"]);
        await assert.rejects(purging, isInjected);
      }
      await put(name, source, options);
    };
    await assert.rejects(
      (await Repository.open(slow)).undelete(first),
      (error) => codeOf(error) === "not-found",
    );
    const { left } = await repository.purge(["token"], { patience: 0 });
    assert.deepEqual(left, []);
    assert.deepEqual(await leaksIn(place, secret), []);
  });
});

test("purge() twice keeps the places of the snapshots in the retention rules", async () => {
  await withPlace(async ({ repository, write, take }) => {
    for (const name of ["one", "two", "file"]) write(name, noise(2000, 1));
    await take();
    write("one", noise(2000, 3));
    const second = await take();
    write("two", noise(2000, 4));
    const third = await take();
    await repository.purge(["one"], { from: [second] });
    const replaced = (await repository.snapshots())[1];
    await repository.purge(["two"], { from: [replaced.id] });
    const records = await repository.snapshots();
    assert.equal(records[2].id, third);
    const { judgements } = await repository.planPrune({ last: 3 });
    assert.deepEqual(judgements.map(({ lateBy }) => lateBy), [
      undefined,
      undefined,
      undefined,
    ]);
  });
});

test("purge() reports forged objects as left", async () => {
  await withPlace(async (place) => {
    const { storage, repository, write, take } = place;
    write("token", noise(3000, 1));
    write("file", noise(2000, 2));
    const id = await take();
    const [record] = await repository.snapshots();
    const { byPath } = await repository.tree(record);
    // A layer that does not record the volume of its file.
    const forgedId = id.replace(
      /.{3}$/,
      (end) => end === "000" ? "001" : "000",
    );
    const layers = new LayerWriter({
      storage,
      name: `trees/${forgedId}.ndjson.zst`,
      codec: codecFor("zstd"),
      expected: 1,
      isFull: true,
    });
    const copy = `volumes/${forgedId}.vol8.tar.zst`;
    const entry = byPath.get("file");
    assert.ok(entry?.kind === "file");
    const [{ reference }] = entry.content;
    storage.objects.set(copy, storage.objects.get(reference.volume)!);
    const content = entry.content.map((piece) => ({
      ...piece,
      reference: { ...piece.reference, volume: copy },
    }));
    layers.add({ ...entry, content, signature: undefined });
    const layer = await layers.close([], []);
    const forged = encodeRecord({ ...record, id: forgedId, layers: [layer] });
    await storage.put(`snapshots/${forgedId}.json`, forged);
    // A volume with a member of a type that is not known.
    const header = new Uint8Array(512);
    const text = new TextEncoder();
    header.set(text.encode("created/x"));
    header.set(text.encode("0000644\0"), 100);
    header.set(text.encode("00000000000\0"), 124);
    header.set(text.encode("M"), 156);
    header.set(text.encode("ustar\x0000"), 257);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((sum, byte) => sum + byte, 0).toString(8);
    header.set(text.encode(`${sum.padStart(6, "0")}\0 `), 148);
    const tar = new Uint8Array(2048);
    tar.set(header);
    const volume = `volumes/${forgedId}.vol7.tar.zst`;
    await storage.put(volume, await codecFor("zstd").compress(tar));
    const { left } = await repository.purge(["token"]);
    assert.deepEqual(left, [volume, copy]);
  });
});

test("purge() records a limited number of paths, and an interrupted purge is completed", async () => {
  await withPlace(async (place) => {
    const { storage, repository, write, take } = place;
    const secret = noise(3000, 1);
    write("token", secret);
    for (let at = 0; at < 700; at++) {
      write(`${at} ${"x".repeat(100)}`, secret);
    }
    write("file", noise(2000, 2));
    await take();
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "put" && name.startsWith("garbage/");
      return isDead ? "before" : undefined;
    });
    await assert.rejects(
      (await Repository.open(faulty)).purge(["token"], { all: true }),
      isInjected,
    );
    const [{ purged }] = await repository.snapshots();
    const length = purged!.paths.join("").length;
    assert.ok(length > 60_000 && length <= 65_536, `${length}`);
    const { left } = await repository.purge(["token"], {
      all: true,
      quick: true,
      patience: 0,
    });
    assert.deepEqual(left, []);
    assert.deepEqual(await pathsOf(place), ["file"]);
    assert.deepEqual(await leaksIn(place, secret), []);
    await assertWhole(place);
  });
});

test("planPrune() does not count content that an interrupted purge has to delete", async () => {
  await withPlace(async ({ storage, repository, write, take }) => {
    write("token", noise(1_200_000, 1));
    write("file", noise(2000, 2));
    await take();
    let isDead = false;
    const faulty = new FaultyStorage(storage, ({ name, kind }) => {
      isDead ||= kind === "put" && name.startsWith("garbage/");
      return isDead ? "before" : undefined;
    });
    await assert.rejects(
      (await Repository.open(faulty)).purge(["token"]),
      isInjected,
    );
    const { freed } = await repository.planPrune({}, NOW);
    assert.equal(freed, 0);
  });
});

test("purge() refuses whole directories, and changes nothing unless onPlan agrees", async () => {
  await withPlace(async ({ repository, write, take, root, storage }) => {
    write("folder/token", noise(300, 1));
    await take();
    await assert.rejects(
      repository.purge(["root"], { place: join(root, "..") }),
      (error) => codeOf(error) === "unsupported",
    );
    const purging = repository.purge(["token"], {
      place: join(root, "folder"),
      onPlan: (plan) => {
        assert.deepEqual(plan.snapshots[0].paths, ["folder/token"]);
        return false;
      },
    });
    await assert.rejects(purging, (error) => codeOf(error) === "aborted");
    assert.ok([...storage.objects.keys()].every((n) => !/^removed/.test(n)));
  });
});

/** Makes a small repository in which a purge affects every kind of object. */
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
  await take();
  fs.writeFileSync(join(root, "file"), noise(3000, 7));
  await repository.forget(await take());
  fs.renameSync(join(root, "token"), join(root, "old"));
  fs.appendFileSync(join(root, "old"), noise(100, 6));
  await take();
  await repository.restore(second, root, { paths: ["file"] });
  return { storage, isEncrypted, root, folder, secrets };
}

for (const isEncrypted of [false, true]) {
  const kind = isEncrypted ? "encrypted" : "clear";
  test(`purge() that is killed at any change loses nothing, and the next call completes it: ${kind}`, async () => {
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
        if (at % 4 < 2) {
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

/** Returns the objects with bytes that no remaining file has. */
async function leaksOf(stage: Stage): Promise<string[]> {
  return await leaks(stage, [stage.secrets[0]]);
}

/** Makes the machine crash at the nth change of the storage. */
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

test("purge() and a snapshot at the same time do no harm, in any order of their operations", async () => {
  await withTemp(async (folder) => {
    const stage = await makeSmall(folder, false);
    const before = await statesOf(await open(stage.storage, false), ["token"]);
    const contents = [...before.values()].map((state) =>
      JSON.stringify([...state])
    );
    fs.writeFileSync(join(stage.root, "token"), stage.secrets[0]);
    fs.writeFileSync(join(stage.root, "new"), noise(3000, 9));
    roundTimes(stage.root);
    for (let seed = 1; seed <= (SLOW ? 200 : 12); seed++) {
      const chance = generator(seed);
      const { storage, outcomes } = await play(
        stage.storage.objects,
        [
          async (storage) =>
            await (await Repository.open(storage)).purge(["token"]),
          async (storage) =>
            await (await Repository.open(storage))
              .snapshot(everything(stage.root)),
        ],
        (enabled) => enabled[Math.floor(chance() * enabled.length)],
      );
      const what = `schedule ${seed}`;
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["fulfilled", "fulfilled"],
        `${what}: ${JSON.stringify(outcomes)}`,
      );
      const copied = { ...stage, storage };
      await assertSound(copied, what);
      const next = await open(storage, false);
      assert.equal((await next.snapshots()).length, contents.length + 1, what);
      assert.deepEqual((await next.purge(["token"])).left, [], what);
      assert.deepEqual(await leaksOf(copied), [], what);
      await assertSound(copied, `${what}, in the end`);
      const after = await statesOf(await open(storage, false));
      const found = [...after.values()].map((state) =>
        JSON.stringify([...state])
      );
      for (const one of contents) assert.ok(found.includes(one), what);
      assert.equal(found.length, contents.length + 1, what);
    }
  });
});

test("purge() takes `patterns` only as patterns, also in later snapshots", async () => {
  await withTemp(async (root) => {
    const write = (names: string[]) => {
      for (const name of names) fs.writeFileSync(join(root, name), name);
    };
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    write(["[xyz]", "x", "w"]);
    await repository.snapshot(everything(root));
    const { paths, unmatched } = await repository.planPurge([], {
      patterns: ["[xyz]", "*.none"],
    });
    assert.deepEqual([paths, unmatched], [["x"], ["*.none"]]);
    const result = await repository.purge([], {
      patterns: ["[xyz]"],
      onPlan: async () => {
        write(["y"]);
        await repository.snapshot(everything(root));
        return true;
      },
    });
    assert.deepEqual([result.paths, result.left], [["x", "y"], []]);
    for (const record of await repository.snapshots()) {
      const { entries } = await repository.tree(record);
      const names = entries.map(({ path }) => path).filter((path) => path);
      assert.deepEqual(names, ["[xyz]", "w"]);
    }
  });
});
