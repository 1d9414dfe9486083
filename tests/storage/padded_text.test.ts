import assert from "node:assert/strict";
import { test } from "node:test";
import { paddedSize } from "../../lib/bytes/padded_size.ts";
import { collect } from "../../lib/bytes/source.ts";
import { padText, unpadText } from "../../lib/storage/padded_text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Yields bytes in pieces of the given length. */
async function* inPieces(
  bytes: Uint8Array,
  length: number,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
    yield new Uint8Array(0);
  }
}

test("padText() pads the last line, and unpadText() returns the text", async () => {
  const texts = [
    "",
    "{}\n",
    '{"a":1}\n{"sha256":"…"}\n',
    "{}\n\n\n{}\n",
    '  {"a":"   "}   \n   {"b":" "}\n',
    `${"x".repeat(5000)}\n`,
    `{"a":"${" ".repeat(200_000)}"}\n{}\n`,
    '{"without":"newline"}',
  ];
  for (const text of texts) {
    const plain = encoder.encode(text);
    for (const length of [1, 3, 7, 1 << 20]) {
      if (plain.length / length > 10_000) continue;
      const padded = await collect(padText(inPieces(plain, length)));
      assert.equal(padded.length, paddedSize(plain.length));
      assert.equal(decoder.decode(padded).trimEnd(), text.trimEnd());
      assert.equal(padded.at(-1) === 10, text.endsWith("\n"));
      const again = await collect(unpadText(inPieces(padded, length)));
      assert.equal(decoder.decode(again), text);
    }
  }
});
