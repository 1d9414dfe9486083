import { deviceOf, isSameNumber, isSameTime } from "./change_finder.ts";
import type { HashedEntry } from "./entry_line.ts";
import { isSameXattrs } from "./xattrs.ts";

/**
 * A field in which two states of a path differ. `content` stands for the size,
 * the SHA-256 and the holes of a file.
 */
export type EntryField =
  | "kind"
  | "content"
  | "target"
  | "device"
  | "mode"
  | "uid"
  | "gid"
  | "xattrs"
  | "mtime";

/**
 * Returns the fields in which two states of a path differ. As in a `DiffIndex`,
 * times that differ by less than a microsecond count as equal, and extended
 * attributes that were not read for the new state count as unchanged.
 *
 * @param entry The new state.
 * @param before The old state.
 *
 * @example
 * ```ts
 * import { changedFields } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const before = {
 *   path: "docs",
 *   kind: "directory" as const,
 *   mode: 0o755,
 *   mtime: 0n,
 *   uid: 0,
 *   gid: 0,
 *   size: 0,
 * };
 * const entry = { ...before, mode: 0o700, uid: 1000 };
 * assert.deepEqual(changedFields(entry, before), ["mode", "uid"]);
 * ```
 */
export function changedFields(
  entry: HashedEntry,
  before: HashedEntry,
): EntryField[] {
  const isSame: Record<EntryField, boolean> = {
    kind: entry.kind === before.kind,
    content: entry.size === before.size && entry.sha256 === before.sha256 &&
      entry.sparse === before.sparse,
    target: entry.target === before.target,
    device: isSameNumber(deviceOf(entry), deviceOf(before)),
    mode: entry.mode === before.mode,
    uid: entry.uid === before.uid,
    gid: entry.gid === before.gid,
    xattrs: isSameXattrs(entry.xattrs, before.xattrs),
    mtime: isSameTime(entry.mtime, before.mtime),
  };
  return (Object.keys(isSame) as EntryField[]).filter((field) =>
    !isSame[field]
  );
}
