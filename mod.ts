/**
 * Incremental snapshots of directories, stored anywhere: rsync deltas with
 * SHA-256, gitignore-like exclusion, tar archives cut into volumes so that one
 * file restores without fetching the rest, and repositories of snapshots.
 *
 * Every archive opens with `tar`, every delta applies with `rdiff patch`,
 * every listing reads with `jq`.
 *
 * @module
 */
export type { SignalOptions } from "./lib/bytes/abort.ts";
export type { ByteSource } from "./lib/bytes/source.ts";
export * from "./lib/archive/mod.ts";
export * from "./lib/delta/mod.ts";
export * from "./lib/repository/mod.ts";
export * from "./lib/storage/mod.ts";
export * from "./lib/tree/mod.ts";
export { VERSION } from "./lib/version.ts";
