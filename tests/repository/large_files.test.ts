import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { toHex } from "../../lib/bytes/hex.ts";
import { sha256 } from "../../lib/bytes/sha256.ts";
import { concat } from "../../lib/bytes/source.ts";
import { isDamage } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

const MEBIBYTE = 1 << 20;

/**
 * Writes each content, takes a snapshot of each, and restores all of them at
 * the end.
 */
async function roundTrip(
  contents: (Uint8Array | undefined)[],
  volumeSize: number,
) {
  const repository = await Repository.create(new MemoryStorage());
  return await withTemp(async (folder) => {
    const root = join(folder, "root");
    const file = join(root, "data.bin");
    fs.mkdirSync(root);
    const taken: {
      sum: string | undefined;
      stored: number;
      forms: string[];
    }[] = [];
    for (const content of contents) {
      if (content === undefined) fs.rmSync(file, { force: true });
      else fs.writeFileSync(file, content);
      const dir = everything(root);
      const { record } = await repository.snapshot(dir, { volumeSize });
      const entry = (await repository.tree(record)).byPath.get("data.bin");
      taken.push({
        sum: content && toHex(sha256(content)),
        stored: record.counts.stored,
        forms: entry?.content?.map(({ form }) => form) ?? [],
      });
    }
    const records = await repository.snapshots();
    assert.equal(records.length, contents.length);
    for (const [at, record] of records.entries()) {
      const target = join(folder, `restored${at}`);
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed, [], `snapshot ${at}`);
      const place = join(target, "data.bin");
      const sum = fs.existsSync(place)
        ? toHex(sha256(fs.readFileSync(place)))
        : undefined;
      assert.equal(sum, taken[at].sum, `snapshot ${at}`);
      fs.rmSync(target, { recursive: true });
    }
    return taken;
  });
}

/** Overwrites, inserts and moves bytes of a content. */
function edited(bytes: Uint8Array, seed: number): Uint8Array {
  const at = (seed * 7919 * 101) % (bytes.length - 5000);
  return Uint8Array.from([
    ...bytes.subarray(4000, at + 4000),
    ...noise(50 + seed, seed),
    ...bytes.subarray(at + 4100),
    ...bytes.subarray(0, 4000),
  ]);
}

test("the chain of deltas of a large file is limited, and can be restored at every link", async () => {
  const contents = [noise(1.3 * MEBIBYTE)];
  for (let at = 1; at < 12; at++) {
    contents.push(Uint8Array.from(edited(contents[at - 1], at)));
  }
  const taken = await roundTrip(contents, 64 * MEBIBYTE);
  const lengths = taken.map(({ forms }) => forms.length);
  assert.deepEqual(lengths, [1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4]);
  for (const [at, { forms, stored }] of taken.entries()) {
    assert.equal(forms[0], "whole");
    assert.ok(forms.slice(1).every((form) => form === "delta"));
    // The tenth snapshot has all deltas composed into one.
    if (at > 0) assert.ok(stored < (at === 9 ? 160_000 : 40_000), `${stored}`);
  }
});

test("the chain of deltas of a small file is limited, too", async () => {
  const contents = [noise(40_000)];
  for (let at = 1; at < 11; at++) {
    contents.push(Uint8Array.from(edited(contents[at - 1], at)));
  }
  const taken = await roundTrip(contents, 4096);
  assert.deepEqual(
    taken.map(({ forms }) => forms.length),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2],
  );
});

test("a file that grows or shrinks across 1 MiB is restored", async () => {
  const large = noise(2 * MEBIBYTE);
  const around = [-1, 0, 1].map((more) => large.subarray(0, MEBIBYTE + more));
  await roundTrip([
    large.subarray(0, 600_000),
    large,
    large.subarray(0, 700_000),
    large.subarray(5, 1_500_000),
    ...around,
    new Uint8Array(),
    large,
    undefined,
    large,
    new Uint8Array(3 * MEBIBYTE),
    large.subarray(0, MEBIBYTE),
    around[2],
  ], 1_000_000);
});

test("a file that is very large between two small states is restored", async () => {
  // Equal blocks result in a tiny delta for a file of any size.
  const small = new Uint8Array(100_000).fill(7);
  const huge = new Uint8Array(70 * MEBIBYTE).fill(7);
  const taken = await roundTrip(
    [small, huge, Uint8Array.from([...small, 1, 2, 3])],
    64 * MEBIBYTE,
  );
  assert.ok(taken[1].stored < 50_000, `${taken[1].stored} stored`);
});

/** Returns text that compresses well, with a different number in each line. */
function text(bytes: number): Uint8Array {
  const lines: string[] = [];
  for (let at = 0, length = 0; length < bytes; at++) {
    lines.push(`line ${at} of a file with ${at * 7919 % 1_000_003} things\n`);
    length += lines[at].length;
  }
  return new TextEncoder().encode(lines.join("")).subarray(0, bytes);
}

for (const isEncrypted of [false, true]) {
  const kind = isEncrypted ? "encrypted" : "plain";
  test(`a large file whose parts moved is restored from a local repository (${kind}), unless a frame is damaged`, async () => {
    await withTemp(async (folder) => {
      const place = join(folder, "repository");
      const identity = await generateX25519Identity();
      const repository = await Repository.create(new LocalStorage(place), {
        ...isEncrypted &&
          { encrypt: { name: "me", to: await identityToRecipient(identity) } },
      });
      const root = join(folder, "root");
      fs.mkdirSync(root);
      const contents = [text(6 * MEBIBYTE)];
      for (let at = 1; at < 5; at++) {
        const last = contents[at - 1];
        const cut = at * 1_200_000;
        contents.push(concat([
          last.subarray(cut),
          noise(1000, at),
          last.subarray(0, cut),
          last.subarray(cut + 5, cut + 900_000),
        ]));
      }
      for (const content of contents) {
        fs.writeFileSync(join(root, "data.bin"), content);
        await repository.snapshot(everything(root));
      }
      const records = await repository.snapshots();
      for (const [at, record] of records.entries()) {
        const target = join(folder, `restored ${at}`);
        await repository.restore(record, target);
        const bytes = fs.readFileSync(join(target, "data.bin"));
        assert.ok(bytes.equals(contents[at]), `snapshot ${at}`);
      }
      const { byPath } = await repository.tree(records[4]);
      const pieces = byPath.get("data.bin")?.content ?? [];
      assert.deepEqual(pieces.map(({ form }) => form), [
        "whole",
        ...Array.from({ length: 4 }, () => "delta"),
      ]);
      const { volume } = pieces[0].reference;
      const file = join(place, isEncrypted ? `${volume}.age` : volume);
      const bytes = fs.readFileSync(file);
      bytes[Math.floor(bytes.length / 2)] ^= 1;
      fs.writeFileSync(file, bytes);
      const target = join(folder, "damaged");
      const { failed } = await repository.restore(records[4], target);
      assert.equal(failed.length, 1);
      assert.ok(isDamage(failed[0].error), `${failed[0].error}`);
      assert.equal(failed[0].error.object, volume);
      assert.ok(!fs.existsSync(join(target, "data.bin")));
    });
  });
}

test("large files that exchange their paths are not stored again", async () => {
  const repository = await Repository.create(new MemoryStorage());
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const [a, b] = [noise(1_200_000, 1), noise(1_200_000, 2)];
    fs.writeFileSync(join(root, "a"), a);
    fs.writeFileSync(join(root, "b"), b);
    await repository.snapshot(everything(root));
    fs.writeFileSync(join(root, "a"), b);
    fs.writeFileSync(join(root, "b"), a);
    fs.writeFileSync(join(root, "c"), a);
    const { record, diff } = await repository.snapshot(everything(root));
    assert.deepEqual(diff.updated, ["a", "b"]);
    assert.deepEqual(diff.copied, [{ from: "a", to: "c" }]);
    assert.ok(record.counts.stored < 5000, `${record.counts.stored} stored`);
    const target = join(folder, "restored");
    await repository.restore(record, target);
    for (const [name, content] of Object.entries({ a: b, b: a, c: a })) {
      assert.ok(fs.readFileSync(join(target, name)).equals(content), name);
    }
  });
});
