import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import { readContent, readRange } from "../../lib/archive/content_reader.ts";
import type { ContentReference } from "../../lib/archive/content_reference.ts";
import type { TarMember } from "../../lib/archive/tar_member.ts";
import { readTar } from "../../lib/archive/tar_reader.ts";
import { VolumeWriter } from "../../lib/archive/volume_writer.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { type ByteSource, chunks } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { file, gather, noise, pieces, special, utf8 } from "./helpers.ts";

function writer(
  storage: MemoryStorage,
  options: { volumeSize?: number; frameSize?: number; name?: "gzip" | "zstd" } =
    {},
) {
  const { volumeSize = 64 * 1024 * 1024, frameSize, name = "zstd" } = options;
  return new VolumeWriter({
    storage,
    name: (n) => `v${n}`,
    codec: codecFor(name),
    volumeSize,
    frameSize,
  });
}

/** Returns the members and contents of all volumes, in order, from the tars. */
async function readAll(storage: MemoryStorage, name: "gzip" | "zstd") {
  const found: [TarMember, Uint8Array][] = [];
  const volumes = [...storage.objects.keys()].sort();
  for (const volume of volumes) {
    const plain = codecFor(name).decompress(storage.get(volume));
    for await (const { member, body } of readTar(plain, { object: volume })) {
      found.push([member, await gather(body)]);
    }
  }
  return found;
}

for (const name of ["gzip", "zstd"] as const) {
  test(`${name} volumes return every member, by tar and by reference`, async () => {
    const storage = new MemoryStorage();
    const volumeSize = 40_000;
    const volumes = writer(storage, { volumeSize, frameSize: 8192, name });
    const added: [TarMember, Uint8Array, ContentReference][] = [];
    for (let n = 0; n < 60; n++) {
      const content = noise(n * 37 % 3000, n);
      const member = file(`dir/${n}`, content.length, { mtime: BigInt(n) });
      added.push([member, content, volumes.add(member, content)]);
      await volumes.ready();
    }
    const link = special("link", "symlink", "dir/1");
    added.push([link, new Uint8Array(), volumes.add(link, new Uint8Array())]);
    const large = noise(100_000, 7);
    const largeFile = file("large", large.length);
    const { reference, written } = await volumes.addStream(
      largeFile,
      pieces(large, 777),
    );
    assert.equal(written, large.length);
    added.push([largeFile, large, reference]);
    const sync = noise(20_000, 8);
    const syncFile = file("sync", sync.length);
    added.push([syncFile, sync, volumes.add(syncFile, sync)]);
    const records = await volumes.close();

    assert.ok(records.length > 3);
    for (const record of records) {
      const bytes = storage.objects.get(record.name)!;
      assert.equal(bytes.length, record.size);
      assert.equal(toHex(sha256(bytes)), record.sha256);
      const holdsLarge = reference.volume === record.name;
      assert.ok(holdsLarge || record.size <= volumeSize, `${record.size}`);
    }
    const found = await readAll(storage, name);
    assert.deepEqual(
      found,
      added.map(([member, content]) => [member, content]),
    );
    for (const [member, content, reference] of added) {
      const read = readContent(
        storage,
        reference,
        member.size,
        codecFor(name),
      );
      assert.deepEqual(await gather(read), content);
    }
    const first = added[0][2];
    const range = await readRange(storage, first, codecFor(name));
    for (const [, content, reference] of added) {
      if (reference.offset !== first.offset || reference.volume !== "v0") break;
      const at = reference.skip;
      assert.deepEqual(range.subarray(at, at + content.length), content);
    }
  });
}

test("a source that ends early is filled with zeros, and a longer one is truncated", async () => {
  for (const size of [3000, 300_000]) {
    const storage = new MemoryStorage();
    const volumes = writer(storage, { frameSize: 65536 });
    const content = noise(size);
    const short = await volumes.addStream(
      file("short", size),
      pieces(content.subarray(0, size - 1000), 999),
    );
    assert.equal(short.written, size - 1000);
    let pulled = 0;
    const endless = (async function* () {
      while (true) {
        pulled += 1000;
        yield new Uint8Array(1000).fill(1);
      }
    })();
    const long = await volumes.addStream(file("long", size), endless);
    assert.equal(long.written, size);
    assert.equal(pulled, size);
    const none = await volumes.addStream(file("none", size), new Uint8Array());
    assert.equal(none.written, 0);
    await volumes.close();
    const padded = content.slice().fill(0, size - 1000);
    assert.deepEqual(
      (await readAll(storage, "zstd")).map(([, content]) => content),
      [padded, new Uint8Array(size).fill(1), new Uint8Array(size)],
    );
  }
});

test("a source that fails leaves a complete archive", async () => {
  for (const size of [3000, 300_000]) {
    const storage = new MemoryStorage();
    const volumes = writer(storage, { frameSize: 65536 });
    const broken = (async function* () {
      yield noise(1000);
      throw new Error("bad disk");
    })();
    await assert.rejects(
      volumes.addStream(file("a", size), broken),
      /bad disk/,
    );
    volumes.add(file("b", 5), utf8("hello"));
    await volumes.close();
    const last = (await readAll(storage, "zstd")).at(-1)!;
    assert.equal(last[0].path, "b");
    assert.deepEqual(last[1], utf8("hello"));
  }
});

test("without members, no volume is stored, or an empty one on request", async () => {
  const storage = new MemoryStorage();
  assert.deepEqual(await writer(storage).close(), []);
  assert.equal(storage.objects.size, 0);
  const volumes = new VolumeWriter({
    storage,
    name: () => "empty",
    codec: codecFor("gzip"),
    volumeSize: 10_000,
    evenIfEmpty: true,
  });
  assert.equal((await volumes.close()).length, 1);
  assert.deepEqual(await readAll(storage, "gzip"), []);
});

test("a name that is already used makes writing fail, and keeps its object", async () => {
  const storage = new MemoryStorage();
  await storage.put("v1", utf8("mine"));
  const volumes = writer(storage, { volumeSize: 10_000, frameSize: 4096 });
  const write = async () => {
    for (let n = 0; n < 50; n++) {
      volumes.add(file(`${n}`, 2000), noise(2000, n));
      await volumes.ready();
    }
    await volumes.close();
  };
  await assert.rejects(write(), { code: "exists" });
  assert.throws(() => volumes.add(file("x", 0), new Uint8Array()), {
    code: "exists",
  });
  await volumes.abort();
  assert.deepEqual([...storage.objects], [["v1", utf8("mine")]]);
});

test("abort() and an aborted signal leave nothing behind", async () => {
  for (const bySignal of [false, true]) {
    const storage = new MemoryStorage();
    const stop = new AbortController();
    const volumes = new VolumeWriter({
      storage,
      name: (n) => `v${n}`,
      codec: codecFor("gzip"),
      volumeSize: 10_000,
      frameSize: 4096,
      signal: stop.signal,
    });
    for (let n = 0; n < 50; n++) {
      volumes.add(file(`${n}`, 2000), noise(2000, n));
      await volumes.ready();
    }
    if (bySignal) stop.abort();
    await volumes.abort();
    assert.throws(() => volumes.add(file("x", 0), new Uint8Array()), {
      code: "aborted",
    });
    await assert.rejects(volumes.close(), { code: "aborted" });
    await assert.rejects(async () => await volumes.ready(), {
      code: "aborted",
    });
    assert.equal(storage.objects.size, 0);
  }
});

test("abort() after close() keeps the stored objects", async () => {
  const storage = new MemoryStorage();
  const volumes = writer(storage);
  volumes.add(file("a", 1), utf8("a"));
  await volumes.close();
  await volumes.abort();
  assert.equal(storage.objects.size, 1);
});

test("ready() makes the caller wait while the storage is slow", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => release = resolve);
  const storage = new MemoryStorage();
  const put = storage.put.bind(storage);
  storage.put = async (name: string, source: ByteSource) => {
    await gate;
    await put(name, source);
  };
  const volumes = writer(storage, { frameSize: 4096 });
  let added = 0;
  while (volumes.ready() === undefined && added < 1000) {
    volumes.add(file(`${added++}`, 2000), noise(2000));
  }
  assert.ok(added >= 6 && added < 20, `${added} members were let in`);
  const waiting = volumes.ready();
  release();
  await waiting;
  await volumes.close();
});

test("the memory of a frame is freed after the storage has used it", async () => {
  const given: Uint8Array[] = [];
  const storage = new MemoryStorage();
  const put = storage.put.bind(storage);
  storage.put = (name: string, source: ByteSource) =>
    put(
      name,
      (async function* () {
        for await (const chunk of chunks(source)) {
          assert.ok(given.every(({ length }) => length < 2048));
          assert.ok(chunk.length > 0);
          given.push(chunk);
          yield chunk;
        }
      })(),
    );
  const volumes = writer(storage);
  const content = noise(5_000_000);
  await volumes.addStream(file("large", content.length), pieces(content, 9999));
  await volumes.close();
  assert.ok(given.length >= 4);
  const [[, found]] = await readAll(storage, "zstd");
  assert.deepEqual(toHex(sha256(found)), toHex(sha256(content)));
});

test("VolumeWriter refuses misuse", async () => {
  const storage = new MemoryStorage();
  assert.throws(() => writer(storage, { volumeSize: 100 }), RangeError);
  assert.throws(() => writer(storage, { volumeSize: NaN }), RangeError);
  assert.throws(() => writer(storage, { frameSize: 10 }), RangeError);
  const volumes = writer(storage);
  assert.throws(() => volumes.add(file("a", 2), utf8("a")), RangeError);
  const adding = volumes.addStream(file("s", 3), utf8("abc"));
  assert.throws(() => volumes.add(file("a", 1), utf8("a")), TypeError);
  await adding;
  await volumes.close();
  assert.throws(() => volumes.add(file("a", 1), utf8("a")), TypeError);
});

test("forged references are refused", async () => {
  const storage = new MemoryStorage();
  const volumes = writer(storage);
  const reference = volumes.add(file("a", 5), utf8("hello"));
  await volumes.close();
  const { volume, offset, length, skip } = reference;
  const place = { volume, offset, length, skip };
  const codec = codecFor("zstd");
  const read = (change: Partial<ContentReference>, size = 5) =>
    gather(readContent(storage, { ...place, ...change }, size, codec));
  assert.deepEqual(await read({}), utf8("hello"));
  for (
    const [change, size] of [
      [{ offset: -1 }],
      [{ offset: NaN }],
      [{ offset: 0.5 }],
      [{ length: -5 }],
      [{ length: 1e20 }],
      [{ length: place.length - 1 }],
      [{ length: place.length + 1 }],
      [{ offset: 1 }],
      [{ skip: -1 }],
      [{ skip: 1e9 }],
      [{}, 1e9],
      [{}, -1],
      [{}, NaN],
      [{ length: 0 }],
    ] as [Partial<ContentReference>, number?][]
  ) {
    await assert.rejects(
      read(change, size),
      DeltarError,
      JSON.stringify([change, size]),
    );
  }
});

test("a large member is streamed in bounded memory to a slow storage", async () => {
  const size = 1024 * 1024 * 1024;
  let taken = 0;
  let pulled = 0;
  let ahead = 0;
  const storage = new MemoryStorage();
  storage.put = async (_name: string, source: ByteSource) => {
    for await (const _ of chunks(source)) {
      taken += 1;
      ahead = Math.max(ahead, pulled - taken);
      if (taken % 32 === 0) await new Promise((done) => setTimeout(done, 2));
    }
  };
  const zeros = new Uint8Array(1024 * 1024);
  const source = (function* () {
    for (; pulled * zeros.length < size; pulled++) yield zeros;
  })();
  const before = process.memoryUsage().rss;
  const volumes = writer(storage, { frameSize: zeros.length });
  await volumes.addStream(file("zeros", size), source);
  const { rss } = process.memoryUsage();
  await volumes.close();
  assert.ok(ahead <= 12, `${ahead} MiB were read ahead of the storage`);
  assert.ok(rss - before < 500e6, `${rss - before} bytes more`);
});
