/**
 * Directories: walking, what to leave out, indexes, differences, writing.
 *
 * @module
 */
export {
  type Change,
  type ChangeCounts,
  type CreatedChange,
  type DeletedChange,
  DiffIndex,
  isTouched,
  type MovedChange,
  pathOf,
  type TouchedChange,
  type UpdatedChange,
} from "./diff_index.ts";
export { DirIndex, type IndexEntry } from "./dir_index.ts";
export {
  type Entry,
  type EntryKind,
  isFault,
  type Metadata,
  type Skipped,
  type SkipReason,
  type WalkedEntry,
} from "./entry.ts";
export type { HashedEntry } from "./entry_line.ts";
export { type FileFacts, type FileReader, HashReader } from "./file_reader.ts";
export { type IgnoreOptions, VERSION_CONTROL } from "./ignore_rules.ts";
export type { IndexOptions, IndexProgress } from "./index_tree.ts";
export { type KnownPlace, KnownPlaces } from "./known_places.ts";
export { comparePaths, isWithin } from "./path.ts";
export { matcherOf } from "./pattern.ts";
export {
  type FileSystemIdentity,
  fileSystemOf,
  pathBelow,
  truePlace,
} from "./place.ts";
export type { FileStat } from "./stat.ts";
export { formatTime, toJson } from "./to_json.ts";
export { TreeWriter } from "./tree_writer.ts";
export type { ExpectedContent } from "./write_content.ts";
export { Walker, type WalkOptions } from "./walker.ts";
