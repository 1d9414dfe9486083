import { fromBase64, toBase64 } from "../bytes/base64.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { endsAll } from "./file.ts";

/**
 * The extended attributes of a file, directory or symlink: a map from their
 * names to their values in base64. POSIX ACLs are the attributes
 * `system.posix_acl_access` and `system.posix_acl_default`, in the form that
 * Linux returns.
 */
export type Xattrs = Readonly<Record<string, string>>;

/**
 * Called with the name of an attribute. Returns whether the attribute is
 * selected, which means that it is compared, set or removed.
 */
export type XattrSelection = (name: string) => boolean;

/**
 * Access to the extended attributes of one entry on the disk. Errors have a
 * `code`, as in `node:fs`.
 */
export interface XattrAccess {
  /**
   * Returns whether the system can store an attribute with this name. The
   * method is absent if the system can store attributes with any name.
   */
  takes?(name: string): boolean;
  /**
   * Returns the names of the attributes.
   *
   * @throws `EILSEQ` if a name is not valid UTF-8.
   */
  list(): string[];
  /**
   * Returns the value of an attribute. The array is valid until the next call
   * of `get` or `list` for any entry.
   */
  get(name: string): Uint8Array;
  /** Creates or replaces an attribute. */
  set(name: string, value: Uint8Array): void;
  /** Removes an attribute. */
  remove(name: string): void;
}

/** The empty map of attributes, for an entry without attributes. */
export const NO_XATTRS: Xattrs = Object.freeze({});

/**
 * The name of the access ACL. The group bits of the mode are the mask of this
 * ACL.
 */
export const ACCESS_ACL = "system.posix_acl_access";
/** The name of the ACL that new entries of a directory inherit. */
export const DEFAULT_ACL = "system.posix_acl_default";

/** The maximum size of an attribute's value in bytes, as in Linux. */
export const MAX_XATTR_BYTES: number = 1 << 16;
/**
 * The maximum total size of the names and values of an entry's attributes, in
 * bytes.
 */
export const MAX_XATTRS_BYTES: number = 1 << 18;
/** The maximum length of an attribute's name in bytes, as in Linux. */
const MAX_NAME_BYTES = 255;

/**
 * The pattern of the names of the attributes that are stored and restored.
 * All other attributes are internal values of file systems.
 */
const KEPT =
  /^(?:user|trusted|security)\.|^system\.posix_acl_(?:access|default)$/;

/**
 * The names of the attributes that the system sets on its own. A restore sets
 * these attributes, but does not remove them from an entry that does not have
 * them in the snapshot.
 */
const OF_SYSTEM: ReadonlySet<string> = new Set([
  "security.selinux",
  "security.SMACK64",
  "security.ima",
  "security.evm",
]);

/**
 * The codes of errors that mean that the file system does not support extended
 * attributes.
 */
const WITHOUT: ReadonlySet<unknown> = new Set(["ENOTSUP", "EOPNOTSUPP"]);
/** The codes of errors that mean that an attribute does not exist. */
const ABSENT: ReadonlySet<unknown> = new Set(["ENODATA", "ENOATTR", "E61"]);

const encoder = new TextEncoder();

/** Returns those names of an entry's attributes that match `KEPT`, sorted. */
function namesOf(access: XattrAccess): string[] {
  try {
    const names = access.list();
    if (names.length === 0) return names;
    return names.filter((name) => KEPT.test(name)).sort();
  } catch (error) {
    if (WITHOUT.has(codeOf(error))) return [];
    throw error;
  }
}

/** Returns whether a directory has an ACL that new entries in it inherit. */
export function hasDefaultAcl(access: XattrAccess): boolean {
  return namesOf(access).includes(DEFAULT_ACL);
}

/**
 * Returns the value of an attribute in base64, or `undefined` if the attribute
 * does not exist.
 */
function valueOf(access: XattrAccess, name: string): string | undefined {
  try {
    return toBase64(access.get(name));
  } catch (error) {
    if (ABSENT.has(codeOf(error))) return undefined;
    throw error;
  }
}

/**
 * Reads the extended attributes of an entry: the attributes of the namespaces
 * `user`, `trusted` and `security`, and the POSIX ACLs.
 *
 * @param access Access to the attributes of the entry on the disk.
 * @returns These attributes, by name; {@linkcode NO_XATTRS} if the entry has
 * none.
 * @throws {DeltarError} `limit` if the attributes take more than 256 KiB.
 * @throws The error of the system, with its `code`, if an attribute cannot be
 * read.
 */
export function readXattrs(access: XattrAccess): Xattrs {
  const names = namesOf(access);
  if (names.length === 0) return NO_XATTRS;
  const found: [string, string][] = [];
  let size = 0;
  for (const name of names) {
    const value = valueOf(access, name);
    if (value === undefined) continue;
    size += sizeOf(name, value);
    if (size > MAX_XATTRS_BYTES) {
      throw new DeltarError(
        "limit",
        `the extended attributes take more than ${MAX_XATTRS_BYTES} bytes`,
      );
    }
    found.push([name, value]);
  }
  return found.length === 0 ? NO_XATTRS : Object.fromEntries(found);
}

/**
 * Returns an upper bound for the total size of an attribute's name and value,
 * in bytes.
 */
function sizeOf(name: string, base64: string): number {
  return 3 * name.length + 3 * (base64.length >> 2);
}

/**
 * Returns whether attributes are unchanged. If the current attributes were not
 * read, they count as unchanged. If the previous attributes were not read, any
 * current attribute counts as a change.
 *
 * @param now The current attributes; `undefined` if they were not read.
 * @param before The previous attributes; `undefined` if they were not read.
 */
export function isSameXattrs(
  now: Xattrs | undefined,
  before: Xattrs | undefined,
): boolean {
  if (now === before || now === undefined) return true;
  const names = Object.keys(now);
  if (before === undefined) return names.length === 0;
  return names.length === Object.keys(before).length &&
    names.every((name) =>
      Object.hasOwn(before, name) && before[name] === now[name]
    );
}

/** Returns whether attributes were read and at least one exists. */
export function hasXattrs(xattrs: Xattrs | undefined): boolean {
  return xattrs !== undefined && xattrs !== NO_XATTRS &&
    Object.keys(xattrs).length > 0;
}

/**
 * Returns the names of all attributes except those that the system sets on its
 * own.
 */
export function ownNames(xattrs: Xattrs = NO_XATTRS): string[] {
  return Object.keys(xattrs).filter((name) => !OF_SYSTEM.has(name));
}

/** Returns the selected attributes; all attributes if `selects` is absent. */
export function selectXattrs(
  xattrs: Xattrs | undefined,
  selects: XattrSelection | undefined,
): Xattrs | undefined {
  if (xattrs === undefined || selects === undefined) return xattrs;
  const names = Object.keys(xattrs);
  if (names.every(selects)) return xattrs;
  return Object.fromEntries(
    Object.entries(xattrs).filter(([name]) => selects(name)),
  );
}

/** The changes that give an entry the wanted extended attributes. */
export interface XattrChanges {
  /** The attributes to set, with their values. */
  set: [name: string, value: Uint8Array][];
  /** The attributes to remove. */
  remove: string[];
}

/**
 * Compares the attributes of an entry with the wanted attributes, and returns
 * the changes that are needed. Attributes that the system cannot store are not
 * set. Attributes that the system sets on its own are not removed.
 *
 * @param access Access to the attributes of the entry on the disk.
 * @param wanted The attributes that the entry must have.
 * @param selects Called with the name of each attribute. Returns whether the
 * attribute may be set or removed. By default, all attributes may be changed.
 * @throws The error of the system, with its `code`, if the attributes on the
 * disk cannot be read.
 */
export function xattrChanges(
  access: XattrAccess,
  wanted: Xattrs,
  selects?: XattrSelection,
): XattrChanges {
  const present = new Set(namesOf(access));
  const changes: XattrChanges = { set: [], remove: [] };
  for (const name of present) {
    if (Object.hasOwn(wanted, name) || OF_SYSTEM.has(name)) continue;
    if (selects?.(name) !== false) changes.remove.push(name);
  }
  for (const [name, value] of Object.entries(wanted)) {
    if (selects?.(name) === false || access.takes?.(name) === false) continue;
    if (present.has(name) && valueOf(access, name) === value) continue;
    changes.set.push([name, fromBase64(value)]);
  }
  return changes;
}

/**
 * Makes the changes that {@linkcode xattrChanges} returned, one by one.
 *
 * @param access Access to the attributes of the entry on the disk.
 * @param changes The changes.
 * @returns The names of the attributes that could not be changed, with the
 * errors.
 * @throws The error of the system, if it affects every path.
 */
export function changeXattrs(
  access: XattrAccess,
  { set, remove }: XattrChanges,
): { name: string; error: unknown }[] {
  const failed: { name: string; error: unknown }[] = [];
  const attempt = (name: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      // On ext4, `ENOSPC` can mean that the inode has no space left for
      // attributes, which affects only this entry.
      if (endsAll(error) && codeOf(error) !== "ENOSPC") throw error;
      failed.push({ name, error });
    }
  };
  for (const name of remove) {
    attempt(name, () => {
      try {
        access.remove(name);
      } catch (error) {
        if (!ABSENT.has(codeOf(error))) throw error;
      }
    });
  }
  for (const [name, value] of set) {
    attempt(name, () => access.set(name, value));
  }
  return failed;
}

/**
 * Reads the field `xattrs` of a line.
 *
 * @param xattrs The value of the field.
 * @param fail Called with the fault if the field is invalid. Throws the error.
 */
export function decodeXattrs(
  xattrs: unknown,
  fail: (what: string) => never,
): Xattrs {
  if (typeof xattrs !== "object" || xattrs === null || Array.isArray(xattrs)) {
    return fail("`xattrs` is not an object");
  }
  const all = Object.entries(xattrs);
  if (all.length === 0) return NO_XATTRS;
  let size = 0;
  for (const [name, value] of all) {
    if (!isXattrName(name)) {
      fail("the name of an extended attribute is invalid");
    }
    if (typeof value !== "string" || !BASE64.test(value)) {
      return fail("the value of an extended attribute is not base64");
    }
    size += sizeOf(name, value);
    if (
      value.length > MAX_XATTR_BYTES * 4 / 3 + 4 || size > 2 * MAX_XATTRS_BYTES
    ) {
      fail(
        `the extended attributes are too large: at most ${MAX_XATTR_BYTES} ` +
          `bytes for each value and ${MAX_XATTRS_BYTES} bytes in total`,
      );
    }
  }
  return Object.fromEntries(all) as Xattrs;
}

const BASE64 =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Returns whether a text can be the name of an attribute. */
export function isXattrName(name: string): boolean {
  return name !== "" && !name.includes("\0") && name.includes(".") &&
    encoder.encode(name).length <= MAX_NAME_BYTES;
}
