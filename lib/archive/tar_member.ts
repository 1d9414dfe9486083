import type { DeviceNumber, EntryKind } from "../tree/entry.ts";
import type { Xattrs } from "../tree/xattrs.ts";

/** The kind of a member; `other` stands for an unknown type. */
export type MemberKind = EntryKind | "other";

/** The fields that all tar members have. */
export interface TarMemberFields {
  /** The path, `/`-separated, without a slash at the end. */
  path: string;
  /**
   * The length of the content in bytes; 0 for directories, links, devices and
   * named pipes.
   */
  size: number;
  /**
   * The size of a sparse file in bytes, if its content is written in condensed
   * form. `size` is then the length of that form. Absent from members that were
   * read from a tar.
   */
  fileSize?: number;
  /** The permission bits, such as `0o644`, up to `0o7777`. */
  mode: number;
  /** The modification time, in nanoseconds since 1970 (UTC). */
  mtime: bigint;
  /** The ID of the owner. */
  uid: number;
  /** The ID of the group. */
  gid: number;
  /** The owner's name, if it is known. */
  uname?: string;
  /** The group's name, if it is known. */
  gname?: string;
  /**
   * The extended attributes and ACLs. Absent if the member has none, and for a
   * hard link.
   */
  xattrs?: Xattrs;
}

/** A tar member that is neither a link nor a device. */
export interface TarPlainMember extends TarMemberFields {
  /** The kind of the member. */
  kind: "file" | "directory" | "fifo" | "other";
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/** A tar member that is a device. */
export interface TarDeviceMember extends TarMemberFields {
  /** The kind of the member. */
  kind: "block" | "character";
  /** The number of the device. */
  device: DeviceNumber;
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/** A tar member that is a link. */
export interface TarLinkMember extends TarMemberFields {
  /** The kind of the member. */
  kind: "symlink" | "hardlink";
  /**
   * The target of a symlink, or the path of the member that a hard link points
   * to.
   */
  target: string;
}

/** A tar member without its content: path, kind and metadata. */
export type TarMember = TarPlainMember | TarDeviceMember | TarLinkMember;

/** A member of an archive, with its content. */
export interface ArchiveMember {
  /** The path, kind and metadata. `size` is the length of the content. */
  member: TarMember;
  /**
   * The content. It is empty for all kinds except files. A stream yields
   * exactly `member.size` bytes, or fails.
   */
  content: Uint8Array | AsyncIterable<Uint8Array>;
}

/** The size of the blocks of a tar, in bytes. */
export const BLOCK = 512;

/**
 * Returns the number of zero bytes that follow a content of `size` bytes, up to
 * the next block.
 */
export function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}
