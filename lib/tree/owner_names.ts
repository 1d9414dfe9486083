import { fs } from "../bytes/node.ts";
import { nameByCall, numberByCall } from "./owner_calls.ts";
import { PLATFORM } from "./this_system.ts";

/** The names of users and groups. */
export interface OwnerNames {
  /** The names of users, by user ID in decimal. */
  users: Record<string, string>;
  /** The names of groups, by group ID in decimal. */
  groups: Record<string, string>;
}

/** The kind of an owner: a user or a group. */
export type OwnerKind = keyof OwnerNames;

/**
 * The maximum number of users, and of groups, whose names a snapshot records.
 */
export const MAX_OWNERS = 4096;
/** The maximum length of a name in UTF-16 code units. */
const MAX_NAME_LENGTH = 256;
/** The maximum size of a file with the users or groups, in bytes. */
const MAX_FILE_BYTES = 16 << 20;

const FILES = { users: "/etc/passwd", groups: "/etc/group" };

/** Returns whether a value can be the name of a user or group. */
export function isOwnerName(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_NAME_LENGTH &&
    /^[^:/\p{Cc}]+$/u.test(value) && value.isWellFormed();
}

/**
 * The users and groups of this system. They are read from `/etc/passwd` and
 * `/etc/group`. An ID or name that is not in these files is looked up with the
 * C library, if the runtime can call it, because the system can have users from
 * a directory service.
 */
export class SystemOwners {
  readonly #tables = new Map<OwnerKind, Table>();

  /**
   * Returns the name of a user or group, or `undefined` if it is not known.
   *
   * @param kind Whether to look up a user or a group.
   * @param id The user ID or group ID.
   */
  nameOf(kind: OwnerKind, id: number): string | undefined {
    return this.#table(kind).nameOf(id);
  }

  /**
   * Returns the ID of a user or group, or `undefined` if it is not known.
   *
   * @param kind Whether to look up a user or a group.
   * @param name The name.
   */
  numberOf(kind: OwnerKind, name: string): number | undefined {
    return this.#table(kind).numberOf(name);
  }

  #table(kind: OwnerKind): Table {
    const known = this.#tables.get(kind);
    if (known !== undefined) return known;
    const table = new Table(kind, readTable(FILES[kind]));
    this.#tables.set(kind, table);
    return table;
  }
}

/**
 * The users or the groups of this system: those in `/etc/passwd` or
 * `/etc/group`, and those that have been looked up so far.
 */
class Table {
  readonly #kind: OwnerKind;
  readonly #names = new Map<number, string | undefined>();
  readonly #numbers = new Map<string, number | undefined>();
  /**
   * The number of IDs and names so far that are not in the file. Only the first
   * `MAX_OWNERS` of them are looked up with the C library.
   */
  #calls = 0;

  constructor(kind: OwnerKind, text: string) {
    this.#kind = kind;
    for (const line of text.split("\n")) {
      const [name, , number] = line.split(":");
      if (!isOwnerName(name) || !/^\d{1,10}$/.test(number ?? "")) continue;
      const id = Number(number);
      // Of several lines with the same ID or name, the first one counts.
      if (!this.#names.has(id)) this.#names.set(id, name);
      if (!this.#numbers.has(name)) this.#numbers.set(name, id);
    }
  }

  nameOf(id: number): string | undefined {
    if (!this.#names.has(id) && this.#mayCall()) {
      const name = nameByCall(this.#kind, id);
      this.#names.set(id, isOwnerName(name) ? name : undefined);
    }
    return this.#names.get(id);
  }

  numberOf(name: string): number | undefined {
    if (!this.#numbers.has(name) && this.#mayCall()) {
      this.#numbers.set(name, numberByCall(this.#kind, name));
    }
    return this.#numbers.get(name);
  }

  #mayCall(): boolean {
    return this.#calls++ < MAX_OWNERS;
  }
}

/** A collection of the owners and groups of entries. */
export class OwnerTally {
  readonly #users = new Set<number>();
  readonly #groups = new Set<number>();
  #uid = -1;
  #gid = -1;

  /** Adds the owner and the group of an entry. */
  add({ uid, gid }: { uid: number; gid: number }): void {
    if (uid !== this.#uid) addTo(this.#users, this.#uid = uid);
    if (gid !== this.#gid) addTo(this.#groups, this.#gid = gid);
  }

  /**
   * Returns the names that the collected owners and groups have on a system, or
   * `undefined` if none of them has a name.
   *
   * @param system The owners of the system. Default: those of this system.
   */
  names(system: SystemOwners = new SystemOwners()): OwnerNames | undefined {
    const users = namesOf(system, "users", this.#users);
    const groups = namesOf(system, "groups", this.#groups);
    const isEmpty = Object.keys({ ...users, ...groups }).length === 0;
    return isEmpty ? undefined : { users, groups };
  }
}

function addTo(ids: Set<number>, id: number): void {
  if (ids.size < MAX_OWNERS) ids.add(id);
}

function namesOf(
  system: SystemOwners,
  kind: OwnerKind,
  ids: ReadonlySet<number>,
): Record<string, string> {
  const names: Record<string, string> = {};
  for (const id of ids) {
    const name = system.nameOf(kind, id);
    if (name !== undefined) names[id] = name;
  }
  return names;
}

/**
 * Returns a map from the IDs of owners on another system to their IDs on this
 * system. It contains only the owners whose names have a different ID here. All
 * other owners keep their IDs.
 *
 * @param kind Whether the owners are users or groups.
 * @param names The names of the other system, by ID in decimal.
 * @param system The owners of this system.
 */
export function numbersHere(
  kind: OwnerKind,
  names: Record<string, string>,
  system: SystemOwners,
): Map<number, number> {
  const here = new Map<number, number>();
  for (const [text, name] of Object.entries(names)) {
    const id = Number(text);
    // A name can have several IDs here. If `id` is one of them, `id` is kept.
    if (system.nameOf(kind, id) === name) continue;
    const number = system.numberOf(kind, name);
    if (number !== undefined && number !== id) here.set(id, number);
  }
  return here;
}

/**
 * Returns the text of a file with users or groups, or an empty text if the file
 * cannot be read or is larger than `MAX_FILE_BYTES`.
 */
function readTable(place: string): string {
  if (PLATFORM === "win32" || PLATFORM === "" || !mayRead(place)) return "";
  try {
    const { size } = fs.statSync(place);
    return size > MAX_FILE_BYTES ? "" : fs.readFileSync(place, "utf8");
  } catch {
    return "";
  }
}

interface Host {
  Deno?: {
    permissions: {
      querySync(of: { name: "read"; path: string }): { state: string };
    };
  };
}

/**
 * Returns whether a file can be read without asking the user for permission.
 */
function mayRead(path: string): boolean {
  const { Deno } = globalThis as Host;
  if (Deno === undefined) return true;
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}
