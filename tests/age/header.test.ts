import { test } from "node:test";
import assert from "node:assert/strict";
import { generateHybridIdentity, identityToRecipient } from "age-encryption";
import { headLength, makeHead } from "../../lib/age/header.ts";
import { newIdentity, recipientOf } from "../../lib/age/mod.ts";

test("the length of a head is that of a head that is made", async () => {
  const one = await recipientOf(await newIdentity());
  const hybrid = await identityToRecipient(await generateHybridIdentity());
  for (const recipients of [[one], [one, one], [one, one, one], [hybrid]]) {
    const { bytes } = await makeHead(recipients);
    assert.equal(await headLength(recipients), bytes.length);
  }
});

test("the length of a head for an invalid recipient is refused", async () => {
  await assert.rejects(headLength(["age1nobody"]), { code: "unsupported" });
});
