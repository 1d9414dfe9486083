/**
 * Walks, indexes, compares and writes directories.
 *
 * Walks and writes reach the content of a directory through open folders. Each
 * folder is opened from the one above it. `folder.ts` has the interface, which
 * `folder_by_calls.ts` implements with system calls and `folder_by_paths.ts`
 * with paths. `walker.ts` has the public class and its options. `walk_tree.ts`
 * walks a directory and decides which entries are excluded or skipped. The
 * decision depends on the names and kinds of the entries and on the exclude
 * rules. `rule_file.ts` reads the files with rules, and `ignore_rules.ts`
 * parses and matches the rules. The walk also writes the state of every entry
 * (`state_writer.ts`), which the next walk uses to find unchanged files.
 * `unchanged_folders.ts` compares these states with the disk, to find out
 * without an index whether anything has changed, and which folders need not be
 * listed again. If an entry was excluded or skipped, the comparison checks only
 * the kind of the entry and whether the size is within the limit. The walk
 * therefore flags an entry as doubtful if it was skipped for a reason that
 * depends on anything else than the path, the kind and the size. The entries of
 * unchanged files are taken from `known_entries.ts`, which decodes them only on
 * demand. `index_tree.ts` reads the files that are not known to be unchanged,
 * and makes an index (`dir_index.ts`). `read_stable.ts` reads a file again if
 * the file changed while it was read, and reads a sparse file in condensed form
 * (`sparse.ts`). `diff_index.ts` compares two indexes.
 *
 * `tree_writer.ts` writes into a directory. It checks names, follows no
 * symlinks, and renames a file into place only after its content was checked.
 * `probe.ts` and `spelling.ts` find out how the disk treats case and Unicode
 * normalization in names. `work_journal.ts` records the work in progress in a
 * directory, so that a later process can finish or undo interrupted work. The
 * caller decides what the record contains.
 *
 * `entry.ts` has the kinds of entries, and lists the reasons for skipping a
 * path. Most of these reasons are given by `walk_tree.ts` and `read_stable.ts`.
 *
 * @module
 */
export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
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
export { changedFields, type EntryField } from "./changed_fields.ts";
export { DirIndex, type IndexEntry, type IndexFileEntry } from "./dir_index.ts";
export {
  type BaseEntry,
  type ContentlessEntry,
  type DeviceEntry,
  type DeviceNumber,
  type DirectoryEntry,
  type Entry,
  type EntryKind,
  type FifoEntry,
  type FileEntry,
  type HardLinkEntry,
  isFault,
  isSpecial,
  type Metadata,
  nameOfKind,
  type NonFileEntry,
  type Skipped,
  type SkipReason,
  type SpecialEntry,
  type SpecialKind,
  type SymlinkEntry,
  type WalkedEntry,
  type WalkedState,
} from "./entry.ts";
export { type FileAccess, fileAccess } from "./file_access.ts";
export type { HashedEntry, HashedFileEntry } from "./entry_line.ts";
export {
  type FileFacts,
  type FileReader,
  HashReader,
  type LargeFile,
} from "./file_reader.ts";
export { type DirectorySet, directorySet, nameOfSet } from "./directory_set.ts";
export { type IgnoreOptions, VERSION_CONTROL } from "./ignore_rules.ts";
export type { IndexOptions, IndexProgress } from "./index_tree.ts";
export { type KnownPlace, KnownPlaces } from "./known_places.ts";
export type { OwnerFields } from "./owner_fields.ts";
export { comparePaths, isWithin } from "./path.ts";
export { matcherOf } from "./pattern.ts";
export { decodeName, encodeName, parsePath, spellPath } from "./raw_name.ts";
export {
  type FileSystemId,
  fileSystemOf,
  pathBelow,
  truePlace,
} from "./place.ts";
export { RACY_NANOSECONDS } from "./racy.ts";
export { type FileStat, isAbsent } from "./stat.ts";
export type { OtherEntry, StreamedEntry } from "./streamed_entry.ts";
export { formatTime, toJson } from "./to_json.ts";
export { TreeWriter } from "./tree_writer.ts";
export type { ExpectedContent } from "./write_content.ts";
export { Walker, type WalkerOptions, type WalkOptions } from "./walker.ts";
export { isSameXattrs, type Xattrs } from "./xattrs.ts";
