import { keyOfSeed, type SigningKey } from "../../ssh/mod.ts";

const INFO = new TextEncoder().encode("deltar admin key");
const SEED_BITS = 256;

/**
 * Returns the admin key of a repository, which signs its holders, signers,
 * recipients and write-only keys. It is derived from the first identity of the
 * repository by HKDF with SHA-256 (RFC 5869), so everybody with a full key or a
 * recovery sheet can derive it.
 *
 * @param identity The first identity, `AGE-SECRET-KEY-1…`.
 */
export async function adminKeyOf(identity: string): Promise<SigningKey> {
  const secret = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(identity.toUpperCase()),
    "HKDF",
    false,
    ["deriveBits"],
  );
  const seed = await crypto.subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: INFO },
    secret,
    SEED_BITS,
  );
  return await keyOfSeed(new Uint8Array(seed));
}
