import type { BaseEntry, Entry } from "./entry.ts";
import type { OwnerFields } from "./owner_fields.ts";

/** An entry of an unknown kind. A snapshot skips the entry. */
export interface OtherEntry extends BaseEntry {
  /** The kind of the entry. */
  kind: "other";
  /** Always absent, because only links have a target. */
  target?: undefined;
}

/** An entry of a tree that is read from a stream, such as a tar archive. */
export interface StreamedEntry {
  /**
   * The entry, with the names of its owner and group, if they are known. The
   * path `""` is the root of the tree. The `size` of a file can differ from the
   * length of the content.
   */
  member: (Entry | OtherEntry) & OwnerFields;
  /**
   * The content of a file, which is read before the next entry is requested.
   * Absent for entries of other kinds.
   */
  body?: AsyncIterable<Uint8Array>;
}
