import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { collectAtMost } from "../../bytes/source.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { GetOptions, Storage } from "../../storage/storage.ts";
import { mostBytesOf } from "./names.ts";
import { parseTime } from "./moment.ts";

/**
 * Reads an object, such as a record, a note, an intent or a move, completely
 * into memory. Returns its bytes.
 *
 * @param storage The repository's storage.
 * @param name The name of the object.
 * @param options The options of `Storage.get`.
 * @throws {DeltarError} `limit` if the object is larger than the maximum for
 * its folder; also the errors of the storage.
 */
export function readObject(
  storage: Storage,
  name: string,
  options?: GetOptions,
): Promise<Uint8Array> {
  return collectAtMost(storage.get(name, options), mostBytesOf(name), name);
}

/**
 * Reads an object completely into memory. Returns its bytes, or `undefined` if
 * the storage reports that the object does not exist.
 *
 * @param storage The repository's storage.
 * @param name The name of the object.
 * @throws {DeltarError} `limit` if the object is larger than the maximum for
 * its folder; also the other errors of the storage.
 */
export async function readIfThere(
  storage: Storage,
  name: string,
): Promise<Uint8Array | undefined> {
  try {
    return await readObject(storage, name, { fresh: true });
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") {
      return undefined;
    }
    throw error;
  }
}

/**
 * Reads the given objects, several of them at the same time. Yields each object
 * that exists, with its bytes, in the order of the names.
 *
 * @param storage The repository's storage.
 * @param names The names of the objects.
 * @throws {DeltarError} The errors of `readIfThere`.
 */
export async function* readEach(
  storage: Storage,
  names: Iterable<string>,
): AsyncGenerator<{ name: string; bytes: Uint8Array }> {
  const limits = { most: MAX_REQUESTS_AT_ONCE };
  const objects = mapAhead(names, limits, async (name) => {
    return { name, bytes: await readIfThere(storage, name) };
  });
  for await (const { name, bytes } of objects) {
    if (bytes !== undefined) yield { name, bytes };
  }
}

/** Returns whether an object exists, without reading it. */
export async function isStored(
  storage: Storage,
  name: string,
): Promise<boolean> {
  for await (const object of storage.list(name)) {
    if (object.name === name) return true;
  }
  return false;
}

/**
 * Returns whether an object exists, even if it is damaged or cannot be
 * decrypted. Reads the first byte of the object, because a listing can be
 * incomplete or out of date.
 *
 * @param storage The repository's storage.
 * @param name The name of the object.
 * @throws {DeltarError} The errors of the storage, such as `io`, if they do not
 * show whether the object exists.
 */
export async function canBeFound(
  storage: Storage,
  name: string,
): Promise<boolean> {
  const first = { offset: 0, length: 1, clamp: true, fresh: true };
  try {
    await collectAtMost(storage.get(name, first), 1, name);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "not-found") return false;
    if (code === "key" || isDamage(error)) return true;
    throw error;
  }
}

/** Deletes objects, several of them at the same time. */
export async function deleteEach(
  storage: Storage,
  names: Iterable<string>,
): Promise<void> {
  await forEachConcurrent(
    names,
    MAX_REQUESTS_AT_ONCE,
    (name) => storage.delete(name),
  );
}

/** Returns the sorted names of the objects whose names begin with a prefix. */
export async function namesUnder(
  storage: Storage,
  prefix: string,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(prefix)) names.push(name);
  return names.sort();
}

/**
 * Returns the time of a note or record, in milliseconds since 1970.
 *
 * @param value The field with the time, which must be a string in RFC 3339
 * format.
 * @param object The name of the note or record, for error messages.
 * @throws {DeltarError} `corrupt` if the value is not a string in this format,
 * or the time is not plausible.
 */
export function timeOf(value: unknown, object: string): number {
  const time = parseTime(value);
  if (time === undefined) {
    const what = typeof value === "string"
      ? `the time ${
        JSON.stringify(value.slice(0, 40))
      } is not in RFC 3339 format or is not plausible`
      : "the time is missing or not a string";
    throw new DeltarError("corrupt", what, { object });
  }
  return time;
}
