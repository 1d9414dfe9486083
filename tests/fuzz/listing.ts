import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import type { Json, JsonObject } from "./values.ts";

/** The SHA-256 of some bytes, in hexadecimal. */
export function sumOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Compresses as an object's name says. */
export function pack(name: string, bytes: Uint8Array): Uint8Array {
  return /gz$/.test(name) ? zlib.gzipSync(bytes) : zlib.zstdCompressSync(bytes);
}

/** Decompresses all frames of an object. */
export function unpack(name: string, bytes: Uint8Array): Uint8Array {
  return /gz$/.test(name)
    ? zlib.gunzipSync(bytes)
    : zlib.zstdDecompressSync(bytes);
}

/** The lines of a listing but the last, with whatever is in them. */
export function linesOf(bytes: Uint8Array): JsonObject[] {
  return Buffer.from(bytes).toString("utf8").split("\n").slice(0, -2)
    .map((line) => JSON.parse(line) as JsonObject);
}

/** A listing of such lines, with its sum. */
export function listingOf(lines: readonly Json[]): Uint8Array {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  return sealed(Buffer.from(text));
}

/** Lines with the last one, which has their sum. */
export function sealed(bytes: Uint8Array): Uint8Array {
  const last = Buffer.from(`{"sha256":"${sumOf(bytes)}"}\n`);
  return Buffer.concat([bytes, last]);
}
