import type { ByteSource } from "../bytes/source.ts";
import type {
  DeviceNumber,
  Entry,
  Metadata,
  Skipped,
  SpecialKind,
} from "../tree/entry.ts";
import type { OwnerFields } from "../tree/owner_fields.ts";

/**
 * A receiver of extracted members, such as a directory. Paths are relative,
 * `/`-separated, and have no `.` or `..`. `directory` can be called after the
 * entries in the directory are made, or not at all. An implementation must not
 * write through symlinks that it has made, and must fail with code `unsafe`
 * instead.
 */
export interface TreeSink {
  /**
   * Makes a directory.
   *
   * @param path The path of the directory.
   * @param metadata The metadata of the directory.
   */
  directory(path: string, metadata: Metadata): void | Promise<void>;
  /**
   * Makes a file. If the source fails, an implementation must not leave an
   * incomplete file.
   *
   * @param path The path of the file.
   * @param source The content of the file.
   * @param metadata The metadata of the file.
   */
  file(
    path: string,
    source: ByteSource,
    metadata: Metadata,
  ): void | Promise<void>;
  /**
   * Makes a symlink.
   *
   * @param path The path of the symlink.
   * @param target The target of the symlink, as the archive has it. The target
   *   has not been checked.
   * @param metadata The metadata of the symlink.
   */
  symlink(
    path: string,
    target: string,
    metadata: Metadata,
  ): void | Promise<void>;
  /**
   * Makes a named pipe or a device. If the call fails with code `io`, the
   * member is skipped. Without this method, all named pipes and devices are
   * skipped.
   *
   * @param path The path of the named pipe or device.
   * @param kind The kind of the member.
   * @param device The number of the device, or `undefined` for a named pipe.
   * @param metadata The metadata of the member.
   */
  special?(
    path: string,
    kind: SpecialKind,
    device: DeviceNumber | undefined,
    metadata: Metadata,
  ): void | Promise<void>;
  /**
   * Makes a hard link to a file, named pipe or device.
   *
   * @param path The path of the hard link.
   * @param existing The path of the file, named pipe or device, which has
   *   already been made.
   * @param metadata The metadata of the hard link's member.
   */
  hardLink(
    path: string,
    existing: string,
    metadata: Metadata,
  ): void | Promise<void>;
  /** Called after the last member. */
  finish(): void | Promise<void>;
}

/** Options for walking a tree. */
export interface TreeWalkOptions {
  /** Called with each path that is skipped or excluded, and the reason. */
  onSkip?: (skipped: Skipped) => void;
  /**
   * Whether the entries contain extended attributes and ACLs. Default: `false`.
   */
  xattrs?: boolean;
  /** The signal that aborts the walk. */
  signal?: AbortSignal;
}

/** A source of members, such as a directory. */
export interface TreeSource {
  /**
   * Yields the entries, each directory before the entries in it.
   *
   * @param options Options for walking the tree.
   */
  walk(options?: TreeWalkOptions): AsyncIterable<Entry>;
  /**
   * Returns a file's content. The content of a small file should be one chunk.
   *
   * @param path The path of the file in the tree.
   */
  open(path: string): ByteSource;
  /**
   * Returns the names of an entry's owner and group, if they are known.
   *
   * @param entry The entry.
   */
  ownersOf?(entry: Entry): OwnerFields;
}
