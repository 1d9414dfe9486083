/**
 * Incremental snapshots of directories, stored anywhere.
 *
 * @module
 */
export { DeltarError } from "./lib/bytes/errors.ts";
export type { ErrorCode, ErrorPlace } from "./lib/bytes/errors.ts";
export type { ByteSource } from "./lib/bytes/source.ts";
