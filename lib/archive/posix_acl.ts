/**
 * POSIX ACLs in two forms: the value of the attribute in which Linux stores an
 * ACL (`linux/posix_acl_xattr.h`), and the text that GNU tar, libarchive and
 * star use in tar archives.
 */

/** The length of the header in bytes. The header contains only the version. */
const HEADER_BYTES = 4;
/** The version of the attribute's format. */
const VERSION = 2;
/**
 * The length of an entry in bytes. An entry consists of a tag, permissions and
 * a number.
 */
const ENTRY_BYTES = 8;
/** The number in an entry that is not for a named user or group. */
const NO_ID = 0xffff_ffff;

/** The tag of the entry that holds the mask. */
const MASK = 0x10;

/**
 * The tags of the entries of an ACL. Each tag has a name in the text form, and
 * a flag that says whether its entries are for a named user or group.
 */
const TAGS = [
  { tag: 0x01, name: "user", hasId: false },
  { tag: 0x02, name: "user", hasId: true },
  { tag: 0x04, name: "group", hasId: false },
  { tag: 0x08, name: "group", hasId: true },
  { tag: MASK, name: "mask", hasId: false },
  { tag: 0x20, name: "other", hasId: false },
] as const;

/**
 * Returns the text of an ACL, such as
 * `user::rw-,user:1000:r--,group::r--,mask::r--,other::---`. Users and groups
 * are given by number.
 *
 * @param value The value of the attribute that holds the ACL.
 * @returns The text, or `undefined` if the value is not an ACL of version 2.
 */
export function aclToText(value: Uint8Array): string | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const isAcl = value.length >= HEADER_BYTES &&
    (value.length - HEADER_BYTES) % ENTRY_BYTES === 0 &&
    view.getUint32(0, true) === VERSION;
  if (!isAcl) return undefined;
  const entries: string[] = [];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    const kind = TAGS.find(({ tag }) => tag === view.getUint16(at, true));
    const rights = view.getUint16(at + 2, true);
    if (kind === undefined || rights > 7) return undefined;
    const id = kind.hasId ? view.getUint32(at + 4, true) : "";
    const letters = ["r", "w", "x"].map((letter, bit) =>
      rights & 4 >> bit ? letter : "-"
    );
    entries.push(`${kind.name}:${id}:${letters.join("")}`);
  }
  return entries.join(",");
}

/**
 * Converts the text of an ACL to the value of the attribute.
 *
 * @param text The entries, separated by commas or line feeds. An entry can have
 *   the number of a user or group in place of the name, or in a fourth field.
 * @param idOf Called with the kind and the name of each user or group for which
 *   the text has no number. Returns the number, or `undefined` if the number is
 *   not known.
 * @returns The value, or `undefined` if the text is not an ACL or if the number
 *   of a user or group is not known.
 */
export function aclFromText(
  text: string,
  idOf: (kind: "user" | "group", name: string) => number | undefined,
): Uint8Array | undefined {
  const entries: { tag: number; rights: number; id: number }[] = [];
  for (const part of text.split(/[,\n]/)) {
    const line = part.replace(/#.*/, "").trim();
    if (line === "") continue;
    const [name, qualifier = "", letters = "", number] = line.split(":");
    const hasId = qualifier !== "";
    const kind = TAGS.find((tag) => tag.name === name && tag.hasId === hasId);
    if (kind === undefined || !/^[rwx-]{1,3}$/.test(letters)) return undefined;
    const id = !hasId ? NO_ID : idOfText(number) ?? idOfText(qualifier) ??
      idOf(name === "user" ? "user" : "group", qualifier);
    if (id === undefined) return undefined;
    const rights = (letters.includes("r") ? 4 : 0) +
      (letters.includes("w") ? 2 : 0) + (letters.includes("x") ? 1 : 0);
    entries.push({ tag: kind.tag, rights, id });
  }
  if (entries.length === 0) return undefined;
  // Linux accepts the entries only in this order.
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const value = new Uint8Array(HEADER_BYTES + ENTRY_BYTES * entries.length);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  for (const [number, { tag, rights, id }] of entries.entries()) {
    const at = HEADER_BYTES + ENTRY_BYTES * number;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, rights, true);
    view.setUint32(at + 4, id, true);
  }
  return value;
}

/**
 * Returns whether an ACL has only the rights of the owner, the group and all
 * other users.
 *
 * @param value The value of the attribute that holds the ACL.
 */
export function isMinimal(value: Uint8Array): boolean {
  return value.length <= HEADER_BYTES + 3 * ENTRY_BYTES;
}

/**
 * Returns the mode of a member that has an access ACL. On Linux, the group bits
 * of such a mode are the rights of the mask. In an archive that libarchive
 * wrote, these bits are the rights of the group, so this function replaces them
 * with the rights of the mask.
 *
 * @param mode The mode in the header of the member.
 * @param value The value of the attribute that holds the ACL.
 */
export function modeWithAcl(mode: number, value: Uint8Array): number {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  for (
    let at = HEADER_BYTES;
    at + ENTRY_BYTES <= value.length;
    at += ENTRY_BYTES
  ) {
    if (view.getUint16(at, true) !== MASK) continue;
    return mode & ~0o070 | (view.getUint16(at + 2, true) & 7) << 3;
  }
  return mode;
}

function idOfText(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id < NO_ID ? id : undefined;
}
