import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { collect, concat } from "../../lib/bytes/source.ts";
import { EncryptedStorage } from "../../lib/storage/encrypted.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { GetOptions, Storage } from "../../lib/storage/storage.ts";
import { noise } from "../support/noise.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";
import { conforms } from "./conforms.ts";

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);

function over(inner: Storage): EncryptedStorage {
  return new EncryptedStorage(inner, {
    keys: [identity],
    recipientsOf: () => [recipient],
  });
}

conforms("encrypted, in memory", (work) => work(over(new MemoryStorage())));
conforms(
  "encrypted, in a folder",
  (work) => withTemp((folder) => work(over(new LocalStorage(folder)))),
);

const SIZES = [0, 1, 65535, 65536, 65537, 131072, 200_000, 1048576, 1200_000];

test("EncryptedStorage reads every range of objects around the chunks' ends", async () => {
  const storage = over(new MemoryStorage());
  for (const size of SIZES) {
    const bytes = noise(size, size + 1);
    await storage.put("x", bytes);
    const [{ size: listed }] = await Array.fromAsync(storage.list());
    assert.equal(listed, size);
    assert.deepEqual(await collect(storage.get("x")), bytes);
    const edges = [0, 1, 65535, 65536, 65537, 131072, size - 1, size]
      .filter((at) => at >= 0 && at <= size);
    for (const offset of edges) {
      const rest = await collect(storage.get("x", { offset }));
      assert.deepEqual(rest, bytes.slice(offset), `${size}: ${offset}`);
      for (const end of edges.filter((end) => end >= offset)) {
        const range = { offset, length: end - offset };
        const part = await collect(storage.get("x", range));
        assert.deepEqual(part, bytes.slice(offset, end), `${size}: ${end}`);
      }
      const beyond = { offset, length: size - offset + 1 };
      await assert.rejects(collect(storage.get("x", beyond)), {
        code: "truncated",
        object: "x",
      });
    }
  }
});

test("EncryptedStorage reads a chunk that two ranges share only once", async () => {
  const requests: (number | undefined)[] = [];
  class Counted extends MemoryStorage {
    override get(name: string, options?: GetOptions) {
      requests.push(options?.length);
      return super.get(name, options);
    }
  }
  const inner = new Counted();
  const storage = over(inner);
  const bytes = noise(300_000, 7);
  await storage.put("x", bytes);
  const read = async (offset: number, length: number, fresh = false) => {
    const part = await collect(storage.get("x", { offset, length, fresh }));
    assert.deepEqual(part, bytes.slice(offset, offset + length));
  };
  const sealed = 65552;
  await read(70_000, 1000);
  requests.length = 0;
  // The ranges are read at the same time, as frames are.
  await Promise.all([read(71_000, 100_000), read(171_000, 40_000)]);
  assert.deepEqual(requests, [sealed, sealed]);
  await read(200_000, 5000);
  assert.equal(requests.length, 2);
  await read(200_000, 5000, true);
  assert.ok(requests.length > 2);

  // A failed range does not make the next one fail.
  const file = inner.objects.get("x.age") ?? new Uint8Array();
  const damaged = file.slice();
  damaged[file.length - 300_000] ^= 1;
  inner.objects.set("x.age", damaged);
  await assert.rejects(read(100, 1000), { code: "corrupt", object: "x" });
  inner.objects.set("x.age", file);
  await read(1100, 1000);

  bytes.fill(1);
  await storage.put("x", bytes);
  await read(1200, 100);
  await storage.delete("x");
  await assert.rejects(read(1300, 100), { code: "not-found" });
});

test("EncryptedStorage refuses every change of a stored object", async () => {
  const inner = new MemoryStorage();
  const storage = over(inner);
  const bytes = noise(140_000, 5);
  await storage.put("x", bytes);
  await storage.put("other", noise(140_000, 6));
  const file = inner.objects.get("x.age")!;
  const refused = async (what: string, changed: Uint8Array) => {
    inner.objects.set("x.age", changed);
    for (const range of [{}, { offset: 0, length: 140_000 }]) {
      await assert.rejects(
        collect(over(inner).get("x", range)),
        (error: Error & { code?: string; object?: string }) => {
          assert.match(error.code!, /^(?:corrupt|truncated|key|limit)$/, what);
          assert.equal(error.object, "x", what);
          return true;
        },
        what,
      );
    }
  };
  for (let at = 0; at < file.length; at += at < 300 ? 1 : 997) {
    const changed = file.slice();
    changed[at] ^= 1;
    await refused(`byte ${at}`, changed);
  }
  const head = file.length - 140_000 - 3 * 16;
  for (const end of [0, 10, head, head + 65552, head + 131104]) {
    await refused(`cut at ${end}`, file.slice(0, end));
  }
  const chunk = (n: number) =>
    file.slice(head + n * 65552, head + (n + 1) * 65552);
  await refused(
    "swapped chunks",
    concat([file.slice(0, head), chunk(1), chunk(0), chunk(2)]),
  );
  await refused("more bytes", concat([file, chunk(2)]));
  const stranger = await identityToRecipient(await generateX25519Identity());
  const foreign = new MemoryStorage();
  await new EncryptedStorage(foreign, {
    keys: [],
    recipientsOf: () => [stranger],
  })
    .put("x", bytes);
  await refused("of another key", foreign.objects.get("x.age")!);
});

test(
  "age -d decrypts what EncryptedStorage stores, and the reverse",
  needs("age"),
  async () => {
    await withTemp(async (folder) => {
      const key = join(folder, "key");
      writeFileSync(key, `${identity}\n`);
      const storage = over(new LocalStorage(join(folder, "store")));
      for (const size of SIZES) {
        const bytes = noise(size, size + 7);
        await storage.put("x", bytes);
        const file = join(folder, "store/x.age");
        const plain = execFileSync("age", ["-d", "-i", key, file], {
          maxBuffer: 1 << 24,
        });
        assert.ok(plain.equals(bytes), `${size}`);
        execFileSync("age", ["-r", recipient, "-o", file], { input: bytes });
        assert.deepEqual(await collect(storage.get("x")), bytes);
        const range = { offset: Math.floor(size / 2) };
        assert.deepEqual(
          await collect(storage.get("x", range)),
          bytes.slice(range.offset),
        );
      }
      assert.deepEqual(readdirSync(join(folder, "store")), ["x.age"]);
      assert.ok(!readFileSync(key, "utf8").includes("age1"));
    });
  },
);
