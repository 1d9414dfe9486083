/**
 * The rsync algorithm: signatures, deltas, patches, and librsync's formats.
 *
 * A signature has two sums of each block of a file (`signature.ts`, made by
 * `sign.ts`): a weak rolling sum (`rolling_sum.ts`) and a strong sum
 * (`strong_sum.ts`). `delta_builder.ts` rolls a window over the new file and
 * finds the positions at which the window equals a block of the old file
 * (`filter.ts`, then `block_table.ts`). It also decides which bytes are copied
 * and which are literals. `delta_writer.ts` encodes the commands. In a large
 * file, WebAssembly (`kernel.ts`) does the search if the runtime supports its
 * SIMD instructions. `file_scan.ts` makes a signature, a delta and the SHA-256
 * in one pass over a file. `delta_between.ts` makes the delta between two
 * states of a small file in memory, by comparing their bytes
 * (`byte_matcher.ts`). `refine.ts` makes a delta smaller by comparing its
 * literals with the old content in the same way.
 *
 * `patch.ts` applies a delta, and `compose.ts` combines two deltas into one.
 * `delta_chain.ts` applies a chain of deltas without making the intermediate
 * files. Deltas are untrusted: `delta_reader.ts` refuses invalid commands, and
 * `delta_validator.ts` refuses commands that reach beyond the basis or make the
 * result too large. A chain checks the sizes of its results itself.
 *
 * @module
 */
export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";
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
export type { OldPart, OldParts } from "./old_parts.ts";
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
export {
  DeltaStream,
  PatchStream,
  SignatureStream,
} from "./transform_streams.ts";
