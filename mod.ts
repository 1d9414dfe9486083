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
export { applyDiff, type ApplyOptions } from "./lib/archive/apply_diff.ts";
export { DiffData, type DiffDataOptions } from "./lib/archive/diff_data.ts";
export { Dir } from "./lib/archive/dir.ts";
export type { MemberNames } from "./lib/archive/member_name.ts";
export {
  type ArchiveFormat,
  type Codec,
  codecFor,
  type CodecName,
  type CompressOptions,
  type ContentReference,
  type DecompressOptions,
  detectFormat,
  type ExtractOptions,
  type IndexedMember,
  type MemberKind,
  type NewMember,
  type OpenOptions,
  readContent,
  type ReadContentOptions,
  readTar,
  type StreamedContent,
  type TarEntry,
  type TarMember,
  TarVolume,
  type TarVolumeOptions,
  TarVolumeWriter,
  type TreeSink,
  type TreeSource,
  type TreeWalkOptions,
  VolumeIndex,
  type VolumeRecord,
  VolumeWriter,
  type VolumeWriterOptions,
} from "./lib/archive/mod.ts";
export { DeltarError } from "./lib/bytes/errors.ts";
export type { ErrorCode, ErrorPlace } from "./lib/bytes/errors.ts";
export type { ByteSource } from "./lib/bytes/source.ts";
export {
  bytesAccess,
  chooseBlockSize,
  chooseStrongLength,
  compose,
  type ComposeOptions,
  decodeLibrsyncSignature,
  type DecodeOptions,
  delta,
  deltaBytes,
  type DeltaOptions,
  type DeltaSink,
  encodeLibrsyncSignature,
  FileScan,
  type FileScanOptions,
  type FileScanResult,
  isLibrsyncSignature,
  patch,
  patchBytes,
  type PatchBytesOptions,
  type PatchOptions,
  type RandomAccess,
  sign,
  Signature,
  type SignatureFields,
  signBytes,
  type SignBytesOptions,
  type SignOptions,
  type StrongKind,
  type WeakKind,
} from "./lib/delta/mod.ts";
export type { DamageHandler } from "./lib/repository/damage.ts";
export type { HistoryOptions, PathVersion } from "./lib/repository/history.ts";
export { type ReadRecord, Repository } from "./lib/repository/repository.ts";
export type {
  RestoreOptions,
  RestoreProgress,
  RestoreResult,
} from "./lib/repository/restore.ts";
export type {
  LayerRecord,
  ObjectRecord,
  SnapshotCounts,
  SnapshotRecord,
} from "./lib/repository/snapshot_record.ts";
export type {
  SnapshotOptions,
  SnapshotResult,
} from "./lib/repository/take_snapshot.ts";
export { type ReadLayer, Tree } from "./lib/repository/tree.ts";
export type {
  StoredPiece,
  TreeEntry,
  TreeLayer,
} from "./lib/repository/tree_layer.ts";
export { LocalStorage } from "./lib/storage/local.ts";
export { MemoryStorage } from "./lib/storage/memory.ts";
export type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./lib/storage/storage.ts";
export {
  type Change,
  type CreatedChange,
  type DeletedChange,
  DiffIndex,
  type MovedChange,
  pathOf,
  type TouchedChange,
  type UpdatedChange,
} from "./lib/tree/diff_index.ts";
export { DirIndex, type IndexEntry } from "./lib/tree/dir_index.ts";
export {
  type Entry,
  type EntryKind,
  isFault,
  type Metadata,
  type Skipped,
  type SkipReason,
  type WalkedEntry,
} from "./lib/tree/entry.ts";
export { formatTime, type HashedEntry } from "./lib/tree/entry_line.ts";
export {
  type FileFacts,
  type FileReader,
  HashReader,
} from "./lib/tree/file_reader.ts";
export {
  type IgnoreOptions,
  VERSION_CONTROL,
} from "./lib/tree/ignore_rules.ts";
export type { IndexOptions, IndexProgress } from "./lib/tree/index_tree.ts";
export { comparePaths, isWithin } from "./lib/tree/path.ts";
export type { FileStat } from "./lib/tree/stat.ts";
export { type ExpectedContent, TreeWriter } from "./lib/tree/tree_writer.ts";
export { Walker, type WalkOptions } from "./lib/tree/walker.ts";
export { VERSION } from "./lib/version.ts";
