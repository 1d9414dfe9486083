import { checkListing, closingLine, type Line } from "../../bytes/listing.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import { concat } from "../../bytes/source.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import { readSignature, sign, verify } from "../../ssh/signature.ts";

/**
 * The namespace of deltar's SSH signatures. `ssh-keygen -Y verify` needs this
 * namespace as the argument of `-n`.
 */
export const NAMESPACE = "deltar";

const NEWLINE = 10;
const START = new TextEncoder().encode('{"signature":');
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Signs a listing. The SSH signature covers all bytes before the last line. It
 * is inserted as a line before the last line, and the checksum in the last line
 * is updated.
 *
 * @param listing A listing, as `encodeLines` returns it.
 * @param key The key that signs the listing.
 * @returns The signed listing.
 */
export async function signListing(
  listing: Uint8Array,
  key: SigningKey,
): Promise<Uint8Array> {
  const message = listing.subarray(0, lastLine(listing, listing.length));
  const signature = await sign(message, key, NAMESPACE);
  const line = encoder.encode(`${JSON.stringify({ signature })}\n`);
  const sum = createSha256();
  sum.update(message);
  sum.update(line);
  return concat([message, line, encoder.encode(closingLine(sum.digest()))]);
}

/**
 * Returns the public key (`ssh-ed25519 AAAA…`) of the signer of a listing, or
 * `undefined` if the listing has no SSH signature. The caller must decide
 * whether the signer is trusted.
 *
 * @param listing The whole listing.
 * @param object The name of the object, for error messages.
 * @throws {DeltarError} `corrupt` if the SSH signature is not valid for this
 *   listing; `corrupt` or `truncated` if the listing is damaged.
 */
export async function signerOf(
  listing: Uint8Array,
  object: string,
): Promise<string | undefined> {
  const end = checkListing(listing, object);
  const at = lastLine(listing, end);
  if (START.some((byte, i) => listing[at + i] !== byte)) return undefined;
  const fail = (cause?: unknown) =>
    new DeltarError("corrupt", "the SSH signature is not valid", {
      object,
      offset: at,
      cause,
    });
  let signature;
  try {
    const line = JSON.parse(decoder.decode(listing.subarray(at, end))) as Line;
    signature = readSignature(String(line.signature));
  } catch (cause) {
    throw fail(cause);
  }
  const isValid = await verify(listing.subarray(0, at), signature, NAMESPACE);
  if (isValid) return signature.publicKey;
  throw fail();
}

/**
 * Returns the offset, in bytes, of the last line before the offset `end`.
 */
function lastLine(listing: Uint8Array, end: number): number {
  return listing.lastIndexOf(NEWLINE, end - 2) + 1;
}
