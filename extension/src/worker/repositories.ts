import {
  DeltarError,
  openStorage,
  Repository,
  type Storage,
} from "../../../mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import type { FolderConfig } from "../shared/protocol.ts";

/**
 * Opens the repository of a folder.
 *
 * @throws {DeltarError} `not-found` if the repository does not exist, or if it is
 * on S3 and there are no credentials; other errors of `Repository.open`.
 */
export async function openRepository(
  config: FolderConfig,
): Promise<Repository> {
  const storage = storageOf(config);
  try {
    return await Repository.open(storage);
  } catch (cause) {
    if (codeOf(cause) !== "not-found") throw withLocation(cause, config);
    const object = config.repository;
    throw new DeltarError(
      "not-found",
      "repository not found; take a snapshot to create it, or check the setting " +
        "deltar.repository.location",
      {
        object,
        cause,
      },
    );
  }
}

/**
 * Opens the repository of a folder. Returns `undefined` if the repository does
 * not exist.
 */
export async function tryRepository(
  config: FolderConfig,
): Promise<Repository | undefined> {
  // This is outside of `try`, because missing credentials do not mean a missing
  // repository.
  const storage = storageOf(config);
  try {
    return await Repository.open(storage);
  } catch (error) {
    if (codeOf(error) === "not-found") return undefined;
    throw withLocation(error, config);
  }
}

/** Opens the repository of a folder, or creates it. */
export async function openOrCreate(config: FolderConfig): Promise<Repository> {
  const repository = await tryRepository(config);
  if (repository !== undefined) return repository;
  try {
    return await Repository.create(storageOf(config));
  } catch (error) {
    if (codeOf(error) !== "exists") throw withLocation(error, config);
    // Another window has created the repository in the meantime.
    return await Repository.open(storageOf(config));
  }
}

/**
 * Returns an error of code `io` with the location of the repository added.
 * Returns any other error as it is.
 */
function withLocation(
  cause: unknown,
  { repository: object }: FolderConfig,
): unknown {
  if (!(cause instanceof DeltarError) || cause.code !== "io") return cause;
  return new DeltarError("io", cause.message, { object, cause });
}

function storageOf({ repository, env }: FolderConfig): Storage {
  return openStorage(repository, env);
}
