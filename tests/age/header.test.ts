import { test } from "node:test";
import assert from "node:assert/strict";
import { generateHybridIdentity, identityToRecipient } from "age-encryption";
import { headLength, makeHead } from "../../lib/age/header.ts";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";

test("headLength() returns the length of the head that is written", async () => {
  const one = await recipientOf(await newIdentity());
  const hybrid = await identityToRecipient(await generateHybridIdentity());
  for (const recipients of [[one], [one, one], [one, one, one], [hybrid]]) {
    const { bytes } = await makeHead(recipients);
    assert.equal(await headLength(recipients), bytes.length);
  }
});

test("headLength() refuses an invalid recipient", async () => {
  await assert.rejects(headLength(["age1nobody"]), { code: "unsupported" });
});
