import { foldName } from "./name.ts";
import { nameOf, parentPath } from "./path.ts";
import type { NameProbe } from "./probe.ts";
import type { FileStat } from "./stat.ts";

/** The access to a directory that `Spelling` needs. */
export interface Disk {
  /**
   * Returns the state of the entry at a path, or `undefined` if the path does
   * not exist.
   */
  at(path: string): FileStat | undefined;
  /** Returns the names in a folder, as the folder spells them. */
  names(path: string): string[];
}

/** The properties of a folder. Each is `undefined` until it is known. */
interface FolderNature {
  /** Whether names that differ only by case are one name. */
  case?: boolean;
  /** Whether names that differ only by normalization are one name. */
  form?: boolean;
  /** The names in the folder, as the folder spells them. */
  listed?: ReadonlySet<string>;
}

/**
 * Finds out which spellings a directory treats as one name. The answer depends
 * on the file system and, on some systems, on the folder. Each folder is
 * therefore tested: existing entries are looked up under another spelling, and
 * the probe tests names that do not exist.
 */
export class Spelling {
  readonly #disk: Disk;
  readonly #probe: NameProbe;
  readonly #natures = new Map<string, FolderNature>();

  /**
   * Prepares the tests for a directory.
   *
   * @param disk The directory, as it is before anything is changed.
   * @param probe The tests for names that do not exist.
   */
  constructor(disk: Disk, probe: NameProbe) {
    this.#disk = disk;
    this.#probe = probe;
  }

  /**
   * Returns the path of an entry, with the entry's name as the folder lists it.
   * The result differs from `path` only if the file system treats the two names
   * as one name.
   *
   * @param path The path of an existing entry, in any spelling.
   * @param stat The state of that entry.
   */
  listedAs(path: string, stat: FileStat): string {
    const folder = parentPath(path);
    const name = nameOf(path);
    const isOther = this.#asksCase(folder, name, stat) ||
      this.#asksForm(folder, name, stat);
    if (!isOther) return path;
    const listed = this.#listed(folder);
    if (listed.has(name)) return path;
    const key = foldName(name);
    for (const other of listed) {
      if (foldName(other) !== key) continue;
      const at = join(folder, other);
      if (isSame(this.#disk.at(at), stat)) return at;
    }
    return path;
  }

  /**
   * Returns whether the file system changes the wanted spelling of a name to
   * the listed spelling, so the entry cannot be renamed to the wanted spelling.
   * Also returns `true` if the two spellings differ only by normalization and
   * the disk cannot be tested.
   *
   * @param listed The path as the folder lists it.
   * @param path The path in the wanted spelling.
   */
  isGiven(listed: string, path: string): boolean {
    if (listed.normalize("NFD") !== path.normalize("NFD")) return false;
    const given = this.#probe.listed(parentPath(listed), nameOf(path));
    return given === undefined || given === nameOf(listed);
  }

  /**
   * Returns whether two differently spelled paths are the same path on this
   * disk.
   */
  isOneName(left: string, right: string): boolean {
    const names = left.split("/");
    const others = right.split("/");
    if (names.length !== others.length) return false;
    for (let depth = 0; depth < names.length; depth++) {
      if (names[depth] === others[depth]) continue;
      const folder = names.slice(0, depth).join("/");
      if (!this.#isOneIn(folder, names[depth], others[depth])) return false;
    }
    return true;
  }

  #isOneIn(folder: string, name: string, other: string): boolean {
    if (foldName(name) !== foldName(other)) return false;
    const stat = this.#disk.at(join(folder, name));
    const found = this.#disk.at(join(folder, other));
    if (stat !== undefined && found !== undefined) {
      const listed = this.#listed(folder);
      // If both names are listed, they are two hard links to one file, and not
      // two spellings of one name.
      return isSame(stat, found) && !(listed.has(name) && listed.has(other));
    }
    if (stat !== undefined || found !== undefined) return false;
    return this.#probe.isOne(folder, name, other);
  }

  #asksCase(folder: string, name: string, stat: FileStat): boolean {
    const other = otherCase(name);
    if (other === name) return false;
    const nature = this.#nature(folder);
    nature.case ??= this.#isFoundAs(folder, name, other, stat);
    return nature.case ?? false;
  }

  #asksForm(folder: string, name: string, stat: FileStat): boolean {
    const other = otherForm(name);
    if (other === name) return false;
    const nature = this.#nature(folder);
    nature.form ??= this.#isFoundAs(folder, name, other, stat);
    return nature.form ?? false;
  }

  /**
   * Returns whether an entry is found under another spelling, or `undefined` if
   * looking up that spelling fails.
   */
  #isFoundAs(
    folder: string,
    name: string,
    other: string,
    stat: FileStat,
  ): boolean | undefined {
    let found: FileStat | undefined;
    try {
      found = this.#disk.at(join(folder, other));
    } catch {
      // The other spelling can be too long or an invalid name.
      return undefined;
    }
    if (!isSame(found, stat)) return false;
    const listed = this.#listed(folder);
    return !(listed.has(name) && listed.has(other));
  }

  #listed(folder: string): ReadonlySet<string> {
    return this.#nature(folder).listed ??= new Set(this.#disk.names(folder));
  }

  #nature(folder: string): FolderNature {
    let nature = this.#natures.get(folder);
    if (nature === undefined) this.#natures.set(folder, nature = {});
    return nature;
  }
}

/**
 * Returns a map with the paths that differ from another given path only by
 * case, normalization or ignored characters. The value of a path is the text
 * that `foldName` returns for the path.
 *
 * @param paths The paths, without duplicates.
 */
export function alikePaths(paths: Iterable<string>): Map<string, string> {
  const counts = new Map<string, number>();
  const all = [...paths];
  for (const path of all) {
    const key = foldName(path);
    if (key !== path) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const alike = new Map<string, string>();
  if (counts.size === 0) return alike;
  for (const path of all) {
    const count = counts.get(path);
    if (count !== undefined) counts.set(path, count + 1);
  }
  for (const path of all) {
    const key = foldName(path);
    if ((counts.get(key) ?? 0) > 1) alike.set(path, key);
  }
  return alike;
}

function isSame(left: FileStat | undefined, right: FileStat): boolean {
  return left !== undefined && left.inode === right.inode &&
    left.device === right.device;
}

/**
 * Returns the name with its first ASCII letter in the other case. A name
 * without ASCII letters is returned in lower case, or in upper case if it is
 * already in lower case.
 */
function otherCase(name: string): string {
  const at = name.search(/[a-zA-Z]/);
  if (at < 0) {
    const lower = name.toLowerCase();
    return lower !== name ? lower : name.toUpperCase();
  }
  const char = name[at];
  const lower = char.toLowerCase();
  const other = char === lower ? char.toUpperCase() : lower;
  return name.slice(0, at) + other + name.slice(at + 1);
}

/**
 * Returns the name in the normalization form NFC, or in NFD if the name is
 * already in NFC.
 */
function otherForm(name: string): string {
  const composed = name.normalize("NFC");
  return composed !== name ? composed : name.normalize("NFD");
}

function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
