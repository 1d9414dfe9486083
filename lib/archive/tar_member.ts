/** The kinds of members; `other` is a device, a pipe or unknown. */
export type MemberKind =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "other";

/** The header of a tar member. */
export interface TarMember {
  /** Its name, `/`-separated, without a slash at the end. */
  path: string;
  /** The kind of the member. */
  kind: MemberKind;
  /** The length of its content in bytes; 0 for all but files. */
  size: number;
  /** The permission bits, such as `0o644`, up to `0o7777`. */
  mode: number;
  /** When it was modified, in nanoseconds since 1970 (UTC). */
  mtime: bigint;
  /** The owner's number. */
  uid: number;
  /** The group's number. */
  gid: number;
  /** Where a symlink points, or the path of the member a hard link repeats. */
  target?: string;
}

/** The size of the blocks of a tar, in bytes. */
export const BLOCK = 512;

/**
 * Returns the number of zeros between content of `size` bytes and the next
 * block.
 */
export function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}
