import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { foldName, nameFault } from "../../lib/tree/name.ts";
import {
  decodeName,
  encodeName,
  encodeNameInto,
  isDecodedName,
  octalName,
  parsePath,
  spellPath,
} from "../../lib/tree/raw_name.ts";
import { needs, run } from "../support/peer.ts";

/** Arbitrary bytes, many of which begin or continue UTF-8. */
const anyBytes = fc.array(
  fc.oneof(
    fc.constantFrom(0xc3, 0xa9, 0xed, 0xb3, 0xbf, 0xf0, 0x9f, 0x98, 0x80),
    fc.constantFrom(...new TextEncoder().encode("\\xe95c\u{fffd}é")),
    fc.integer({ min: 1, max: 255 }),
  ),
  { maxLength: 30 },
).map((bytes) => Uint8Array.from(bytes));

test("decodeName() and encodeName() are inverse functions for all bytes", () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    const name = decodeName(bytes);
    assert.deepEqual(encodeName(name), bytes);
    assert.ok(isDecodedName(name));
    assert.equal(JSON.parse(JSON.stringify(name)), name);
    const buffer = new Uint8Array(bytes.length);
    assert.equal(encodeNameInto(name, buffer), bytes.length);
    assert.deepEqual(buffer, bytes);
    if (bytes.length > 0) {
      assert.equal(encodeNameInto(name, buffer.subarray(1)), undefined);
    }
  }));
});

test("decodeName() returns valid UTF-8 unchanged", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const bytes = new TextEncoder().encode(text);
    assert.equal(
      decodeName(bytes),
      new TextDecoder("utf-8", {
        ignoreBOM: true,
      }).decode(bytes),
    );
  }));
});

test("isDecodedName() refuses second spellings and other lone surrogates", () => {
  for (
    const name of ["\udcc3\udca9", "a\ud800", "\udc00", "\udc7f", "\udd00"]
  ) {
    assert.equal(isDecodedName(name), false, JSON.stringify(name));
    assert.ok(nameFault(name, "linux", true));
  }
  for (
    const name of ["é", "caf\udce9", "\u{1f600}\udcff", "\udcff".repeat(255)]
  ) {
    assert.ok(isDecodedName(name));
    assert.equal(nameFault(name, "linux", true), undefined);
    assert.equal(nameFault(name, "linux") === undefined, name.isWellFormed());
  }
  assert.ok(nameFault("\udcff".repeat(256), "linux", true));
  assert.equal(foldName("A\udcc3É"), foldName("a\udcc3e\u0301"));
});

test("parsePath() returns the path that spellPath() was given", () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    const path = decodeName(bytes);
    const spelled = spellPath(path);
    assert.ok(spelled.isWellFormed());
    assert.equal(parsePath(spelled), path);
  }));
  assert.equal(spellPath("caf\udce9 é"), "caf\\xe9 é");
  assert.equal(spellPath("caf\\xe9 \\x41"), "caf\\x5cxe9 \\x41");
  assert.equal(parsePath("\\xc3\\xa9"), "é");
});

test("printf of octalName() returns the bytes", needs("sh"), () => {
  const every = Uint8Array.from({ length: 255 }, (_, at) => at + 1);
  const path = decodeName(every);
  assert.match(octalName(path), /^[!-~]+$/);
  const script = `printf -- '${octalName(path).replace("'", "'\\''")}'`;
  assert.deepEqual(new Uint8Array(run("sh", ["-c", script])), every);
});
