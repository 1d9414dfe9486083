import {
  DeltarError,
  openStorage,
  Repository,
  type Storage,
} from "../../mod.ts";
import type { Place } from "./protocol.ts";

/**
 * The repository of a place.
 *
 * @throws {DeltarError} `not-found` if nothing was ever kept there.
 */
export async function openRepository(place: Place): Promise<Repository> {
  const storage = storageOf(place);
  try {
    return await Repository.open(storage);
  } catch (cause) {
    if (codeOf(cause) !== "not-found") throw withLocation(cause, place);
    const object = place.repository;
    throw new DeltarError("not-found", "there are no snapshots here", {
      object,
      cause,
    });
  }
}

/** The repository of a place, or nothing if there is none yet. */
export async function tryRepository(
  place: Place,
): Promise<Repository | undefined> {
  // Outside: missing keys are no missing repository.
  const storage = storageOf(place);
  try {
    return await Repository.open(storage);
  } catch (error) {
    if (codeOf(error) === "not-found") return undefined;
    throw withLocation(error, place);
  }
}

/** The repository of a place, made if there is none. */
export async function openOrCreate(place: Place): Promise<Repository> {
  const repository = await tryRepository(place);
  if (repository !== undefined) return repository;
  try {
    return await Repository.create(storageOf(place));
  } catch (error) {
    if (codeOf(error) !== "exists") throw withLocation(error, place);
    // Another window was quicker.
    return await Repository.open(storageOf(place));
  }
}

/** Returns a fault of the system with the location that it is of. */
function withLocation(cause: unknown, { repository: object }: Place): unknown {
  if (!(cause instanceof DeltarError) || cause.code !== "io") return cause;
  return new DeltarError("io", cause.message, { object, cause });
}

function storageOf({ repository, env }: Place): Storage {
  return openStorage(repository, env);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof DeltarError ? error.code : undefined;
}
