import { checkAborted } from "../bytes/abort.ts";
import { process } from "../bytes/node.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { turnIfDue } from "../bytes/turns.ts";
import {
  isAbandoned,
  isTemporaryName,
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

/** A journal that an interrupted process has left behind. */
export interface LeftJournal {
  /** The name of the journal in the directory. */
  name: string;
  /** The data of the journal. */
  data: JournalData;
}

const SUFFIX = "-journal";

/**
 * The pattern of the names that {@linkcode WorkJournal.begin} gives to
 * journals.
 */
const JOURNAL = /^\.deltar-stage-p\d{1,10}-[0-9a-f]{8}-[0-9a-f]{8}-journal$/;

/** The maximum size of a journal, in bytes. */
const MAX_JOURNAL_BYTES = 1 << 16;

/** The keys of the journals that this process is using. */
const open = new Set<string>();

/**
 * A file that exists in a directory while a process changes the directory. If
 * the process is killed, the next process finds the journal and reads from it
 * which work was interrupted. Walks exclude the file.
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
   * Returns the journals that interrupted processes have left in a directory,
   * sorted by name. A file is ignored if it belongs to a user other than this
   * user or root, is larger than 64 KiB, or has a second name.
   *
   * @param root The path of the directory, in the syntax of the operating
   * system.
   * @throws {DeltarError} `exists` if another process is changing the
   * directory; `not-found` or `io` if the directory cannot be read.
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
   * Writes a journal before work on a directory begins. The journal is on the
   * disk when the promise resolves.
   *
   * @param folder The directory, which must stay open until the work ends.
   * @param data The data to store in the journal.
   * @returns The journal, or `undefined` if this user may not write into the
   * directory itself. Folders in it can still be writable.
   * @throws {DeltarError} `exists` if another process is changing the
   * directory; `io` if the journal cannot be written or the data takes more
   * than 64 KiB.
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
      // Each process writes its own journal before it looks for others. Of two
      // processes that begin at the same time, at least one therefore finds the
      // other's journal.
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

  /**
   * Deletes a journal that was left behind, after its work was finished or
   * undone.
   *
   * @param folder The directory that contains the journal.
   * @param name The name of the journal, as `left` returned it.
   * @throws {DeltarError} `io` if the journal cannot be deleted.
   */
  static remove(folder: Folder, name: string): void {
    removeName(folder, name);
  }

  /**
   * Deletes the journal, because the work is done or was not begun.
   *
   * @throws {DeltarError} `io` if the journal cannot be deleted.
   */
  end(): void {
    removeName(this.#folder, this.#name);
    open.delete(this.#key);
  }

  /**
   * Stops using the journal, but leaves it in the directory, because the work
   * is not finished.
   */
  abandon(): void {
    open.delete(this.#key);
  }

  /**
   * Writes the journal. Returns `false` if this user may not create the file.
   */
  async #write(data: JournalData): Promise<boolean> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(data)}\n`);
    if (bytes.length > MAX_JOURNAL_BYTES) {
      throw new RangeError(
        `journal too large: ${bytes.length} bytes, at most ${MAX_JOURNAL_BYTES}`,
      );
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
 * Deletes the temporary files and folders that killed processes left in a
 * directory and in the folders below it, except for journals. The modification
 * times of folders do not change. Files that cannot be deleted stay.
 *
 * @param root The open directory.
 * @param signal A signal that ends the deletion with the error code `aborted`.
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
      // The folder belongs to another user, or no longer exists.
    }
  }
  folders.closeBelow();
}

/**
 * Deletes the abandoned temporary files and folders in one folder, except for
 * journals. The modification time of the folder does not change. Files that
 * cannot be deleted stay. Returns the names of all other folders in the folder.
 */
export function clearFolder(folder: Folder): string[] {
  const { mtime } = folder.stat();
  const below: string[] = [];
  let cleared = false;
  for (const name of folder.names()) {
    if (!name.startsWith(STAGE_PREFIX)) {
      if (folder.statAt(name)?.kind === "directory") below.push(name);
      continue;
    }
    try {
      if (!isLeftIn(folder, name)) continue;
      removeTree(folder, name);
      cleared = true;
    } catch {
      // The file belongs to another user, or no longer exists.
    }
  }
  try {
    if (cleared) folder.setOwnTimes(mtime);
  } catch {
    // The folder belongs to another user.
  }
  return below;
}

/**
 * Returns whether a name in a folder belongs to a temporary file or folder that
 * a killed process left behind. Returns `false` for a journal.
 */
export function isLeftIn(folder: Folder, name: string): boolean {
  if (!isTemporaryName(name) || name.endsWith(SUFFIX)) return false;
  const stat = folder.statAt(name);
  return stat !== undefined &&
    isAbandoned(name, inMilliseconds(stat), Date.now());
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
 * Reads a journal. Returns `undefined` unless the file is a regular file of at
 * most `MAX_JOURNAL_BYTES`, has one name, and belongs to this user or to root.
 * Any other file with such a name might have been created by another user or by
 * a restore.
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
  return isOwn && size <= MAX_JOURNAL_BYTES && links === 1;
}

/**
 * Parses a journal. An incomplete journal is read as an empty object, because
 * the process that wrote the journal ended before the work began.
 */
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
      "restoring into the directory of this file. Wait until the restore has " +
      "finished. If no restore is running, delete this file.",
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

/**
 * Returns a key for a journal: the device and inode of its folder, and its
 * name. The key stays the same if the folder is moved.
 */
function keyOf(folder: Folder, name: string): string {
  const { device, inode } = folder.stat();
  return `${device}:${inode}/${name}`;
}

function inMilliseconds({ mtime }: FileStat): number {
  return Number(mtime / 1_000_000n);
}
