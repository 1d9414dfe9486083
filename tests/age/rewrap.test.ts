import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AgeKey,
  decrypt,
  encrypt,
  newIdentity,
  recipientOf,
} from "../../lib/age/mod.ts";
import { readHeader } from "../../lib/age/header.ts";
import { needsRewrap, rewrapHeader } from "../../lib/age/rewrap.ts";
import { ByteReader } from "../../lib/bytes/byte_reader.ts";
import { collect, concat } from "../../lib/bytes/source.ts";

const [old, newest, machine, stranger] = await Promise.all(
  [1, 2, 3, 4].map(newIdentity),
);
const recipient = await recipientOf(newest);
const keys = { older: [stranger, old], newest, recipient };
const plain = Uint8Array.of(1, 2, 3);

async function seal(...identities: string[]): Promise<Uint8Array> {
  const recipients = await Promise.all(identities.map(recipientOf));
  return await collect(encrypt([plain], recipients));
}

function headerOf(file: Uint8Array): Promise<Uint8Array> {
  return readHeader(
    new ByteReader((async function* () {
      yield await Promise.resolve(file);
    })()),
  );
}

async function opens(file: Uint8Array, key: AgeKey): Promise<boolean> {
  try {
    assert.deepEqual(await collect(decrypt([file], [key])), plain);
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, "key");
    return false;
  }
}

test("rewrapHeader() replaces the older recipient, and no other", async () => {
  for (const order of [[old], [old, machine], [machine, old]]) {
    const file = await seal(...order);
    const header = await headerOf(file);
    assert.equal(await needsRewrap(header, keys, "x"), true);
    const made = await rewrapHeader(header, keys, "x");
    assert.equal(made.length, header.length);
    const changed = concat([made, file.subarray(header.length)]);
    assert.equal(await needsRewrap(await headerOf(changed), keys, "x"), false);
    assert.equal(await opens(changed, newest), true);
    assert.equal(await opens(changed, machine), order.includes(machine));
    assert.equal(await opens(changed, old), false);
    assert.equal(await opens(file, old), true);
  }
});

test("rewrapHeader() refuses files for other recipients, and damaged headers", async () => {
  const header = await headerOf(await seal(machine));
  await assert.rejects(needsRewrap(header, keys, "x"), {
    code: "key",
    object: "x",
  });
  await assert.rejects(rewrapHeader(header, keys, "x"), { code: "key" });
  const damaged = (await headerOf(await seal(old, machine))).slice();
  // The last character of the MAC has unused bits.
  damaged[damaged.length - 4] ^= 1;
  await assert.rejects(rewrapHeader(damaged, keys, "x"), { code: "corrupt" });
});
