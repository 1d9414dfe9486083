import {
  type HashedEntry,
  isSpecial,
  nameOfKind,
} from "../../../lib/tree/mod.ts";
import type { EntryDetails } from "../shared/protocol.ts";

/** Returns the properties of an entry that its name and size do not show. */
export function detailsOf(entry: HashedEntry): EntryDetails {
  const names = Object.keys(entry.xattrs ?? {});
  return {
    ...(isSpecial(entry) && { special: nameOfKind(entry.kind) }),
    ...(entry.kind === "file" && entry.sparse !== undefined && {
      sparse: entry.sparse,
    }),
    ...(names.length > 0 && { xattrs: names }),
  };
}

/**
 * Returns the text that an editor shows for an entry without content: the
 * target of a symlink, or the kind of a named pipe or a device, with the
 * numbers of the device. Returns `undefined` for other entries.
 */
export function textOf(entry: HashedEntry): Uint8Array | undefined {
  if (entry.kind === "symlink") return new TextEncoder().encode(entry.target);
  if (!isSpecial(entry)) return undefined;
  const numbers = entry.kind === "fifo"
    ? ""
    : ` ${entry.device.major}, ${entry.device.minor}`;
  return new TextEncoder().encode(nameOfKind(entry.kind) + numbers);
}
