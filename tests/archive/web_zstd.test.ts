import assert from "node:assert/strict";
import { test } from "node:test";
import * as zlib from "node:zlib";
import { webUnzstd } from "../../lib/archive/web_zstd.ts";
import { collect } from "../../lib/bytes/source.ts";
import { noise } from "../support/noise.ts";

async function* pieces(bytes: Uint8Array, length: number) {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
  }
}

const explain = (cause: unknown) => new Error("explained", { cause });

test("without node:zlib, zstd is read from any pieces", async () => {
  const text = new TextEncoder().encode("some words and more ".repeat(30_000));
  const params = { [zlib.constants.ZSTD_c_checksumFlag]: 1 };
  for (
    const plain of [new Uint8Array(0), noise(300_000), text, text.slice(0, 5)]
  ) {
    for (const options of [{}, { params }]) {
      const packed = new Uint8Array(zlib.zstdCompressSync(plain, options));
      for (const length of [1, 7, 4096, packed.length]) {
        const read = await collect(webUnzstd(pieces(packed, length), explain));
        assert.deepEqual(read, plain);
      }
    }
  }
});

test("damage that the decoder detects is explained, and other damage ends the reading", async () => {
  const plain = new TextEncoder().encode("hello world ".repeat(1000));
  const packed = new Uint8Array(zlib.zstdCompressSync(plain));
  for (let at = 4; at < packed.length; at++) {
    const damaged = packed.slice();
    damaged[at] ^= 0x55;
    await collect(webUnzstd(pieces(damaged, 999), explain)).catch((error) => {
      assert.equal(error.message, "explained");
    });
  }
});
