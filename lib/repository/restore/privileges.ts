import { DeltarError } from "../../bytes/errors.ts";
import type { Metadata } from "../../tree/entry.ts";
import type { FileStat } from "../../tree/stat.ts";
import { ownIds } from "../../tree/this_system.ts";
import { withJson } from "../../tree/to_json.ts";
import { ownerMatters } from "../../tree/tree_writer.ts";
import { selectXattrs } from "../../tree/xattrs.ts";

/** The mode bits that make a program run as the owner or group of its file. */
const SET_ID = 0o6000;

/**
 * Returns an entry without the following privileges, which are not trusted if
 * the repository belongs to somebody else:
 *
 * - set-user-ID and set-group-ID bits;
 * - extended attributes of the namespaces `security` and `trusted`;
 * - if this process can change owners, an owner and group other than those of
 *   this process or of the existing entry. They are replaced by those of this
 *   process.
 *
 * @param entry The entry of the snapshot.
 * @param stat The state of the existing entry; `undefined` if the path does not
 * exist.
 * @returns The entry without these privileges, and descriptions of the removed
 * privileges. If the entry has none of them, the same entry is returned.
 */
export function withoutPrivileges<Of extends Metadata>(
  entry: Of,
  stat: FileStat | undefined,
): { entry: Of; dropped: string[] } {
  const dropped: string[] = [];
  const given = withJson({ ...entry });
  if ((entry.mode & SET_ID) !== 0) {
    given.mode &= ~SET_ID;
    dropped.push("the set-user-ID or set-group-ID bit");
  }
  // These attributes can contain capabilities, which give a program some rights
  // of root.
  const rights = Object.keys(entry.xattrs ?? {})
    .filter((name) => /^(?:security|trusted)\./.test(name));
  if (rights.length > 0) {
    given.xattrs = selectXattrs(
      entry.xattrs,
      (name) => !rights.includes(name),
    );
    dropped.push(`the extended attributes ${rights.join(", ")}`);
  }
  if (ownerMatters()) {
    const own = ownIds();
    const { uid, gid } = stat ?? own;
    const isOther = (entry.uid !== uid || entry.gid !== gid) &&
      (entry.uid !== own.uid || entry.gid !== own.gid);
    if (isOther) {
      Object.assign(given, own);
      dropped.push(`the owner ${entry.uid}:${entry.gid}`);
    }
  }
  return dropped.length === 0 ? { entry, dropped } : { entry: given, dropped };
}

/**
 * Returns whether an entry is a device. A device gives access to the disk or
 * terminal that its number identifies.
 */
export function isPrivileged({ kind }: { kind: string }): boolean {
  return kind === "block" || kind === "character";
}

/**
 * Returns the error that names the privileges of an entry that were not
 * restored.
 */
export function notTrusted(
  path: string,
  dropped: readonly string[],
): DeltarError {
  return new DeltarError(
    "unsafe",
    "the repository belongs to somebody else, so the following is not " +
      `restored: ${dropped.join(" and ")}`,
    { path },
  );
}
