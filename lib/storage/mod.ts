/**
 * Storage of objects: the interface that drivers implement, and the drivers.
 *
 * `storage.ts` is the contract. `local.ts` keeps objects as files of a folder:
 * each is written under a temporary name (`temporary.ts`), flushed, and
 * renamed. `s3.ts` keeps them in a bucket, through one signing client
 * (`s3_client.ts`) and multipart uploads (`s3_multipart.ts`). `http.ts` reads
 * them from a web server, `memory.ts` holds them in memory, and `cached.ts`
 * keeps copies of small objects nearby. Requests that fail temporarily are
 * repeated (`retry.ts` sets how often; `s3_fault.ts` decides which errors of S3
 * are temporary), and ranges of remote objects are requested ahead
 * (`windows.ts`).
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
