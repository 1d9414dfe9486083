import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../lib/bytes/source.ts";
import {
  bytesAccess,
  delta,
  deltaBytes,
  patch,
  patchBytes,
  sign,
  signBytes,
} from "../../lib/delta/mod.ts";
import { drain, mutate, pieces, randomBytes, text } from "./helpers.ts";

const SLOW = Boolean(process.env.SLOW);

const FILES: Record<string, Uint8Array> = {
  empty: new Uint8Array(),
  one: text("a"),
  hello: text("hello world\n"),
  shorter: text("hello\n"),
  zeros: new Uint8Array(700),
  moreZeros: new Uint8Array(1500),
  lines: text("the quick brown fox\n".repeat(40)),
  moreLines: text("the quick brown fox\n".repeat(55) + "end"),
  noise: randomBytes(1000, 1),
  noiseTail: randomBytes(1000, 1).subarray(3),
  otherNoise: randomBytes(990, 2),
  mixed: concat([
    randomBytes(500, 1),
    new Uint8Array(300),
    randomBytes(400, 3),
  ]),
};

test("every pair of small files is reproduced by a delta, with several block sizes", () => {
  for (const blockSize of [1, 2, 7, 16, 64, 1024]) {
    for (const [from, basis] of Object.entries(FILES)) {
      const signature = signBytes(basis, { blockSize });
      for (const [to, file] of Object.entries(FILES)) {
        const result = patchBytes(basis, deltaBytes(signature, file));
        assert.deepEqual(result, file, `${from} to ${to} by ${blockSize}`);
      }
    }
  }
});

test("input can be divided at any offset", async () => {
  const blockSize = 16;
  const basis = FILES.mixed;
  const file = mutate(basis, 5);
  const signature = signBytes(basis, { blockSize });
  const whole = deltaBytes(signature, file);
  for (const size of [1, 2, 3, 7, 15, 16, 17]) {
    assert.deepEqual(
      await sign(pieces(basis, size), { blockSize, size: basis.length }),
      signature,
    );
    const cut = await drain(delta(signature, pieces(file, size)));
    assert.deepEqual(cut, whole);
    const result = patch(bytesAccess(basis), pieces(whole, size));
    assert.deepEqual(await drain(result), file);
  }
});

test("input can be divided at every block boundary and next to it", async () => {
  const blockSize = 64;
  const basis = FILES.noise;
  const file = concat([basis.subarray(0, 300), text("!"), basis.subarray(290)]);
  const signature = signBytes(basis, { blockSize });
  const whole = deltaBytes(signature, file);
  for (let block = 0; block <= file.length; block += blockSize) {
    for (const at of [block - 1, block, block + 1]) {
      if (at < 0) continue;
      const parts = (bytes: Uint8Array) => [
        bytes.subarray(0, at),
        bytes.subarray(at),
      ];
      assert.deepEqual(
        await sign(parts(basis), { blockSize, size: basis.length }),
        signature,
      );
      assert.deepEqual(await drain(delta(signature, parts(file))), whole);
      assert.deepEqual(
        await drain(patch(bytesAccess(basis), parts(whole))),
        file,
      );
    }
  }
});

test("deltas of seeded mutations have the right result, even if they exceed the window", async () => {
  for (let seed = 1; seed <= (SLOW ? 300 : 12); seed++) {
    const basis = randomBytes(seed % 3 === 0 ? 900_000 : 20_000, seed);
    const file = mutate(basis, seed);
    const signature = signBytes(basis, {
      blockSize: [64, 1000, 4096][seed % 3],
    });
    const bytes = await drain(delta(signature, pieces(file, 123_457)));
    assert.deepEqual(bytes, deltaBytes(signature, file), `seed ${seed}`);
    assert.deepEqual(patchBytes(basis, bytes), file, `seed ${seed}`);
  }
});
