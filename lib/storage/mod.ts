/**
 * Where bytes live: the interface that drivers implement, and the drivers.
 *
 * @module
 */
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
