import type { IndexEntry } from "./dir_index.ts";
import type { Metadata } from "./entry.ts";
import { keptXattrs, toMetadata } from "./index_steps.ts";
import { canUseXattr } from "./open_folder.ts";
import { shownMode } from "./statx.ts";
import { PLATFORM } from "./this_system.ts";
import { selectXattrs, type Xattrs } from "./xattrs.ts";

const WRITABLE = 0o200;
const WRITABLE_BY_ANY = 0o222;

/**
 * Returns whether a system makes up the modes and owners of files. Windows
 * stores only whether a file is read-only.
 *
 * @param platform The system, as `process.platform` names it.
 */
export function makesUpModes(platform: string = PLATFORM): boolean {
  return platform === "win32";
}

/**
 * Returns the mode, time and owner of an entry that was found on a system that
 * makes up modes and owners. The mode and owner are taken from an earlier state
 * of the entry. If a file has since become read-only, the mode loses all write
 * permissions. If it has become writable, the owner gets write permission.
 *
 * @param found The state that was found.
 * @param before The earlier state of the entry.
 * @param kind The kind of the entry.
 */
function withKeptMode<Of extends Metadata>(
  found: Of,
  before: Metadata,
  kind: string,
): Of {
  const { uid, gid } = before;
  let { mode } = before;
  if (kind === "file" && ((mode ^ found.mode) & WRITABLE) !== 0) {
    mode = (found.mode & WRITABLE) !== 0
      ? mode | WRITABLE
      : mode & ~WRITABLE_BY_ANY;
  }
  return { ...found, mode, uid, gid };
}

/**
 * Returns the state of a directory with the mode and owner that it had before.
 * See {@linkcode withKeptMode}.
 *
 * @param found The state that was found.
 * @param before The earlier state.
 */
export function keptRoot(found: Metadata, before: Metadata): Metadata {
  return toMetadata(
    withKeptMode(found, before, "directory"),
    withKeptXattrs(found.xattrs, before.xattrs),
  );
}

/**
 * Returns an entry with the mode, owner and extended attributes that it had
 * before, for a system that makes up modes and owners and cannot store all
 * extended attributes. A hard link is returned unchanged, and so is an entry if
 * the earlier entry is absent or has a different kind. See
 * {@linkcode withKeptMode}.
 *
 * @param entry The entry that was found. If it is a file, it has its SHA-256.
 * @param before The entry of the path in an earlier snapshot.
 */
export function withKeptMetadata(
  entry: IndexEntry,
  before: IndexEntry | undefined,
): IndexEntry {
  // A hard link has the mode and owner of its target.
  if (before?.kind !== entry.kind || entry.kind === "hardlink") return entry;
  const kept = withKeptMode(entry, before, entry.kind);
  const xattrs = withKeptXattrs(kept.xattrs, keptXattrs(kept, before));
  if (xattrs !== undefined) kept.xattrs = xattrs;
  return kept;
}

/**
 * Returns the extended attributes that were found, and the earlier ones that
 * the system cannot store.
 */
function withKeptXattrs(
  found: Xattrs | undefined,
  before: Xattrs | undefined,
): Xattrs | undefined {
  if (found === undefined || before === undefined) return found ?? before;
  return { ...selectXattrs(before, (one) => !canUseXattr(one)), ...found };
}

/** Returns whether a mode and owner are those that Windows makes up. */
export function isMadeUp({ kind, mode, uid, gid }: IndexEntry): boolean {
  const type = kind === "directory" ? 0o040000 : 0o100000;
  return uid === 0 && gid === 0 &&
    (shownMode(type | mode, "win32") & 0o7777) === mode;
}
