/**
 * Snapshots of large files to which bytes are appended, such as logs.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { hasAllDeltas } from "../../lib/repository/snapshot/delta_basis.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

const MEBIBYTE = 1 << 20;
const SIZE = 66 * MEBIBYTE;
const APPENDED = 3 * MEBIBYTE;

/** A storage that counts the bytes that are read from volumes. */
class CountingStorage extends LocalStorage {
  read = 0;

  override async *get(
    ...[name, options]: Parameters<Storage["get"]>
  ): AsyncGenerator<Uint8Array> {
    for await (const part of super.get(name, options)) {
      if (name.startsWith("volumes/")) this.read += part.length;
      yield part;
    }
  }
}

interface Place {
  file: string;
  cache: string;
  /** Returns the paths of the volumes, the oldest first. */
  volumes: () => string[];
  /** Takes a snapshot, and returns the counts of bytes and pieces. */
  snapshot: (
    cache?: string,
  ) => Promise<{ stored: number; read: number; pieces: number }>;
  /** Restores each snapshot, and compares the file with what it was. */
  check: () => Promise<void>;
}

async function inRepository(
  work: (place: Place) => Promise<void>,
  identity?: string,
): Promise<void> {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    const file = join(root, "app.log");
    const cache = join(folder, "cache");
    fs.mkdirSync(root);
    fs.writeFileSync(file, noise(SIZE, 1));
    const storage = new CountingStorage(join(folder, "repository"));
    const keys = identity === undefined ? undefined : [identity];
    await Repository.create(storage, {
      ...identity !== undefined &&
        { encrypt: { name: "a", to: await identityToRecipient(identity) } },
    });
    const repository = await Repository.open(storage, { keys });
    const sums = new Map<string, string>();
    const sumOf = (path: string) => toHex(sha256(fs.readFileSync(path)));
    await work({
      file,
      cache,
      volumes() {
        const place = join(folder, "repository", "volumes");
        return fs.readdirSync(place).sort().map((name) => join(place, name));
      },
      async snapshot(folder = cache) {
        storage.read = 0;
        const { record } = await repository.snapshot(everything(root), {
          cache: folder,
        });
        const { read } = storage;
        sums.set(record.id, sumOf(file));
        const entry = (await repository.tree(record)).byPath.get("app.log");
        const { stored } = record.counts;
        return { stored, read, pieces: entry?.content?.length ?? 0 };
      },
      async check() {
        const target = join(folder, "restored");
        for (const record of await repository.snapshots()) {
          const { failed } = await repository.restore(record, target);
          assert.deepEqual(failed, []);
          assert.equal(sumOf(join(target, "app.log")), sums.get(record.id));
          fs.rmSync(target, { recursive: true });
        }
      },
    });
  });
}

/** Returns the names of the signatures in a cache folder. */
function signaturesIn(cache: string): string[] {
  return fs.readdirSync(cache).filter((name) => name.includes(".signature"));
}

test("an append is stored alone, and what was appended before is not read", async () => {
  await inRepository(async ({ file, cache, snapshot, check }) => {
    await snapshot();
    const pieces: number[] = [];
    for (let n = 1; n <= 12; n++) {
      fs.appendFileSync(file, noise(APPENDED, n + 1));
      const { stored, read, ...counts } = await snapshot();
      assert.ok(stored < APPENDED * 1.02, `append ${n} stored ${stored} bytes`);
      assert.ok(read < APPENDED / 4, `append ${n} read ${read} bytes`);
      pieces.push(counts.pieces);
      const [signature, ...others] = signaturesIn(cache);
      assert.match(signature, /\.signature$/);
      assert.deepEqual(others, []);
    }
    assert.deepEqual(pieces, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    await check();
  });
});

test("a grown file that changes in other ways restores at each snapshot", async () => {
  await inRepository(async ({ file, cache, snapshot, check }) => {
    await snapshot();
    const append = (seed: number) =>
      fs.appendFileSync(file, noise(APPENDED, seed));
    const overwrite = (at: number) => {
      const handle = fs.openSync(file, "r+");
      fs.writeSync(handle, noise(50, at), 0, 50, at);
      fs.closeSync(handle);
    };
    append(2);
    await snapshot();
    // In an appended part, at the start, and at the end before an append.
    for (const at of [SIZE + 1000, 0, SIZE + APPENDED - 10]) {
      overwrite(at);
      if (at > 0) append(at);
      const { stored } = await snapshot();
      assert.ok(stored < APPENDED * 1.02, `${stored} bytes`);
    }
    fs.truncateSync(file, SIZE - 5);
    await snapshot();
    append(3);
    await snapshot();
    // The signature in the cache is lost, and then damaged.
    for (const name of signaturesIn(cache)) fs.rmSync(join(cache, name));
    append(4);
    await snapshot();
    for (const name of signaturesIn(cache)) {
      fs.writeFileSync(join(cache, name), "damaged");
    }
    append(5);
    await snapshot();
    await check();
  });
});

test("a file whose volume is lost is stored whole after an append", async () => {
  await inRepository(async ({ file, volumes, snapshot }) => {
    await snapshot();
    const stored: number[] = [];
    for (let n = 0; n < 3; n++) {
      fs.appendFileSync(file, noise(APPENDED, n + 2));
      if (n === 2) fs.rmSync(volumes()[1]);
      stored.push((await snapshot()).stored);
    }
    assert.ok(stored[1] < APPENDED * 1.02, `${stored}`);
    assert.ok(stored[2] > SIZE, `${stored}`);
  });
});

test("a cache folder that cannot be written does not fail a snapshot", async () => {
  await inRepository(async ({ file, snapshot, check }) => {
    const cache = join(file, "cache");
    await snapshot(cache);
    for (let n = 0; n < 2; n++) {
      fs.appendFileSync(file, noise(APPENDED, n + 2));
      const { stored } = await snapshot(cache);
      assert.ok(stored < APPENDED * 1.02, `${stored} bytes`);
    }
    await check();
  });
});

test("another machine makes the signature of a grown file once", async () => {
  const identity = await generateX25519Identity();
  await inRepository(async ({ file, cache, snapshot, check }) => {
    await snapshot();
    for (let n = 0; n < 6; n++) {
      fs.appendFileSync(file, noise(APPENDED, n + 2));
      await snapshot();
    }
    const other = `${cache}-of-another-machine`;
    const reads: number[] = [];
    for (let n = 0; n < 2; n++) {
      fs.appendFileSync(file, noise(APPENDED, n + 9));
      reads.push((await snapshot(other)).read);
    }
    assert.ok(reads[0] > 6 * APPENDED, `${reads}`);
    assert.ok(reads[1] < APPENDED / 4, `${reads}`);
    const [signature, ...others] = signaturesIn(other);
    assert.match(signature, /^[0-9a-f]{16}-[0-9a-f]{32}\.signature\.age$/);
    assert.deepEqual(others, []);
    await check();
  }, identity);
});

test("hasAllDeltas() allows more deltas only for a file that has grown", () => {
  const entryOf = (base: number, deltas: number[], grown: number) => ({
    path: "file",
    kind: "file" as const,
    mode: 0o644,
    mtime: 0n,
    uid: 0,
    gid: 0,
    size: base + grown,
    sha256: "",
    content: [base, ...deltas].map((size, at) => ({
      form: at === 0 ? "whole" as const : "delta" as const,
      size,
      reference: { volume: "v", offset: 0, length: size, skip: 0 },
    })),
  });
  const of = (count: number, size: number, grown: number) =>
    hasAllDeltas(entryOf(1000 * MEBIBYTE, Array(count).fill(size), grown));
  const large = 10 * MEBIBYTE;
  assert.equal(of(7, large, 7 * large), false);
  assert.equal(of(8, large, 8 * large), false);
  assert.equal(of(63, large, 63 * large), false);
  assert.equal(of(64, large, 64 * large), true);
  // Small appends, changes in place, and a file that mostly changed in place.
  assert.equal(of(8, 1000, 8 * 1000), true);
  assert.equal(of(8, large, 0), true);
  assert.equal(of(8, large, 2 * large), true);
});
