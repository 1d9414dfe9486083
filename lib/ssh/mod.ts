/**
 * Ed25519 keys and cryptographic signatures in the formats of OpenSSH, so that
 * `ssh-keygen -Y verify` can check the signatures that deltar makes. In the
 * texts of this directory, a signature is always a cryptographic signature.
 *
 * `ed25519.ts` makes and reads keys, `signature.ts` makes and checks
 * signatures, `allowed_signers.ts` reads lists of trusted keys, and `wire.ts`
 * encodes and decodes the fields of keys and signatures. Web Crypto does the
 * cryptography.
 *
 * @module
 */
export { type AllowedSigner, readAllowedSigners } from "./allowed_signers.ts";
export {
  keyOfSeed,
  makeKeyPair,
  readPrivateKey,
  type SigningKey,
} from "./ed25519.ts";
export {
  armorSignature,
  readSignature,
  sign,
  type SshSignature,
  verify,
} from "./signature.ts";
export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";
