import { DeltarError } from "../../bytes/errors.ts";
import type { GetOptions, Storage } from "../../storage/storage.ts";
import { moveName } from "../format/names.ts";
import { decodeMove, findMoved, type Move } from "./move.ts";
import { readIfThere } from "../format/note.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";

/**
 * The maximum number of moves that are followed, one after the other. A longer
 * sequence of moves is treated as a loop.
 */
export const MAX_MOVES = 64;

/**
 * Returns a storage that follows moves: it reads ranges of repacked volumes
 * from the volumes that replaced them. Reading other volumes takes no extra
 * requests, because the storage searches for a move only if the volume is
 * missing.
 */
export function followMoves(storage: Storage): Storage {
  const known = new Map<string, Move>();

  async function* get(
    name: string,
    options: GetOptions = {},
    depth = 0,
  ): AsyncGenerator<Uint8Array> {
    let given = 0;
    let move = known.get(name);
    if (move === undefined) {
      try {
        for await (const part of storage.get(name, options)) {
          given += part.length;
          yield part;
        }
        return;
      } catch (error) {
        // The volume may have been deleted while it was read. The remaining
        // bytes are then read from the volume that replaced it.
        move = await find(name, error);
        if (options.length === undefined || move === undefined) throw error;
        known.set(name, move);
      }
    }
    const { offset = 0, length = 0, signal } = options;
    const start = findMoved(move, offset, length);
    if (start === undefined || depth === MAX_MOVES) {
      const what = start === undefined
        ? "the volume was repacked without this range"
        : `the volume was repacked more than ${MAX_MOVES} times`;
      throw new DeltarError("not-found", what, { object: name, offset });
    }
    const rest = { offset: start + given, length: length - given, signal };
    yield* get(move.to.name, rest, depth + 1);
  }

  async function find(name: string, error: unknown): Promise<Move | undefined> {
    if (!(error instanceof DeltarError) || error.code !== "not-found") {
      return undefined;
    }
    return await readMove(storage, name);
  }

  return {
    location: storage.location,
    get: (name, options) => get(name, options),
    put: (name, source, options) => storage.put(name, source, options),
    list: (prefix) => storage.list(prefix),
    delete: (name) => storage.delete(name),
  };
}

/**
 * Returns the move of a volume, or `undefined` if there is none.
 *
 * @param storage The repository's storage.
 * @param volume The name of the volume.
 * @throws {DeltarError} `corrupt` or `truncated` if the move is damaged,
 * `limit` if it is too large, `unsupported` if its version is too new; also the
 * errors of the storage.
 */
export async function readMove(
  storage: Storage,
  volume: string,
): Promise<Move | undefined> {
  const object = moveName(volume);
  const bytes = await readIfThere(storage, object);
  if (bytes === undefined) return undefined;
  const move = decodeMove(bytes, object);
  if (move.from.name === volume) return move;
  throw new DeltarError(
    "corrupt",
    `the move belongs to another volume: ${move.from.name}`,
    {
      object,
    },
  );
}

/**
 * Returns the name, size and SHA-256 of the object that contains the needed
 * frames of a volume: the volume itself, if it exists, or the first existing
 * volume to which moves lead from it. If there is no such object, returns
 * `volume`.
 *
 * @param has Called with the name and the size in bytes of an object. Returns
 * whether the object exists.
 */
export async function whereIs(
  storage: Storage,
  volume: ObjectRecord,
  has: (name: string, size: number) => boolean,
): Promise<ObjectRecord> {
  let place = volume;
  for (let depth = 0; depth < MAX_MOVES; depth++) {
    if (has(place.name, place.size)) break;
    const move = await readMove(storage, place.name);
    if (move === undefined) return volume;
    place = move.to;
  }
  return place;
}
