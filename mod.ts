/**
 * Incremental snapshots of directories, stored on a disk, on S3, or in a
 * storage that you implement. The parts of the library can also be used alone:
 * rsync deltas with SHA-256, exclude rules in gitignore's syntax, and tar
 * archives that are divided into volumes, from which one file can be restored
 * without reading the rest.
 *
 * Every volume is an ordinary compressed tar file, every delta can be applied
 * with `rdiff patch`, and every listing, once decompressed, can be read with
 * `jq`. In an encrypted repository, `age -d` decrypts the objects first.
 *
 * @module
 */
export type { SignalOptions } from "./lib/bytes/abort.ts";
export { DeltarError, type ErrorCode } from "./lib/bytes/errors.ts";
export type { ByteSource } from "./lib/bytes/source.ts";
export {
  applyDiff,
  DiffData,
  Dir,
  DirSet,
  TarVolume,
} from "./lib/archive/mod.ts";
export {
  bytesAccess,
  compose,
  delta,
  DeltaStream,
  patch,
  PatchStream,
  type RandomAccess,
  sign,
  Signature,
  SignatureStream,
} from "./lib/delta/mod.ts";
export {
  type CopyOptions,
  type CopyResult,
  type DrillOptions,
  type DrillResult,
  type ExportOptions,
  type FindOptions,
  type PruneOptions,
  type PrunePlan,
  type PruneResult,
  type RepairOptions,
  type RepairResult,
  Repository,
  type RepositoryStats,
  type RestoreOptions,
  type RestorePlan,
  type RestoreResult,
  type RetentionPolicy,
  type RevertOptions,
  type SnapshotOptions,
  type SnapshotRecord,
  type SnapshotResult,
  type StatsOptions,
  Tree,
  type TreeEntry,
  type TreeFileEntry,
  type VerifyOptions,
  type VerifyResult,
  withCache,
} from "./lib/repository/mod.ts";
export {
  HttpStorage,
  LocalStorage,
  MemoryStorage,
  openStorage,
  S3Storage,
  type Storage,
} from "./lib/storage/mod.ts";
export {
  type Change,
  DiffIndex,
  DirIndex,
  type Entry,
  type IgnoreOptions,
  type IndexEntry,
  type Skipped,
  toJson,
  Walker,
} from "./lib/tree/mod.ts";
export { VERSION } from "./lib/version.ts";
