import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  decodeLibrsyncSignature,
  deltaBytes,
  encodeLibrsyncSignature,
  patchBytes,
  signBytes,
} from "../../lib/delta/mod.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { collect } from "../../lib/bytes/source.ts";
import { bytesAccess } from "../../lib/delta/random_access.ts";
import { refineDelta } from "../../lib/delta/refine.ts";
import { mutate, randomBytes, text } from "./helpers.ts";

// The second implementation is librsync's own command.
const present = spawnSync("rdiff", ["--version"]).status === 0;
const skip = !present && !process.env.CI && "rdiff is not installed";
const SLOW = Boolean(process.env.SLOW);

function withRdiff(
  work: (rdiff: (input: Uint8Array[], args: string[]) => Uint8Array) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), "deltar-rdiff-"));
  try {
    work((input, args) => {
      const names = input.map((bytes, index) => {
        const name = join(folder, `in${index}`);
        writeFileSync(name, bytes);
        return name;
      });
      const output = join(folder, "out");
      const run = spawnSync("rdiff", ["-f", ...args, ...names, output]);
      assert.equal(run.status, 0, String(run.stderr));
      return new Uint8Array(readFileSync(output));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const PAIRS: [Uint8Array, Uint8Array][] = [
  [new Uint8Array(), text("new")],
  [text("old"), new Uint8Array()],
  [text("same"), text("same")],
  [new Uint8Array(5000), new Uint8Array(9000)],
];
for (let seed = 1; seed <= (SLOW ? 300 : 10); seed++) {
  const basis = randomBytes(
    seed % 5 === 0 ? 400_000 : seed * 1009 % 30_000,
    seed,
  );
  PAIRS.push([basis, mutate(basis, seed)]);
}

test(
  "rdiff patch applies deltas of deltar",
  { skip },
  () =>
    withRdiff((rdiff) => {
      for (const [basis, file] of PAIRS) {
        const signature = signBytes(basis, { blockSize: 512 });
        const result = rdiff([basis, deltaBytes(signature, file)], ["patch"]);
        assert.deepEqual(result, file);
      }
    }),
);

test("rdiff patch applies refined deltas of deltar", { skip }, async () => {
  for (const [basis, file] of PAIRS) {
    const coarse = deltaBytes(signBytes(basis, { blockSize: 512 }), file);
    const access = { ...bytesAccess(basis), [Symbol.dispose]() {} };
    const parts = refineDelta(bytesAccess(coarse), {
      size: basis.length,
      read: () => Promise.resolve(access),
    });
    const delta = await collect(parts);
    withRdiff((rdiff) => {
      assert.deepEqual(rdiff([basis, delta], ["patch"]), file);
    });
  }
});

test(
  "deltar applies deltas of rdiff, and its own deltas are not larger",
  { skip },
  () =>
    withRdiff((rdiff) => {
      for (const [basis, file] of PAIRS) {
        const signature = rdiff([basis], ["-b", "512", "signature"]);
        const delta = rdiff([signature, file], ["delta"]);
        assert.deepEqual(patchBytes(basis, delta), file);
        const ours = deltaBytes(signBytes(basis, { blockSize: 512 }), file);
        assert(ours.length <= delta.length * 1.01 + 16);
      }
    }),
);

for (const rollsum of ["rabinkarp", "rollsum"]) {
  test(
    `deltar makes deltas against ${rollsum} signatures of rdiff`,
    { skip },
    () =>
      withRdiff((rdiff) => {
        for (const [basis, file] of PAIRS) {
          const args = ["-R", rollsum, "-S", "12", "-b", "512", "signature"];
          const bytes = rdiff([basis], args);
          const signature = decodeLibrsyncSignature(bytes);
          assert.equal(signature.strongLength, 12);
          const delta = deltaBytes(signature, file);
          assert.deepEqual(patchBytes(basis, delta), file);
          const theirs = rdiff([bytes, file], ["delta"]);
          assert(delta.length <= theirs.length * 1.01 + 16);
          assert.deepEqual(encodeLibrsyncSignature(signature), bytes);
        }
      }),
  );
}

test(
  "librsync signatures of deltar equal those of rdiff, byte for byte",
  { skip },
  () =>
    withRdiff((rdiff) => {
      for (const [basis] of PAIRS) {
        const ours = encodeLibrsyncSignature(
          signBytes(basis, {
            blockSize: 512,
            strongLength: 32,
            strongKind: "blake2b",
          }),
        );
        assert.deepEqual(ours, rdiff([basis], ["-b", "512", "signature"]));
      }
    }),
);

test(
  "MD4 signatures are refused with a clear error",
  { skip },
  () =>
    withRdiff((rdiff) => {
      const bytes = rdiff([text("basis")], ["-H", "md4", "signature"]);
      assert.throws(
        () => decodeLibrsyncSignature(bytes),
        (error) => error instanceof DeltarError && error.code === "unsupported",
      );
    }),
);
