import { DeltarError } from "../../bytes/errors.ts";
import { isName } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import { isCount } from "../../bytes/is_count.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import {
  GARBAGE,
  idOfNote,
  idOfObject,
  MOVES,
  noteName,
} from "../format/names.ts";
import { namesUnder, readEach, timeOf } from "../format/note.ts";

/** An object that nothing refers to. */
export interface GarbageLine {
  /** The name of the object. */
  name: string;
  /**
   * The time at which a prune first found that nothing refers to the object, in
   * milliseconds since 1970.
   */
  since: number;
  /**
   * Whether a prune is deleting the object, or rewriting it without the frames
   * that are not needed.
   */
  condemned: boolean;
}

/** A run that a prune found, with its heartbeat count. */
export interface SeenRun {
  /** The run's id. */
  running: string;
  /** The heartbeat count of the run. */
  count: number;
  /**
   * The time at which a prune first saw this count, in milliseconds since 1970.
   */
  since: number;
}

/** The findings that a prune stores for later prunes. */
export interface Mark {
  /** The time of the mark, in milliseconds since 1970. */
  time: number;
  /** The objects that nothing refers to. */
  objects: GarbageLine[];
  /** The runs that the prune found. */
  runs: SeenRun[];
  /** The ids of purged snapshots whose objects may still exist. */
  purged: string[];
  /**
   * The leap that made the prune distrust the clock, in milliseconds. Absent if
   * the clock was trusted. `MAX_LEAP_MS` in `../prune/clock.ts` explains leaps.
   */
  leap?: number;
}

const FORMAT = "deltar-garbage";
const VERSION = 1;

/**
 * Stores the mark of a prune. The name of the mark contains the id of the
 * prune.
 *
 * @param storage The repository's storage.
 * @param id The id of the prune.
 * @param mark The findings of the prune.
 */
export async function putMark(
  storage: Storage,
  id: string,
  { time, objects, runs, purged, leap }: Mark,
): Promise<void> {
  const text = (since: number) => new Date(since).toISOString();
  const lines: Line[] = [
    ...objects.map(({ name, since, condemned }) => ({
      name,
      since: text(since),
      ...condemned && { condemned },
    })),
    ...runs.map((run) => ({ ...run, since: text(run.since) })),
  ];
  const header = {
    time: text(time),
    ...purged.length > 0 && { purged },
    ...leap !== undefined && { leap },
  };
  const bytes = encodeLines(FORMAT, VERSION, header, lines);
  await storage.put(noteName(GARBAGE, id), bytes, { ifAbsent: true });
}

/**
 * Reads the marks of earlier prunes. If several marks list the same object, the
 * caller must use the earliest `since` of this object.
 *
 * @param storage The repository's storage.
 * @param listed The names of all objects in `garbage/`, if the caller has just
 * listed them.
 * @returns The marks, and their names in the same order.
 *
 * @throws {DeltarError} `corrupt` or `truncated` if a mark is damaged, `limit`
 * if a mark is too large, `unsupported` if the version of a mark is newer.
 */
export async function readMarks(
  storage: Storage,
  listed?: readonly string[],
): Promise<{ names: string[]; marks: Mark[] }> {
  const names: string[] = [];
  const marks: Mark[] = [];
  const all = (listed ?? await namesUnder(storage, GARBAGE))
    .filter((name) => idOfNote(GARBAGE, name) !== undefined);
  for await (const { name, bytes } of readEach(storage, all)) {
    names.push(name);
    marks.push(decodeMark(bytes, name));
  }
  return { names, marks };
}

/**
 * Returns whether a prune is deleting or rewriting objects that one of the
 * given runs wrote.
 *
 * @param storage The repository's storage.
 * @param ids The ids of the runs.
 */
export async function isCondemned(
  storage: Storage,
  ids: readonly string[],
): Promise<boolean> {
  const { marks } = await readMarks(storage);
  return marks.some(({ objects }) =>
    objects.some(({ name, condemned }) => condemned && isOfRun(name, ids))
  );
}

/**
 * Returns whether a prune has repacked a volume of one of the given runs.
 *
 * @param storage The repository's storage.
 * @param ids The ids of the runs.
 */
export async function isMoved(
  storage: Storage,
  ids: readonly string[],
): Promise<boolean> {
  const names = await namesUnder(storage, MOVES);
  return names.some((name) => isOfRun(name, ids));
}

function isOfRun(name: string, ids: readonly string[]): boolean {
  return ids.includes(idOfObject(name) ?? "");
}

function decodeMark(bytes: Uint8Array, object: string): Mark {
  const { header, lines } = decodeLines(bytes, FORMAT, VERSION, object);
  const mark: Mark = {
    time: timeOf(header.time, object),
    objects: [],
    runs: [],
    purged: Array.isArray(header.purged)
      ? header.purged.filter((id) => typeof id === "string")
      : [],
    ...isCount(header.leap) && { leap: header.leap },
  };
  for (const [line, offset] of lines) {
    const since = timeOf(line.since, object);
    const { name, condemned = false, running, count } = line;
    if (typeof running === "string" && isCount(count)) {
      mark.runs.push({ running, count, since });
    } else if (isName(name) && typeof condemned === "boolean") {
      mark.objects.push({ name, since, condemned });
    } else {
      throw new DeltarError("corrupt", "invalid line in a garbage mark", {
        object,
        offset,
      });
    }
  }
  return mark;
}
