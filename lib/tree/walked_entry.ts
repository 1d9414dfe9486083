import type { SpecialKind, WalkedEntry } from "./entry.ts";
import type { FileStat } from "./statx.ts";

/** The fields of a state that an entry is made from. */
type State = Pick<
  FileStat,
  "mode" | "mtime" | "uid" | "gid" | "size" | "ctime" | "inode"
>;

/** Makes the entry of a file or directory that a walk found. */
export function walkedEntry(
  path: string,
  kind: "file" | "directory",
  state: State,
): WalkedEntry {
  return {
    path,
    kind,
    mode: state.mode & 0o7777,
    mtime: state.mtime,
    uid: state.uid,
    gid: state.gid,
    size: kind === "file" ? state.size : 0,
    ctime: state.ctime,
    inode: state.inode,
  };
}

/** Makes the entry of a link that a walk found. */
export function walkedLink(
  path: string,
  kind: "symlink" | "hardlink",
  state: State,
  target: string,
): WalkedEntry {
  return {
    path,
    kind,
    mode: state.mode & 0o7777,
    mtime: state.mtime,
    uid: state.uid,
    gid: state.gid,
    size: 0,
    ctime: state.ctime,
    inode: state.inode,
    target,
  };
}

/**
 * Makes the entry of a named pipe or a device that a walk found.
 *
 * @param path The path below the root.
 * @param kind The kind of the entry.
 * @param state The state of the entry, with the number of a device.
 */
export function walkedSpecial(
  path: string,
  kind: SpecialKind,
  state: State & Pick<FileStat, "rdev">,
): WalkedEntry {
  const fields = {
    path,
    mode: state.mode & 0o7777,
    mtime: state.mtime,
    uid: state.uid,
    gid: state.gid,
    size: 0,
    ctime: state.ctime,
    inode: state.inode,
  };
  if (kind === "fifo") return { ...fields, kind };
  return { ...fields, kind, device: state.rdev ?? { major: 0, minor: 0 } };
}

/**
 * Makes the entry of a file with several names: a file for the first name that
 * is found, and hard links to it for the others.
 *
 * @param path The path below the root.
 * @param state The state of the file.
 * @param links The first names that were found, by device and inode. The
 * function adds to this map.
 */
export function nameOfFile(
  path: string,
  state: State & Pick<FileStat, "device">,
  links: Map<string, string>,
): WalkedEntry {
  const key = `${state.device}:${state.inode}`;
  const first = links.get(key);
  if (first === undefined) links.set(key, path);
  const entry = first === undefined
    ? walkedEntry(path, "file", state)
    : walkedLink(path, "hardlink", state, first);
  entry.isLinked = true;
  return entry;
}
