/**
 * Storage of objects: the interface that drivers implement, and the drivers.
 *
 * `storage.ts` is the contract. `local.ts` keeps objects as files in a folder:
 * each object is written under a temporary name (`temporary.ts`), flushed, and
 * renamed. `s3.ts` keeps objects in a bucket, through one client that signs
 * requests (`s3_client.ts`). `s3_parts.ts` cuts an object into parts, and
 * `s3_multipart.ts` uploads the object if it has more than one part.
 * `s3_fault.ts` decides by status and code which errors of S3 are temporary.
 * `http.ts` reads objects from a web server, `memory.ts` holds objects in
 * memory, `cached.ts` keeps copies of small objects in a faster storage, and
 * `encrypted.ts` stores objects encrypted in another storage.
 *
 * S3 and HTTP share four files. `exchange.ts` sends one request and reads its
 * response, with time limits. `ranged_read.ts` makes the requests for a range
 * of an object, and continues a read that broke off. `read_ahead.ts` reads
 * several such ranges of a large object at the same time. `retry.ts` repeats
 * requests that fail temporarily, and sets the default number of attempts.
 * After some faults, such as a slow response, fewer attempts are made.
 *
 * `conformance.ts` tests any storage against the contract.
 *
 * @module
 */
export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";
export { type ByteSource, chunks, toStream } from "../bytes/source.ts";
export { CachedStorage, type CachedStorageOptions } from "./cached.ts";
export type { Fetch } from "./exchange.ts";
export { type HttpOptions, HttpStorage } from "./http.ts";
export { LocalStorage } from "./local.ts";
export type { Sharing } from "./local_modes.ts";
export { MemoryStorage } from "./memory.ts";
export { openStorage } from "./open.ts";
export { S3Storage } from "./s3.ts";
export type { S3Options } from "./s3_client.ts";
export type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";
