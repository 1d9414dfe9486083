import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { builtin } from "../bytes/builtin.ts";

/** The number of bytes that encryption adds to a chunk of a payload. */
export const TAG_BYTES = 16;

/**
 * A ChaCha20-Poly1305 cipher (RFC 8439) with one key, for the chunks of an age
 * file. The caller must not encrypt two different chunks with the same nonce.
 */
export interface ChunkCipher {
  /**
   * Encrypts a chunk with a nonce of 12 bytes. The result is `TAG_BYTES` bytes
   * longer than the chunk.
   */
  seal(nonce: Uint8Array, chunk: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Decrypts a chunk with the nonce that was used to encrypt it. Throws if the
   * chunk was changed, or was encrypted with a different nonce or key.
   */
  open(nonce: Uint8Array, sealed: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A function that makes a cipher for a key of 32 bytes. */
export type MakeCipher = (key: Uint8Array) => Promise<ChunkCipher>;

let found: Promise<MakeCipher> | undefined;

/**
 * Returns a cipher for a key of 32 bytes. The cipher uses `node:crypto` (Node,
 * Deno) or Web Crypto (Bun, some browsers) if one of these supports
 * ChaCha20-Poly1305, and otherwise portable code, which is slower.
 */
export async function chunkCipher(key: Uint8Array): Promise<ChunkCipher> {
  found ??= findCipher();
  return (await found)(key);
}

/**
 * The functions that make ciphers, in order of preference. Some runtimes
 * support only some of them.
 */
export const CIPHERS: readonly MakeCipher[] = [
  nodeCipher,
  webCipher,
  portableCipher,
];

async function findCipher(): Promise<MakeCipher> {
  for (const make of CIPHERS) if (await works(make)) return make;
  return portableCipher;
}

/** Returns whether the cipher that `make` makes works in this runtime. */
export async function works(make: MakeCipher): Promise<boolean> {
  try {
    const cipher = await make(new Uint8Array(32));
    const nonce = new Uint8Array(12);
    const sealed = await cipher.seal(nonce, new Uint8Array(1));
    return (await cipher.open(nonce, sealed)).length === 1;
  } catch {
    return false;
  }
}

function nodeCipher(key: Uint8Array): Promise<ChunkCipher> {
  const crypto = builtin("node:crypto");
  if (crypto === undefined) {
    return Promise.reject(new TypeError("this runtime has no node:crypto"));
  }
  const name = "chacha20-poly1305";
  const options = { authTagLength: TAG_BYTES };
  return Promise.resolve({
    seal(nonce, chunk) {
      const cipher = crypto.createCipheriv(name, key, nonce, options);
      const sealed = new Uint8Array(chunk.length + TAG_BYTES);
      sealed.set(cipher.update(chunk));
      cipher.final();
      sealed.set(cipher.getAuthTag(), chunk.length);
      return sealed;
    },
    open(nonce, sealed) {
      const cipher = crypto.createDecipheriv(name, key, nonce, options);
      const length = sealed.length - TAG_BYTES;
      cipher.setAuthTag(sealed.subarray(length));
      const chunk = cipher.update(sealed.subarray(0, length));
      cipher.final();
      const { buffer, byteOffset, length: size } = chunk;
      return new Uint8Array(buffer, byteOffset, size);
    },
  });
}

async function webCipher(key: Uint8Array): Promise<ChunkCipher> {
  const { subtle } = crypto;
  const name = "ChaCha20-Poly1305";
  // TypeScript's types do not include the key format `raw-secret` yet.
  const imported = await subtle.importKey(
    "raw-secret" as "raw",
    key as Uint8Array<ArrayBuffer>,
    { name },
    false,
    ["encrypt", "decrypt"],
  );
  const parameters = (nonce: Uint8Array) =>
    ({ name, iv: nonce }) as unknown as AesGcmParams;
  return {
    async seal(nonce, chunk) {
      const bytes = chunk as Uint8Array<ArrayBuffer>;
      return new Uint8Array(
        await subtle.encrypt(parameters(nonce), imported, bytes),
      );
    },
    async open(nonce, sealed) {
      const bytes = sealed as Uint8Array<ArrayBuffer>;
      return new Uint8Array(
        await subtle.decrypt(parameters(nonce), imported, bytes),
      );
    },
  };
}

function portableCipher(key: Uint8Array): Promise<ChunkCipher> {
  return Promise.resolve({
    seal: (nonce, chunk) => chacha20poly1305(key, nonce).encrypt(chunk),
    open: (nonce, sealed) => chacha20poly1305(key, nonce).decrypt(sealed),
  });
}
