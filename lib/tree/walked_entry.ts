import type { Metadata, SpecialKind, WalkedEntry } from "./entry.ts";
import type { FileStat } from "./statx.ts";

/** The fields of a state from which an entry is made. */
type State = Pick<
  FileStat,
  "mode" | "mtime" | "btime" | "uid" | "gid" | "size" | "ctime" | "inode"
>;

/**
 * Adds the creation time of a state to an entry, if the time is known, and
 * returns the same entry.
 */
export function withBtime<Of extends object>(
  entry: Of,
  { btime }: Pick<Metadata, "btime">,
): Of {
  if (btime !== undefined) (entry as Pick<Metadata, "btime">).btime = btime;
  return entry;
}

/** Makes the entry of a file or directory that a walk found. */
export function walkedEntry(
  path: string,
  kind: "file" | "directory",
  state: State,
): WalkedEntry {
  return withBtime({
    path,
    kind,
    mode: state.mode & 0o7777,
    mtime: state.mtime,
    uid: state.uid,
    gid: state.gid,
    size: kind === "file" ? state.size : 0,
    ctime: state.ctime,
    inode: state.inode,
  }, state);
}

/** Makes the entry of a symlink or hard link that a walk found. */
export function walkedLink(
  path: string,
  kind: "symlink" | "hardlink",
  state: State,
  target: string,
): WalkedEntry {
  return withBtime({
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
  }, state);
}

/**
 * Makes the entry of a named pipe or a device that a walk found.
 *
 * @param path The path below the root.
 * @param kind The kind of the entry.
 * @param state The state of the entry, including the device number of a device.
 */
export function walkedSpecial(
  path: string,
  kind: SpecialKind,
  state: State & Pick<FileStat, "rdev">,
): WalkedEntry {
  const fields = withBtime({
    path,
    mode: state.mode & 0o7777,
    mtime: state.mtime,
    uid: state.uid,
    gid: state.gid,
    size: 0,
    ctime: state.ctime,
    inode: state.inode,
  }, state);
  if (kind === "fifo") return { ...fields, kind };
  return { ...fields, kind, device: state.rdev ?? { major: 0, minor: 0 } };
}

/**
 * Makes the entry of a file, named pipe or device with several names: a hard
 * link to the first name that was found, or the entry of this first name.
 *
 * @param path The path below the root.
 * @param state The state of the file, pipe or device.
 * @param links The paths of the first names that were found. The key has the
 * device and inode. If `path` is the first name, the function adds it to the
 * map.
 * @param makeFirst Called if `path` is the first name that was found. Returns
 * the entry of this name.
 * @throws The error of `makeFirst`. In this case, the map is not changed.
 */
export function nameOfLinked(
  path: string,
  state: State & Pick<FileStat, "device">,
  links: Map<string, string>,
  makeFirst: () => WalkedEntry,
): WalkedEntry {
  const key = `${state.device}:${state.inode}`;
  const first = links.get(key);
  const entry = first === undefined
    ? makeFirst()
    : walkedLink(path, "hardlink", state, first);
  if (first === undefined) links.set(key, path);
  entry.isLinked = true;
  return entry;
}
