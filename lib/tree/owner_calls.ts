import { loadLibrary } from "../bytes/native_library.ts";
import type { OwnerKind } from "./owner_names.ts";

/**
 * Loads the functions of the C library that look up users and groups. These
 * functions also query the directory services that the system is configured to
 * use (`nsswitch.conf`).
 */
const load = () =>
  loadLibrary({
    getpwuid: ["u32"],
    getgrgid: ["u32"],
    getpwnam: ["buffer"],
    getgrnam: ["buffer"],
    strnlen: ["u64", "u64"],
    memcpy: ["buffer", "u64", "u64"],
  });

/**
 * The offset in bytes of `pw_uid` in a `struct passwd`, and of `gr_gid` in a
 * `struct group`. The name is the first field of both.
 */
const ID_OFFSET = 16;
/** The maximum length of a name that is read, in bytes. */
const MAX_NAME_BYTES = 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

let calls: ReturnType<typeof load> | null = null;

/**
 * Returns the name of a user or group; `undefined` if the ID has no name, or if
 * the runtime cannot call the C library.
 *
 * @param kind Whether to look up a user or a group.
 * @param id The user ID or group ID.
 */
export function nameByCall(kind: OwnerKind, id: number): string | undefined {
  if (calls === null) calls = load();
  if (calls === undefined || id > 0xffff_fffe) return undefined;
  const found = kind === "users" ? calls.getpwuid(id) : calls.getgrgid(id);
  const [name] = fieldsAt(found) ?? [];
  if (name === undefined) return undefined;
  const length = calls.strnlen(name, MAX_NAME_BYTES);
  const bytes = new Uint8Array(length + 1);
  calls.memcpy(bytes, name, length);
  try {
    return decoder.decode(bytes.subarray(0, length));
  } catch {
    return undefined;
  }
}

/**
 * Returns the ID of a user or group; `undefined` if the name does not exist, or
 * if the runtime cannot call the C library.
 *
 * @param kind Whether to look up a user or a group.
 * @param name The name.
 */
export function numberByCall(
  kind: OwnerKind,
  name: string,
): number | undefined {
  if (calls === null) calls = load();
  if (calls === undefined) return undefined;
  const text = encoder.encode(`${name}\0`);
  const found = kind === "users" ? calls.getpwnam(text) : calls.getgrnam(text);
  return fieldsAt(found)?.[1];
}

/**
 * Returns the pointer to the name, and the ID, that a `struct passwd` or
 * `struct group` contains; `undefined` for a null pointer.
 */
function fieldsAt(
  pointer: number | bigint,
): [name: bigint, id: number] | undefined {
  if (Number(pointer) === 0) return undefined;
  const fields = new Uint8Array(ID_OFFSET + 4);
  calls?.memcpy(fields, pointer, fields.length);
  const view = new DataView(fields.buffer);
  return [view.getBigUint64(0, true), view.getUint32(ID_OFFSET, true)];
}
