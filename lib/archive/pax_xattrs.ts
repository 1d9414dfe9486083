import { fromBase64, toBase64 } from "../bytes/base64.ts";
import {
  ACCESS_ACL,
  DEFAULT_ACL,
  isXattrName,
  type Xattrs,
} from "../tree/xattrs.ts";
import { aclFromText, aclToText, isMinimal } from "./posix_acl.ts";
import type { PaxRecords } from "./pax.ts";

/**
 * The prefix of the keys for extended attributes. The attribute's escaped name
 * follows the prefix. The value of such a record is the attribute's value.
 */
const XATTR = "SCHILY.xattr.";
/**
 * The prefix of libarchive's own keys for extended attributes. The attribute's
 * escaped name follows the prefix. The value of such a record is the
 * attribute's value in base64.
 */
const LIBARCHIVE = "LIBARCHIVE.xattr.";
/**
 * The keys of the records that hold an ACL as text, by the name of the
 * attribute that holds the same ACL.
 */
const ACLS = {
  [ACCESS_ACL]: "SCHILY.acl.access",
  [DEFAULT_ACL]: "SCHILY.acl.default",
} as const;

/**
 * Returns whether a record with this key holds an extended attribute or an ACL.
 */
export function isXattrKey(key: string): boolean {
  return key.startsWith(XATTR) || key.startsWith(LIBARCHIVE) || isAclKey(key);
}

/**
 * Adds records for extended attributes, in the form that GNU tar and libarchive
 * write and read.
 *
 * @param xattrs The attributes.
 * @param records The records to add to.
 */
export function addXattrs(xattrs: Xattrs, records: PaxRecords): void {
  for (const [name, base64] of Object.entries(xattrs)) {
    const value = fromBase64(base64);
    const acl = name === ACCESS_ACL || name === DEFAULT_ACL
      ? aclToText(value)
      : undefined;
    if (acl !== undefined && (name === ACCESS_ACL || name === DEFAULT_ACL)) {
      records.set(ACLS[name], acl);
      continue;
    }
    const key = name.replaceAll("%", "%25").replaceAll("=", "%3D");
    records.set(XATTR + key, value);
  }
}

/** Returns whether any of the records holds an extended attribute or an ACL. */
export function hasXattrRecords(records: PaxRecords): boolean {
  for (const value of records.values()) {
    if (typeof value !== "string") return true;
  }
  return false;
}

/**
 * Returns the extended attributes in the records of a member. An ACL is ignored
 * if one of its entries has only the name of a user or group, and this name
 * does not exist on this machine.
 *
 * @param records The records of the member.
 * @returns The attributes, or `undefined` if there are no attributes.
 */
export async function xattrsIn(
  records: PaxRecords,
): Promise<Xattrs | undefined> {
  const found = new Map<string, string>();
  for (const [key, value] of records) {
    if (!(value instanceof Uint8Array)) continue;
    if (!isAclKey(key)) {
      // A member can have the same attribute under both prefixes. Both records
      // then have the same value, so the second one can replace the first one.
      const attribute = attributeOf(key, value);
      if (attribute !== undefined) found.set(...attribute);
      continue;
    }
    const acl = await aclOf(key, value);
    // If the ACL is also stored as an attribute, the attribute is preferred,
    // because the text can have names in place of numbers.
    if (acl !== undefined && !found.has(acl[0])) found.set(...acl);
  }
  return found.size === 0 ? undefined : Object.fromEntries(found);
}

function attributeOf(
  key: string,
  value: Uint8Array,
): [name: string, base64: string] | undefined {
  if (key.startsWith(XATTR)) {
    const name = unescaped(key.slice(XATTR.length));
    return isXattrName(name) ? [name, toBase64(value)] : undefined;
  }
  if (key.startsWith(LIBARCHIVE)) {
    const text = new TextDecoder().decode(value);
    const name = unescaped(key.slice(LIBARCHIVE.length));
    const base64 = text.replace(/=+$/, "");
    if (!isXattrName(name) || !/^[A-Za-z0-9+/]*$/.test(base64)) {
      return undefined;
    }
    if (base64.length % 4 === 1) return undefined;
    return [name, toBase64(fromBase64(base64))];
  }
  return undefined;
}

/**
 * Returns the name and the value, in base64, of the attribute for an ACL that
 * is stored as text. Returns `undefined` for an ACL that is ignored.
 */
async function aclOf(
  key: string,
  value: Uint8Array,
): Promise<[name: string, base64: string] | undefined> {
  const name = key === ACLS[ACCESS_ACL] ? ACCESS_ACL : DEFAULT_ACL;
  const text = new TextDecoder().decode(value);
  let acl = aclFromText(text, () => undefined);
  if (acl === undefined) {
    // GNU tar stores names instead of numbers. The module that looks up the
    // numbers is imported only here, because it needs a file system.
    const { SystemOwners } = await import("../tree/owner_names.ts");
    const system = new SystemOwners();
    acl = aclFromText(
      text,
      (kind, name) =>
        system.numberOf(kind === "user" ? "users" : "groups", name),
    );
  }
  // An access ACL without named users, named groups or a mask adds nothing to
  // the mode, so it is ignored.
  if (acl === undefined || name === ACCESS_ACL && isMinimal(acl)) {
    return undefined;
  }
  return [name, toBase64(acl)];
}

function isAclKey(key: string): boolean {
  return key === ACLS[ACCESS_ACL] || key === ACLS[DEFAULT_ACL];
}

/**
 * Decodes a name in which bytes are escaped as `%` and two hexadecimal digits.
 * Returns the name unchanged if the escaped bytes are not valid UTF-8.
 */
function unescaped(name: string): string {
  try {
    return decodeURIComponent(name.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"));
  } catch {
    return name;
  }
}
