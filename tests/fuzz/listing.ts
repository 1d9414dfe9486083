import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import type { Json, JsonObject } from "./values.ts";

/** Returns the SHA-256 of bytes, in hexadecimal. */
export function sumOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Compresses bytes with the codec in the name of an object. */
export function pack(name: string, bytes: Uint8Array): Uint8Array {
  return /gz$/.test(name) ? zlib.gzipSync(bytes) : zlib.zstdCompressSync(bytes);
}

/** Decompresses all frames of an object. */
export function unpack(name: string, bytes: Uint8Array): Uint8Array {
  return /gz$/.test(name)
    ? zlib.gunzipSync(bytes)
    : zlib.zstdDecompressSync(bytes);
}

/** Returns all lines of a listing except the last. */
export function linesOf(bytes: Uint8Array): JsonObject[] {
  return Buffer.from(bytes).toString("utf8").split("\n").slice(0, -2)
    .map((line) => JSON.parse(line) as JsonObject);
}

/** Returns a listing of these lines with its checksum. */
export function listingOf(lines: readonly Json[]): Uint8Array {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  return sealed(Buffer.from(text));
}

/** Returns lines with a last line that has their checksum. */
export function sealed(bytes: Uint8Array): Uint8Array {
  const last = Buffer.from(`{"sha256":"${sumOf(bytes)}"}\n`);
  return Buffer.concat([bytes, last]);
}
