import type * as NodeFs from "node:fs";
import { fs } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import { syncFolder } from "../storage/local.ts";
import {
  isAbandoned,
  isRunning,
  ownerOf,
  STAGE_PREFIX,
  temporaryName,
} from "../storage/temporary.ts";
import { fileError } from "./file.ts";
import { lstat, setTimes } from "./stat.ts";

/** What a journal says; JSON. */
export type JournalData = Record<string, unknown>;

/** A journal that killed work has left. */
export interface LeftJournal {
  /** The file. */
  place: string;
  /** What it says. */
  data: JournalData;
}

const SUFFIX = "-journal";

/** The journals of this process that work is going on under. */
const open = new Set<string>();

/**
 * Says in a directory that work on it is going on, for as long as it is; when
 * the process is killed, the next one finds what it was. A file in the
 * directory itself, under a name that no walk sees.
 */
export class WorkJournal {
  readonly #place: string;

  private constructor(place: string) {
    this.#place = place;
  }

  /**
   * The journals that killed work has left in a directory, the oldest first.
   *
   * @throws {DeltarError} `exists` if another process is at work there.
   */
  static left(root: string): LeftJournal[] {
    const left: LeftJournal[] = [];
    for (const { place, name } of journalsIn(root)) {
      if (isBusy(place, name)) throw busy(place, name);
      left.push({ place, data: readData(place) });
    }
    return left;
  }

  /**
   * Begins work on a directory; the journal is on the disk before this
   * returns.
   *
   * @throws {DeltarError} `exists` if another process is at work there.
   */
  static begin(root: string, data: JournalData): WorkJournal {
    const name = temporaryName(`${crypto.randomUUID().slice(0, 8)}${SUFFIX}`);
    const journal = new WorkJournal(`${root}/${name}`);
    open.add(journal.#place);
    try {
      journal.#write(data);
      syncFolder(root);
      // Who begins at the same time sees this one, or is seen here.
      for (const other of journalsIn(root)) {
        if (other.place !== journal.#place && isBusy(other.place, other.name)) {
          throw busy(other.place, other.name);
        }
      }
    } catch (error) {
      journal.end();
      throw fileError(error, root);
    }
    return journal;
  }

  /** Removes a journal that was left, once what it tells of is settled. */
  static remove(place: string): void {
    fs.rmSync(place, { force: true });
  }

  /** The work is done, or has not begun: the journal goes. */
  end(): void {
    fs.rmSync(this.#place, { force: true });
    open.delete(this.#place);
  }

  /** The work is given up half done: the journal stays. */
  abandon(): void {
    open.delete(this.#place);
  }

  #write(data: JournalData): void {
    const fd = fs.openSync(this.#place, "wx", 0o600);
    try {
      fs.writeSync(fd, `${JSON.stringify(data)}\n`);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/**
 * Removes what killed processes left in a directory and below; each folder's
 * time stays as it was. What cannot be removed stays.
 *
 * @param root The directory, a path of the operating system.
 */
export function clearAbandoned(root: string): void {
  let entries: NodeFs.Dirent[];
  try {
    entries = fs.readdirSync(root, { withFileTypes: true });
  } catch {
    return;
  }
  const { mtime } = lstat(root);
  let cleared = false;
  for (const entry of entries) {
    const { name } = entry;
    const place = `${root}/${name}`;
    try {
      if (!name.startsWith(STAGE_PREFIX)) {
        if (entry.isDirectory()) clearAbandoned(place);
      } else if (!name.endsWith(SUFFIX)) {
        const modified = Number(lstat(place).mtime / 1_000_000n);
        if (!isAbandoned(name, modified, Date.now())) continue;
        fs.rmSync(place, { recursive: true, force: true });
        cleared = true;
      }
    } catch {
      // It is not ours to remove, or gone.
    }
  }
  if (cleared) setTimes(root, mtime);
}

function* journalsIn(root: string): Generator<{ place: string; name: string }> {
  let names: string[];
  try {
    names = fs.readdirSync(root);
  } catch (error) {
    throw fileError(error, root);
  }
  for (const name of names.sort()) {
    if (name.startsWith(STAGE_PREFIX) && name.endsWith(SUFFIX)) {
      yield { place: `${root}/${name}`, name };
    }
  }
}

function isBusy(place: string, name: string): boolean {
  const owner = ownerOf(name);
  if (owner === undefined) return !isOld(place, name);
  return open.has(place) || isOther(owner) && isRunning(owner);
}

function isOther(owner: number): boolean {
  return ownerOf(temporaryName("")) !== owner;
}

/** Whether what another machine began was given up. */
function isOld(place: string, name: string): boolean {
  try {
    const modified = Number(lstat(place).mtime / 1_000_000n);
    return isAbandoned(name, modified, Date.now());
  } catch {
    return true;
  }
}

function busy(place: string, name: string): DeltarError {
  const owner = ownerOf(name);
  return new DeltarError(
    "exists",
    `${owner === undefined ? "another machine" : `process ${owner}`} is ` +
      "restoring into this directory; wait for it, or remove this file if " +
      "that cannot be",
    { object: place },
  );
}

/** A torn journal was cut before any work began. */
function readData(place: string): JournalData {
  try {
    const data = JSON.parse(fs.readFileSync(place, "utf8"));
    return typeof data === "object" && data !== null ? data : {};
  } catch {
    return {};
  }
}
