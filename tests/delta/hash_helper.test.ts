import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { HashHelper } from "../../lib/delta/hash_helper.ts";
import { HASH_WORKER } from "../../lib/delta/hash_worker.ts";
import { noise } from "../support/noise.ts";

/** Makes a worker that dies while it hashes the group with the given number. */
const dying = (groups: number) =>
  `let left = ${groups};\n` + HASH_WORKER.replace(
    "const size =",
    "if (left-- === 0) process.exit();\n    const size =",
  );

const SIZE = 1024;
const bytes = noise(8 * 2 ** 20);
const expected = createHash("sha256");
for (let at = 0; at < bytes.length; at += SIZE) {
  expected.update(sumOf(bytes.subarray(at, at + SIZE)));
}
const sums = expected.digest("hex");

function sumOf(block: Uint8Array): Uint8Array {
  return createHash("sha256").update(block).digest();
}

/** Returns all digests in order, with pauses in which a worker can work. */
async function hashWith(helper: HashHelper): Promise<string> {
  const found = createHash("sha256");
  const job = helper.capacity(SIZE);
  for (let at = 0; at < bytes.length; at += job) {
    const blocks = bytes.subarray(at, at + job);
    helper.start(blocks, SIZE, 32, (digests) => void found.update(digests));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  helper.finish();
  return found.digest("hex");
}

test("HashHelper hashes blocks in order, several jobs at a time", async () => {
  assert.equal(await hashWith(new HashHelper()), sums);
});

test("a worker that dies during its work loses no digest", async () => {
  for (const groups of [0, 1, 8, 30]) {
    const helper = new HashHelper(dying(groups), 50);
    let hasDied = false;
    // A worker without processor time hashes too few groups to die in the first
    // pass.
    for (let pass = 0; pass < 200 && !hasDied; pass++) {
      assert.equal(await hashWith(helper), sums);
      // The next job uses another helper and completes only its own work.
      const block = bytes.subarray(0, SIZE);
      let digest: Uint8Array | undefined;
      helper.start(block, SIZE, 32, (digests) => digest = digests.slice());
      hasDied = digest !== undefined;
      helper.finish();
      assert.deepEqual(digest, new Uint8Array(sumOf(block)));
    }
    assert.ok(hasDied, `${groups} groups`);
  }
});
