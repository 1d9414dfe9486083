/**
 * Directories: walking, what to leave out, indexes, differences, writing.
 *
 * Everything on the disk is reached through open folders, each opened from the
 * one above (`folder.ts` is the interface; `folder_by_calls.ts` uses system
 * calls, `folder_by_paths.ts` paths). `walk_tree.ts` walks a directory through
 * its exclusion rules (`ignore_rules.ts` parses and matches them) and writes
 * the state of every entry (`state_writer.ts`), so that the next walk knows
 * what is unchanged. `index_tree.ts` reads the files that are not known,
 * `dir_index.ts` is the result, and `diff_index.ts` compares two of them.
 *
 * `tree_writer.ts` writes into a directory: it checks names, follows no
 * symlink, and gives a file its name only once its content is what was
 * expected. What a disk makes of names (case, normalization) is asked of the
 * disk itself (`probe.ts`, `spelling.ts`). `work_journal.ts` tells a later
 * process of work that was cut short, in whatever data its caller gives it.
 * `entry.ts` has the kinds of entries, and the reasons for which a path is
 * skipped.
 *
 * @module
 */
export {
  DeltarError,
  type ErrorCode,
  type ErrorPlace,
} from "../bytes/errors.ts";
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
export { DirIndex, type IndexEntry, type IndexFileEntry } from "./dir_index.ts";
export {
  type BaseEntry,
  type ContentlessEntry,
  type DirectoryEntry,
  type Entry,
  type EntryKind,
  type FileEntry,
  type HardLinkEntry,
  isFault,
  type Metadata,
  type NonFileEntry,
  type Skipped,
  type SkipReason,
  type SymlinkEntry,
  type WalkedEntry,
  type WalkedState,
} from "./entry.ts";
export type { HashedEntry, HashedFileEntry } from "./entry_line.ts";
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
