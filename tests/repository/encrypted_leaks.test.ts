import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CodecName } from "../../lib/archive/codec.ts";
import { decrypt, newIdentity, recipientOf } from "../../lib/age/mod.ts";
import { toBase64 } from "../../lib/bytes/base64.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { type ByteSource, collect } from "../../lib/bytes/source.ts";
import { type Signature, signBytes } from "../../lib/delta/mod.ts";
import { codecOf } from "../../lib/repository/format/names.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { withCache } from "../../lib/repository/with_cache.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { PutOptions, Storage } from "../../lib/storage/storage.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { FaultyStorage, isInjected } from "../support/faulty_storage.ts";
import { noise } from "../support/noise.ts";
import { namesBelow } from "../support/names_below.ts";
import { withTemp } from "../support/temp.ts";
import { later } from "./helpers.ts";

const identity = await newIdentity();
const recipient = await recipientOf(identity);
const keys = [identity];

/** The names and contents of a tree. Everything else is equal in two trees. */
interface World {
  /** Words of eight letters, in alphabetical order. */
  words: string[];
  seed: number;
}

const ONE: World = {
  words: ["abstract", "contract", "invoices", "password", "salaries"],
  seed: 1,
};
const OTHER: World = {
  words: ["birthday", "concerts", "holidays", "pictures", "vacation"],
  seed: 5000,
};

/** A storage that remembers every object that it ever stored. */
class WatchedStorage extends MemoryStorage {
  /** The changes, with the sizes of objects and their names without ids. */
  readonly log: string[] = [];
  /**
   * The stored objects, including those that were replaced or deleted later.
   */
  readonly ever: [name: string, bytes: Uint8Array][] = [];

  override async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    await super.put(name, source, options);
    const bytes = this.objects.get(name) ?? new Uint8Array(0);
    this.ever.push([name, bytes]);
    this.log.push(`put ${general(name)} ${bytes.length}`);
  }

  override async delete(name: string): Promise<void> {
    await super.delete(name);
    this.log.push(`delete ${general(name)}`);
  }
}

/** Returns a name without its times and random parts. */
function general(name: string): string {
  return name.replaceAll(/\d{8}T\d{6}Z-[0-9a-f]{6}/g, "ID");
}

/** A directory, its encrypted repository, and all secrets of them. */
interface Life {
  storage: WatchedStorage;
  /** The cache folder, with the state of the directory and cached objects. */
  cache: string;
  secrets: Needles;
}

/** Makes all operations that store an object. */
async function live(
  folder: string,
  { words, seed }: World,
  codec: CodecName,
): Promise<Life> {
  const [a, b, c, d, e] = words;
  const secrets = new Needles();
  const root = join(folder, `the ${a} folder`);
  fs.mkdirSync(join(root, b), { recursive: true });
  const write = (path: string, content: Uint8Array | string) => {
    fs.writeFileSync(join(root, path), content);
    // All times are in the past, and equal in both trees.
    fs.utimesSync(join(root, path), 1_700_000_000, 1_700_000_000);
    secrets.addFile(Buffer.from(content));
  };
  for (const word of words) secrets.addText("names", word);
  secrets.addText("directories", root);
  // The path in the form that JSON has on Windows.
  secrets.addText("directories", JSON.stringify(root).slice(1, -1));
  const { username } = os.userInfo();
  secrets.addText("users", `"host":${JSON.stringify(os.hostname())}`);
  secrets.addText("users", `"user":${JSON.stringify(username)}`);

  const storage = new WatchedStorage();
  const cache = join(folder, "cache");
  await Repository.create(storage, {
    encrypt: { name: "key", to: recipient },
    codec,
  });
  const reopen = (inner: Storage = storage) => {
    const objects = new LocalStorage(join(cache, "objects"));
    return Repository.open(withCache(inner, objects), { keys });
  };
  const snapshot = (repository: Repository, label?: string) => {
    const excludes = [`${e}.*`];
    return repository.snapshot(new Walker(root, { excludes }), {
      cache,
      label,
    });
  };

  for (let at = 0; at < 40; at++) {
    write(`${b}/${at} ${c}`, noise(20_000, seed + at));
  }
  const large = noise(2_000_000, seed + 100);
  write(`${d}.large`, large);
  write(`${d}.lines`, `a line about ${d}\n`.repeat(2000));
  write(`${e}.excluded`, "");
  fs.symlinkSync(`${d}.large`, join(root, `${a}.link`));
  let repository = await reopen();
  const first = await later(10, () => snapshot(repository));

  // This change has deltas, a new file, a renamed file, a label in the record,
  // and a later label.
  large.set(noise(3000, seed + 101), 1_000_000);
  write(`${d}.large`, large);
  write(`${c}.new`, noise(30_000, seed + 102));
  fs.renameSync(join(root, `${b}/7 ${c}`), join(root, `${b}/7 ${d}`));
  secrets.addText("labels", `before the ${c}`);
  const second = await later(
    20,
    () => snapshot(repository, `before the ${c}`),
  );
  secrets.addText("labels", `label of ${e}`);
  await repository.label(second.record, `label of ${e}`);

  // The first volume loses most of its frames, so that the prune repacks it.
  write(`${d}.large`, noise(2_000_000, seed + 200));
  await later(30, () => snapshot(repository));
  await repository.forget(first.record);
  await repository.forget(second.record);
  const pruned = await repository.prune({}, { grace: 0, patience: 1 });
  assert.ok(pruned.repacked > 0, "a volume is moved");

  // One restore is into a new directory, and one is over changes, with a safety
  // snapshot.
  repository = await reopen();
  const last = await repository.find("latest");
  const target = join(folder, `target of ${a}`);
  await repository.restore(last, target);
  fs.writeFileSync(join(target, `${c}.new`), noise(25_000, seed + 300));
  await repository.restore(last, target);
  await repository.revert(target);
  await repository.drill({ files: 3 });
  await repository.setMaxSize(1_000_000_000);

  // A removed snapshot in its grace period, and a mark, remain.
  write(`${d}.lines`, `another line about ${d}\n`.repeat(2000));
  const forgotten = await later(40, () => snapshot(repository));
  await repository.forget(forgotten.record);
  await repository.prune({}, { patience: 1 });

  // The machine crashes before the record is stored.
  for (let at = 20; at < 40; at++) {
    write(`${b}/${at} ${c}`, noise(20_000, seed + 400 + at));
  }
  let isDead = false;
  const dying = new FaultyStorage(storage, ({ kind, name }) => {
    isDead ||= kind === "put" && name.startsWith("snapshots/");
    return isDead ? "before" : undefined;
  });
  await assert.rejects(
    reopen(dying).then((dead) => later(50, () => snapshot(dead))),
    isInjected,
  );
  return { storage, cache, secrets };
}

/** Secret bytes, and a search for them in other bytes. */
class Needles {
  readonly #byStart = new Map<number, { what: string; bytes: Buffer }[]>();
  /**
   * Bit n is set if a needle begins with four bytes whose last 24 bits are n.
   */
  readonly #starts = new Uint8Array(1 << 24);

  add(what: string, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes);
    assert.ok(buffer.length >= 6, what);
    const start = buffer.readUInt32LE();
    this.#starts[start & 0xffffff] = 1;
    const others = this.#byStart.get(start) ?? [];
    this.#byStart.set(start, [...others, { what, bytes: buffer }]);
  }

  addText(what: string, text: string): void {
    for (const encoding of ["utf8", "utf16le"] as const) {
      this.add(what, Buffer.from(text, encoding));
    }
    this.add(what, Buffer.from(toHex(Buffer.from(text))));
    // The base64 of a text depends on its offset modulo three in the encoded
    // bytes.
    for (let at = 0; at < 3; at++) {
      const bytes = Buffer.concat([Buffer.alloc(at), Buffer.from(text)]);
      const whole = bytes.subarray(0, bytes.length - bytes.length % 3);
      const base64 = toBase64(whole).slice(at === 0 ? 0 : 4);
      if (base64.length >= 8) this.add(what, Buffer.from(base64));
    }
  }

  /** Adds a sum, as bytes and as the beginnings of its texts. */
  addSum(what: string, sum: Uint8Array): void {
    this.add(what, sum.subarray(0, 8));
    this.add(what, Buffer.from(toHex(sum).slice(0, 16)));
    this.add(what, Buffer.from(toBase64(sum).slice(0, 10)));
  }

  /** Adds parts of a content, its SHA-256, and the sums of its blocks. */
  addFile(content: Buffer): void {
    if (content.length === 0) return;
    this.addSum("sums", sha256(content));
    for (let at = 0; at + 16 <= content.length; at += content.length >> 3) {
      this.add("contents", content.subarray(at, at + 16));
    }
    if (content.length <= 1 << 20) return;
    for (const blockSize of [1024, 2048, 4096]) {
      this.#addBlocks(signBytes(content, { blockSize }));
    }
  }

  #addBlocks({ strong, strongLength, weak }: Signature): void {
    for (let at = 0; at < weak.length; at++) {
      const start = strongLength * at;
      this.addSum("block sums", strong.subarray(start, start + strongLength));
      // A single weak sum can occur in other bytes by chance, so two of them
      // are added.
      const pair = new DataView(new ArrayBuffer(8));
      pair.setUint32(0, weak[at], true);
      pair.setUint32(4, weak[at + 1], true);
      if (at + 1 < weak.length) {
        this.addSum("block sums", new Uint8Array(pair.buffer));
      }
    }
  }

  /** Returns the kinds of secrets that are in some bytes. */
  in(bytes: Uint8Array): Set<string> {
    const found = new Set<string>();
    const hay = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 4 <= hay.length; at++) {
      const low = hay[at] | hay[at + 1] << 8 | hay[at + 2] << 16;
      if (this.#starts[low] === 0) continue;
      for (
        const { what, bytes: needle } of this.#byStart
          .get(hay.readUInt32LE(at)) ?? []
      ) {
        const part = hay.subarray(at, at + needle.length);
        if (part.equals(needle)) found.add(what);
      }
    }
    return found;
  }
}

/** Returns all objects that were ever stored, and the cached files. */
function filesOf({ storage, cache }: Life): [string, Uint8Array][] {
  const files = [...storage.ever];
  for (const name of namesBelow(cache)) {
    const place = join(cache, name);
    const isFile = fs.statSync(place).isFile();
    if (isFile) files.push([`cache/${name}`, fs.readFileSync(place)]);
  }
  return files;
}

/** Returns the plain and decompressed bytes of an object or file. */
async function open(
  name: string,
  file: Uint8Array,
  key: string,
): Promise<Uint8Array> {
  if (!name.endsWith(".age") && !name.endsWith(".state")) return file;
  const plain = await collect(decrypt([file], [key], name));
  if (!/\.(?:zst|gz|tgz)\.age$/.test(name)) return plain;
  const codec = codecOf(name.replace(/\.age$/, ""));
  return await codec.decompressBlock(plain, 1 << 26);
}

for (const codec of ["zstd", "gzip"] as const) {
  test(`an encrypted repository (${codec}) and its caches have no names or contents in plain text`, async () => {
    await withTemp(async (folder) => {
      const life = await live(folder, ONE, codec);
      const { secrets } = life;
      const { keys: own } = await Repository.open(life.storage, { keys });
      const inside = new Set<string>();
      const remembered = new Set<string>();
      for (const [name, file] of filesOf(life)) {
        const found = [...secrets.in(Buffer.from(name)), ...secrets.in(file)];
        assert.deepEqual(found, [], name);
        // The copies in the cache have a checksum at the end.
        if (name.startsWith("cache/objects/") || name.startsWith("keys/")) {
          continue;
        }
        const plain = await open(name, file, own!.identities()[0]);
        const kinds = name.startsWith("cache/") ? remembered : inside;
        for (const what of secrets.in(plain)) kinds.add(what);
      }
      // The same search finds all secrets in the decrypted objects.
      for (
        const what of [
          "block sums",
          "contents",
          "directories",
          "labels",
          "names",
          "sums",
        ]
      ) assert.ok(inside.has(what), what);
      assert.deepEqual([...remembered].sort(), ["names", "sums"]);
    });
  });

  test(`encrypted repositories (${codec}) of two trees with the same structure have objects with the same names and sizes`, async () => {
    await withTemp(async (folder) => {
      const [one, other] = [join(folder, "one"), join(folder, "two")];
      const { storage: { log } } = await live(one, ONE, codec);
      const { storage: { log: again } } = await live(other, OTHER, codec);
      assert.ok(log.length > 50);
      assert.deepEqual(log.sort(), again.sort());
    });
  });
}
