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
 * Returns whether the modes and owners of files are made up on a system. On
 * Windows, a mode shows only whether a file is read-only, and the user ID and
 * group ID are always 0.
 *
 * @param platform The system, as `process.platform` names it. Default: the
 * system of this process.
 */
export function makesUpModes(platform: string = PLATFORM): boolean {
  return platform === "win32";
}

/**
 * Returns the state of an entry that was found on a system that makes up modes
 * and owners, with the mode and owner from an earlier state of the entry. If a
 * file has since become read-only, all write permissions are removed from the
 * mode. If the file has become writable, the owner gets write permission.
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
 * Returns the state of a directory with the mode and owner that it had before,
 * and with its earlier extended attributes that the system cannot store. See
 * {@linkcode withKeptMode}.
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
 * Returns an entry with the mode and owner that it had before; see
 * {@linkcode withKeptMode}. If its content and modification time are unchanged,
 * it also has its earlier extended attributes that the system cannot store. A
 * hard link is returned unchanged. So is any entry whose earlier entry is
 * absent or has a different kind.
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
 * the system cannot store. If either of the two is `undefined`, returns the
 * other.
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
