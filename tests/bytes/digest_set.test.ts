import assert from "node:assert/strict";
import { test } from "node:test";
import { DigestSet } from "../../lib/bytes/digest_set.ts";

/** Returns a digest whose first words are often equal to those of others. */
function digest(number: number): string {
  const text = number.toString(16);
  return "ab".repeat(8) + text.padStart(8, "0");
}

test("a set of digests has the added digests and no others", () => {
  const set = new DigestSet();
  for (let number = 0; number < 2000; number += 2) {
    set.add(digest(number));
    set.add(digest(number));
  }
  for (let number = 0; number < 2000; number++) {
    assert.equal(set.has(digest(number)), number % 2 === 0);
  }
});
