import { checkAborted } from "../bytes/abort.ts";
import { process } from "../bytes/node.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { turnIfDue } from "../bytes/turns.ts";
import {
  isAbandoned,
  ownerOf,
  STAGE_PREFIX,
  temporaryName,
} from "../storage/temporary.ts";
import { fileError } from "./file.ts";
import type { Folder } from "./folder.ts";
import { openFolder } from "./open_folder.ts";
import { OpenFolders } from "./open_folders.ts";
import { removeTree } from "./remove_tree.ts";
import type { FileStat } from "./stat.ts";

/** The data of a journal, as JSON. */
export type JournalData = Record<string, unknown>;

/** A journal that killed work has left. */
export interface LeftJournal {
  /** Its name in the directory. */
  name: string;
  /** Its data. */
  data: JournalData;
}

const SUFFIX = "-journal";

/** Exactly the names that `begin` gives. */
const JOURNAL = /^\.deltar-stage-p\d{1,10}-[0-9a-f]{8}-[0-9a-f]{8}-journal$/;

/** The longest journal that is read, in bytes; `begin` refuses longer ones. */
const MOST_BYTES = 1 << 16;

/** The journals of this process that work is going on under. */
const open = new Set<string>();

/**
 * Says in a directory that work on it is going on, for as long as it is; when
 * the process is killed, the next one finds what it was. A file in the
 * directory itself, under a name that no walk sees.
 */
export class WorkJournal {
  readonly #folder: Folder;
  readonly #name: string;
  readonly #key: string;

  private constructor(folder: Folder, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.#key = keyOf(folder, name);
  }

  /**
   * The journals that killed work has left in a directory, the oldest first.
   * Files that this user and root did not write are not believed.
   *
   * @param root The directory, a path of the operating system.
   * @throws {DeltarError} `exists` if another process is at work there.
   */
  static left(root: string): LeftJournal[] {
    let folder: Folder;
    try {
      folder = openFolder(root);
    } catch (error) {
      throw fileError(error, root);
    }
    try {
      return journalsIn(folder).map(({ name, data, stat }) => {
        if (isBusy(folder, name, stat)) throw busy(folder, name);
        return { name, data };
      });
    } finally {
      folder.close();
    }
  }

  /**
   * Begins work on a directory; the journal is on the disk before this
   * returns.
   *
   * @param folder The directory, which is open until the work ends.
   * @param data What to say.
   * @returns The journal, or `undefined` if this user may not write into the
   * directory itself, though maybe into folders in it.
   * @throws {DeltarError} `exists` if another process is at work there.
   */
  static async begin(
    folder: Folder,
    data: JournalData,
  ): Promise<WorkJournal | undefined> {
    const name = temporaryName(`${crypto.randomUUID().slice(0, 8)}${SUFFIX}`);
    const journal = new WorkJournal(folder, name);
    open.add(journal.#key);
    try {
      if (!await journal.#write(data)) {
        open.delete(journal.#key);
        return undefined;
      }
      await folder.sync();
      // Who begins at the same time sees this one, or is seen here.
      for (const other of journalsIn(folder)) {
        if (other.name !== name && isBusy(folder, other.name, other.stat)) {
          throw busy(folder, other.name);
        }
      }
    } catch (error) {
      journal.end();
      throw fileError(error, folder.place);
    }
    return journal;
  }

  /** Removes a journal that was left, once what it tells of is settled. */
  static remove(folder: Folder, name: string): void {
    removeName(folder, name);
  }

  /** The work is done, or has not begun: the journal goes. */
  end(): void {
    removeName(this.#folder, this.#name);
    open.delete(this.#key);
  }

  /** The work is given up half done: the journal stays. */
  abandon(): void {
    open.delete(this.#key);
  }

  /** Writes it; whether this user may. */
  async #write(data: JournalData): Promise<boolean> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(data)}\n`);
    if (bytes.length > MOST_BYTES) {
      throw new RangeError(`a journal of ${bytes.length} bytes`);
    }
    try {
      const file = this.#folder.createFile(this.#name, 0o600);
      try {
        file.write(bytes, 0);
        await file.flush();
      } finally {
        file.close();
      }
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === "EACCES" || code === "EPERM") return false;
      throw error;
    }
  }
}

/**
 * Removes what killed processes left in a directory and below; each folder's
 * time stays as it was. What cannot be removed stays.
 *
 * @param root The directory.
 * @param signal Ends the work with an error of code `aborted`.
 */
export async function clearAbandoned(
  root: Folder,
  signal?: AbortSignal,
): Promise<void> {
  const folders = new OpenFolders(root);
  const waiting = [""];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    checkAborted(signal);
    try {
      for (const name of clearFolder(folders.at(path))) {
        waiting.push(path === "" ? name : `${path}/${name}`);
      }
    } catch {
      // It is not ours to look into, or gone.
    }
  }
  folders.closeBelow();
}

/** Clears one folder; returns the names of the folders in it. */
function clearFolder(folder: Folder): string[] {
  const { mtime } = folder.stat();
  const below: string[] = [];
  let cleared = false;
  for (const name of folder.names()) {
    const isStage = name.startsWith(STAGE_PREFIX);
    if (isStage && name.endsWith(SUFFIX)) continue;
    const stat = folder.statAt(name);
    if (stat === undefined) continue;
    if (!isStage) {
      if (stat.kind === "directory") below.push(name);
      continue;
    }
    try {
      if (!isAbandoned(name, inMilliseconds(stat), Date.now())) continue;
      removeTree(folder, name);
      cleared = true;
    } catch {
      // It is not ours to remove, or gone.
    }
  }
  if (cleared) folder.setOwnTimes(mtime);
  return below;
}

function journalsIn(
  folder: Folder,
): { name: string; data: JournalData; stat: FileStat }[] {
  try {
    return folder.names().filter((name) => JOURNAL.test(name)).sort()
      .flatMap((name) => {
        const read = readJournal(folder, name);
        return read === undefined ? [] : [{ name, ...read }];
      });
  } catch (error) {
    throw fileError(error, folder.place);
  }
}

/**
 * Reads a journal. One that is not a small regular file of this user or of
 * root is none: a restore, or somebody who may write here, made it.
 */
function readJournal(
  folder: Folder,
  name: string,
): { data: JournalData; stat: FileStat } | undefined {
  const there = folder.statAt(name);
  if (there?.kind !== "file" || !isBelieved(there)) return undefined;
  const file = folder.openFile(name);
  try {
    const stat = file.stat();
    if (!isBelieved(stat)) return undefined;
    const bytes = new Uint8Array(stat.size);
    for (let at = 0; at < bytes.length;) {
      const got = file.read(bytes.subarray(at), at);
      if (got === 0) break;
      at += got;
    }
    return { data: parse(new TextDecoder().decode(bytes)), stat };
  } finally {
    file.close();
  }
}

function isBelieved({ uid, size, links }: FileStat): boolean {
  const user = process.geteuid?.();
  const isOwn = user === undefined || uid === user || uid === 0;
  return isOwn && size <= MOST_BYTES && links === 1;
}

/** A torn journal was cut before any work began. */
function parse(text: string): JournalData {
  try {
    const data = JSON.parse(text);
    return typeof data === "object" && data !== null ? data : {};
  } catch {
    return {};
  }
}

function isBusy(folder: Folder, name: string, stat: FileStat): boolean {
  const owner = ownerOf(name);
  if (owner === undefined) {
    return !isAbandoned(name, inMilliseconds(stat), Date.now());
  }
  if (open.has(keyOf(folder, name))) return true;
  return isOther(owner) &&
    !isAbandoned(name, inMilliseconds(stat), Date.now());
}

function isOther(owner: number): boolean {
  return ownerOf(temporaryName("")) !== owner;
}

function busy(folder: Folder, name: string): DeltarError {
  const owner = ownerOf(name);
  return new DeltarError(
    "exists",
    `${owner === undefined ? "another machine" : `process ${owner}`} is ` +
      "restoring into this directory; wait for it, or remove this file if " +
      "that cannot be",
    { object: `${folder.place}/${name}` },
  );
}

function removeName(folder: Folder, name: string): void {
  try {
    folder.unlink(name);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw fileError(error, `${folder.place}/${name}`);
  }
}

/** One text for one journal, by whatever path its folder was opened. */
function keyOf(folder: Folder, name: string): string {
  const { device, inode } = folder.stat();
  return `${device}:${inode}/${name}`;
}

function inMilliseconds({ mtime }: FileStat): number {
  return Number(mtime / 1_000_000n);
}
