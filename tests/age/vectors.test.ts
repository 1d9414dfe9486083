import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { armor } from "age-encryption";
import * as vectors from "cctv-age";
import { readHead } from "../../lib/age/header.ts";
import { type AgeKey, decrypt } from "../../lib/age/mod.ts";
import { openChunks } from "../../lib/age/payload.ts";
import { ByteReader } from "../../lib/bytes/byte_reader.ts";
import { chunks, collect, concat } from "../../lib/bytes/source.ts";

/**
 * A file of the test suite of age, with the result that a reader must report.
 */
interface Vector {
  fields: Record<string, string[]>;
  file: Uint8Array;
}

/** Splits a vector at its first empty line. */
function parse(bytes: Uint8Array): Vector {
  const text = Buffer.from(bytes).toString("latin1");
  const end = text.indexOf("\n\n");
  const fields: Record<string, string[]> = {};
  for (const line of text.slice(0, end).split("\n")) {
    const [name, value] = line.split(/: (.*)/s, 2);
    (fields[name] ??= []).push(value);
  }
  const rest = bytes.subarray(end + 2);
  const [packed] = fields.compressed ?? [];
  return { fields, file: packed === "zlib" ? inflateSync(rest) : rest };
}

const all = Object.entries(vectors as unknown as Record<string, Uint8Array>)
  .filter(([, bytes]) => bytes instanceof Uint8Array);

/** The two ways to decrypt a file: as a stream, and all chunks at once. */
const WAYS: Record<
  string,
  (file: Uint8Array, keys: AgeKey[], name: string) => Promise<Uint8Array>
> = {
  "decrypt()": (file, keys, name) => collect(decrypt(file, keys, name)),
  "openChunks()": async (file, keys, name) => {
    const reader = new ByteReader(chunks(file), { object: name });
    const { cipher } = await readHead(reader, keys);
    const sealed = file.subarray(reader.offset);
    return concat(await openChunks(cipher, sealed, { object: name }));
  },
};

for (const [way, open] of Object.entries(WAYS)) {
  test(`${way} gives the expected result for each vector of age's suite`, async () => {
    assert.ok(all.length > 100, `${all.length} vectors`);
    for (const [name, bytes] of all) {
      const { fields, file } = parse(bytes);
      const keys: AgeKey[] = [
        ...fields.identity ?? [],
        ...(fields.passphrase ?? []).map((passphrase) => ({ passphrase })),
      ];
      const [expected] = fields.expect;
      const read = async () => {
        const isArmored = fields.armored !== undefined;
        const plain = isArmored
          ? armor.decode(Buffer.from(file).toString("latin1"))
          : file;
        return await open(plain, keys, name);
      };
      if (expected === "success") {
        const plain = await read();
        const sum = createHash("sha256").update(plain).digest("hex");
        assert.equal(sum, fields.payload[0], name);
        continue;
      }
      if (expected === "armor failure") {
        await assert.rejects(read, name);
        continue;
      }
      const codes: Record<string, RegExp> = {
        "no match": /^(?:key|corrupt)$/,
        "HMAC failure": /^corrupt$/,
        "header failure": /^(?:corrupt|truncated)$/,
        "payload failure": /^(?:corrupt|truncated)$/,
      };
      await assert.rejects(read, (error: Error & { code?: string }) => {
        assert.equal(error.name, "DeltarError", `${name}: ${error.stack}`);
        assert.match(error.code ?? "", codes[expected], name);
        return true;
      }, name);
    }
  });
}
