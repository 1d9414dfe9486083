/**
 * The rsync algorithm: signatures, deltas, patches, and librsync's formats.
 *
 * @module
 */
export { chooseBlockSize, chooseStrongLength } from "./block_size.ts";
export { compose, type ComposeOptions } from "./compose.ts";
export { delta, deltaBytes, type DeltaOptions } from "./delta.ts";
export type { DeltaSink } from "./delta_builder.ts";
export {
  FileScan,
  type FileScanOptions,
  type FileScanResult,
} from "./file_scan.ts";
export {
  decodeLibrsyncSignature,
  encodeLibrsyncSignature,
  isLibrsyncSignature,
} from "./librsync_signature.ts";
export {
  patch,
  patchBytes,
  type PatchBytesOptions,
  type PatchOptions,
} from "./patch.ts";
export { bytesAccess, type RandomAccess } from "./random_access.ts";
export type { WeakKind } from "./rolling_sum.ts";
export {
  sign,
  signBytes,
  type SignBytesOptions,
  type SignOptions,
} from "./sign.ts";
export {
  type DecodeOptions,
  Signature,
  type SignatureFields,
} from "./signature.ts";
export type { StrongKind } from "./strong_sum.ts";
