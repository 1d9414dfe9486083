import assert from "node:assert/strict";
import { test } from "node:test";
import { CIPHERS, works } from "../../lib/age/chunk_cipher.ts";
import { noise } from "../support/noise.ts";

test("every cipher of the runtime gives the same result, and refuses changed chunks", async () => {
  const key = noise(32, 1);
  const nonce = noise(12, 2);
  const chunk = noise(65_536, 3);
  const portable = await CIPHERS.at(-1)!(key);
  const expected = await portable.seal(nonce, chunk);
  let count = 0;
  for (const make of CIPHERS) {
    if (!await works(make)) continue;
    count++;
    const cipher = await make(key);
    const sealed = await cipher.seal(nonce, chunk);
    assert.deepEqual(new Uint8Array(sealed), new Uint8Array(expected));
    const opened = await cipher.open(nonce, sealed);
    assert.deepEqual(new Uint8Array(opened), chunk);
    const changed = sealed.slice();
    changed[100] ^= 1;
    await assert.rejects(async () => await cipher.open(nonce, changed));
  }
  assert.ok(count >= 2, "the runtime has a fast one, too");
});
