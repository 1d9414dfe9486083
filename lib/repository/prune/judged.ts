import type { Storage } from "../../storage/storage.ts";
import { isCount } from "../../bytes/is_count.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import { idOfNote, isId, JUDGED, noteName } from "../format/names.ts";
import { deleteEach, namesUnder, readEach, timeOf } from "../format/note.ts";

/**
 * The counted snapshots of one directory of one machine. {@linkcode Judged}
 * explains which snapshots are counted.
 */
export interface JudgedGroup {
  /** The recorded times of the snapshots, in milliseconds since 1970, by id. */
  times: Map<string, number>;
  /**
   * The largest number of snapshots of the directory within 24 hours. Later
   * prunes consider this number usual. The snapshots of the 24 hours before the
   * newest snapshot are included only if the user accepted them as usual. 0 for
   * safety snapshots.
   */
  busiest: number;
}

/**
 * The list of the snapshots to which a prune applied its rules (the counted
 * snapshots). Later prunes use it to recognize late and unusual snapshots. The
 * keys of the maps are those of `byDirectory`.
 */
export interface Judged {
  /** The ordinary snapshots, by directory and machine. */
  taken: Map<string, JudgedGroup>;
  /** The safety snapshots, by directory and machine. */
  saved: Map<string, JudgedGroup>;
}

/** The lists that earlier prunes stored. */
export interface StoredJudged {
  /** The lists. An interrupted prune can leave more than one. */
  lists: Judged[];
  /** The names of the objects that store the lists, in the order of `lists`. */
  names: string[];
  /** The bytes of the objects that store the lists, in the order of `lists`. */
  bytes: Uint8Array[];
}

const FORMAT = "deltar-judged";
const VERSION = 1;

/**
 * Reads the lists that earlier prunes stored. Anyone who can write to the
 * repository can add a list. So the caller must count only snapshots that are
 * in all lists. Then an added list can only reduce the number of counted
 * snapshots.
 *
 * @throws {DeltarError} `corrupt` or `truncated` if a list is damaged, `limit`
 * if it is too large, `unsupported` if its version is newer.
 */
export async function readJudged(storage: Storage): Promise<StoredJudged> {
  const stored: StoredJudged = { lists: [], names: [], bytes: [] };
  const names = (await namesUnder(storage, JUDGED))
    .filter((name) => idOfNote(JUDGED, name) !== undefined);
  for await (const { name, bytes } of readEach(storage, names)) {
    stored.lists.push(decodeJudged(bytes, name));
    stored.names.push(name);
    stored.bytes.push(bytes);
  }
  return stored;
}

/**
 * Returns the snapshots that are in every group with the same time, as a map
 * from their ids to their times, in milliseconds since 1970.
 */
export function countedByAll(
  [first, ...others]: readonly JudgedGroup[],
): Map<string, number> {
  return new Map(
    [...first?.times ?? []].filter(([id, time]) =>
      others.every(({ times }) => times.get(id) === time)
    ),
  );
}

/**
 * Stores the list of a prune and deletes the earlier lists. Does nothing if
 * there is only one earlier list and it is identical.
 *
 * @param storage The repository's storage.
 * @param id The id of the prune.
 * @param judged The list of the prune.
 * @param earlier The earlier lists.
 */
export async function replaceJudged(
  storage: Storage,
  id: string,
  judged: Judged,
  { names, bytes: before }: StoredJudged,
): Promise<void> {
  const bytes = encodeLines(FORMAT, VERSION, {}, linesOf(judged));
  if (before.length === 1 && isEqual(before[0], bytes)) return;
  await storage.put(noteName(JUDGED, id), bytes, { ifAbsent: true });
  await deleteEach(storage, names);
}

function* linesOf({ taken, saved }: Judged): Generator<Line> {
  for (const [groups, isSaved] of [[taken, false], [saved, true]] as const) {
    for (const [group, { busiest, times }] of groups) {
      if (times.size === 0) continue;
      yield { group, ...isSaved ? { safety: true } : { busiest } };
      for (const [id, time] of times) {
        yield { id, time: new Date(time).toISOString() };
      }
    }
  }
}

function decodeJudged(bytes: Uint8Array, object: string): Judged {
  const judged: Judged = { taken: new Map(), saved: new Map() };
  let times: Map<string, number> | undefined;
  for (
    const [line, offset] of decodeLines(bytes, FORMAT, VERSION, object).lines
  ) {
    const { group, safety = false, busiest = 0, id, time } = line;
    if (
      typeof group === "string" && typeof safety === "boolean" &&
      isCount(busiest)
    ) {
      times = new Map();
      judged[safety ? "saved" : "taken"].set(group, { times, busiest });
    } else if (times !== undefined && isId(id)) {
      times.set(id, timeOf(time, object));
    } else {
      throw new DeltarError(
        "corrupt",
        "invalid line of a list of counted snapshots",
        { object, offset },
      );
    }
  }
  return judged;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
