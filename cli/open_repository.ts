import { existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import {
  DeltarError,
  LocalStorage,
  openStorage,
  Repository,
  type Storage,
  withCache,
} from "../mod.ts";
import type { CodecName } from "../lib/archive/mod.ts";
import type { DamageHandler, RepositoryKeys } from "../lib/repository/mod.ts";
import type { Sharing } from "../lib/storage/mod.ts";
import { truePlace } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { pin, pinnedAt, replacedText } from "../shared/pins.ts";
import { isOfSettings, SETTINGS_ADVICE } from "./advice.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { DryRunStorage } from "./dry_run_storage.ts";
import { keyOf, lossAt, placeIsLost, rememberPlace } from "./known_places.ts";
import {
  absolute,
  cacheFolder,
  isFolder,
  locateFrom,
  placeSum,
} from "./location.ts";
import { thisMachine } from "./machine.ts";
import type { OpenedRepositories } from "./opened.ts";
import { type FirstKey, firstKey, ownKeys } from "./own_keys.ts";
import { shellWord } from "./text.ts";

/**
 * Returns the storage at a location, and adds the location to `opened`.
 *
 * @throws {DeltarError} `unsupported` if there is something other than a
 * directory at the location, or if the location is an invalid URL; `not-found`
 * if the location is on S3 and the environment has no credentials.
 */
export function storageAt(
  location: string,
  opened: OpenedRepositories,
): Storage {
  const other = isFolder(location) ? whatIsThere(location) : undefined;
  if (other !== undefined) {
    const what = `the location is ${other}, but a repository is a directory; ` +
      "choose another location";
    throw new DeltarError("unsupported", what, { object: location });
  }
  try {
    const storage = openStorage(location, process.env);
    opened.add(storage.location);
    return storage;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DeltarError("unsupported", error.message, { object: location });
  }
}

/**
 * Returns a description of what is at a location. Returns `undefined` for a
 * directory, or if nothing exists at the location.
 */
function whatIsThere(location: string): string | undefined {
  try {
    const stat = statSync(location);
    if (stat.isDirectory()) return undefined;
    return stat.isFile() ? "a file" : "a device, pipe or socket";
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    if (code === "ENOTDIR") return "inside a file";
    throw error;
  }
}

/** Options for opening a repository. */
export interface OpenOptions {
  /**
   * Called with the error if the settings of the repository are missing or
   * damaged. By default, the error is printed as a warning.
   */
  onDamage?: DamageHandler;
  /** Whether to read from the storage without the cache. */
  fresh?: boolean;
}

/**
 * Opens the repository that the user names, or else the repository of a
 * directory.
 *
 * @throws {DeltarError} `not-found` if the repository does not exist; and
 * the errors of `storageAt` and `openPinned`.
 */
export async function openRepository(
  context: Context,
  repo: string | undefined,
  place = ".",
  { onDamage, fresh = false }: OpenOptions = {},
): Promise<Repository> {
  const { location } = locateFrom(repo, absolute(place));
  const storage = storageAt(location, context.opened);
  const near = fresh ? storage : cached(location, storage);
  try {
    return await openPinned(context, near, {
      onDamage: onDamage ?? ((error) => warn(context, error)),
    });
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") {
      const loss = lossAt(storage.location);
      if (loss === "lost") throw placeIsLost(storage.location, error);
      throw new DeltarError(
        "not-found",
        (loss === "deleted"
          ? "the repository that was here was deleted or moved"
          : "no repository here") +
          ". Create one with `deltar snapshot`, or choose another with " +
          "`--repo`.",
        { object: storage.location, cause: error },
      );
    }
    throw error;
  }
}

/**
 * Opens a repository with the keys of the user. When this machine opens an
 * encrypted repository for the first time, records its recipient, admin key and
 * id, except in a dry run.
 *
 * @throws {DeltarError} `mismatch` if the repository is not the encrypted
 * repository that this machine has used at the location; and the errors
 * of `Repository.open` and `ownKeys`.
 */
async function openPinned(
  context: Context,
  storage: Storage,
  { isDryRun = false, ...options }: {
    onDamage?: DamageHandler;
    isDryRun?: boolean;
  } = {},
): Promise<Repository> {
  const kept = isDryRun ? undefined : context.kept?.get(storage);
  if (kept !== undefined) return kept;
  const place = keyOf(storage.location);
  const known = pinnedAt(place);
  let repository: Repository;
  try {
    repository = await Repository.open(storage, {
      ...options,
      keys: () => ownKeys(context),
      recipient: known?.recipient,
      admin: known?.admin,
      id: known?.id,
      machine: await thisMachine({ isDryRun }),
    });
  } catch (error) {
    if (known === undefined || codeOf(error) !== "mismatch") throw error;
    const text = replacedText(place, (error as Error).message);
    throw new DeltarError("mismatch", text, { cause: error });
  }
  const { keys } = repository;
  if (keys !== undefined && known?.id === undefined && !isDryRun) {
    pinKeys(place, keys);
  }
  if (!isDryRun) context.kept?.add(storage, repository);
  return repository;
}

/**
 * Records the recipient, the admin key and the id of an encrypted repository.
 */
function pinKeys(place: string, keys: RepositoryKeys): void {
  const { id, adminPublicKey: admin } = keys;
  pin(place, { recipient: keys.sum(), admin, id });
}

/**
 * Warns about missing or damaged settings. The command continues, because
 * snapshots can be restored without settings.
 */
function warn(context: Context, error: DeltarError): void {
  new Console(context, false).warn(`${error.message}; ${SETTINGS_ADVICE}`);
}

/** Returns the access that the group of a new repository's folder gets. */
export function sharingOf(
  options: { shared?: boolean; sharedWrite?: boolean },
): Sharing | undefined {
  return options.sharedWrite ? "write" : options.shared ? "read" : undefined;
}

/**
 * The maximum number of attempts to open a repository that has keys, but no
 * settings yet.
 */
const MAX_TRIES = 10;
/**
 * The pause between two attempts to open a repository that has no settings yet,
 * in milliseconds.
 */
const TRY_PAUSE_MS = 500;

/**
 * Adds the options for encrypting a new repository and for giving a group
 * access to it.
 */
export function addCreateOptions(command: Command): Command {
  return command
    .option(
      "--encrypt",
      "Encrypt a new repository with age (see `deltar help key`)",
    )
    .option("--shared", "Let the folder's group read a new repository")
    .option(
      "--shared-write",
      "Let the folder's group read and write a new repository",
    );
}

/** Options for opening or creating a repository. */
interface CreateOptions {
  /** The compression of a new repository. */
  codec?: CodecName;
  /** Whether to create a repository in place of a known one that is missing. */
  init?: boolean;
  /** The access that the group of a new repository's folder gets. */
  shared?: Sharing;
  /** Whether to encrypt a new repository. */
  encrypt?: boolean;
}

/**
 * Opens a repository, or creates one if the location does not exist or is
 * empty.
 *
 * @throws {DeltarError} `not-found` if a known repository is missing, for
 * example because its disk is not mounted, and `init` is not set; `exists` if
 * the location has files but no repository, if the creation of an encrypted
 * repository at the location was not finished, or if `encrypt` is set and the
 * existing repository is not encrypted; and the errors of `storageAt`,
 * `openPinned` and `firstKey`.
 */
export async function openOrCreate(
  context: Context,
  location: string,
  options: CreateOptions = {},
): Promise<Repository> {
  const storage = cached(location, storageAt(location, context.opened));
  const repository = await open(context, storage) ??
    await create(context, storage, options);
  if (options.encrypt && repository.keys === undefined) {
    throw new DeltarError(
      "exists",
      "the repository already exists and is not encrypted; create an " +
        "encrypted one at another location, and copy the snapshots with " +
        "`deltar copy`",
      { object: storage.location },
    );
  }
  rememberPlace(storage.location);
  return repository;
}

/**
 * Opens a repository for a dry run, without the cache. If the repository does
 * not exist, returns a new repository that exists only in memory. Writes
 * nothing, and records nothing on this machine.
 *
 * @returns The repository, and whether it is new.
 * @throws {DeltarError} `not-found` if a known repository is missing, for
 * example because its disk is not mounted, and `init` is not set; `exists` if
 * the location has files but no repository; and the errors of `storageAt` and
 * `openPinned`.
 */
export async function openForDryRun(
  context: Context,
  location: string,
  { init = false }: Pick<CreateOptions, "init">,
): Promise<{ repository: Repository; isNew: boolean }> {
  const storage = new DryRunStorage(storageAt(location, context.opened));
  const repository = await open(context, storage, true);
  if (repository !== undefined) return { repository, isNew: false };
  if (!init && lossAt(storage.location) === "lost") {
    throw placeIsLost(storage.location);
  }
  for await (const _ of storage.list()) throw notEmpty(storage.location);
  const machine = await thisMachine({ isDryRun: true });
  return {
    repository: await Repository.create(storage, { machine }),
    isNew: true,
  };
}

function notEmpty(object: string): DeltarError {
  return new DeltarError(
    "exists",
    "the location has files, but no repository; choose an empty or new " +
      "location",
    { object },
  );
}

/**
 * Opens a repository. Returns `undefined` if it does not exist. If only its
 * settings are missing, throws `not-found`.
 */
async function open(
  context: Context,
  storage: Storage,
  isDryRun = false,
): Promise<Repository | undefined> {
  try {
    return await openPinned(context, storage, { isDryRun });
  } catch (error) {
    const isNone = error instanceof DeltarError && error.code === "not-found" &&
      !isOfSettings(error);
    if (isNone) return undefined;
    throw error;
  }
}

async function create(
  context: Context,
  storage: Storage,
  { codec, init = false, shared, encrypt }: CreateOptions,
): Promise<Repository> {
  const { location } = storage;
  const loss = init ? "new" : lossAt(location);
  if (loss === "lost") throw placeIsLost(location);
  let hasKeys = false;
  for await (const { name } of storage.list()) {
    if (name.startsWith("keys/")) {
      hasKeys = true;
      continue;
    }
    // An interrupted creation can also leave manifests of keys.
    if (name.startsWith("manifests/keys/")) continue;
    const created = await open(context, storage);
    if (created !== undefined) return created;
    throw notEmpty(location);
  }
  if (hasKeys) return await openBegun(context, storage);
  if (isFolder(location) && isLinkToNothing(location)) {
    const mode = shared ? 0o777 : 0o700;
    mkdirSync(truePlace(location), { recursive: true, mode });
  }
  try {
    // If this machine has used an encrypted repository at this location, the
    // new one is encrypted even without `encrypt`.
    const place = keyOf(location);
    const isEncrypted = encrypt || pinnedAt(place) !== undefined;
    const first = isEncrypted ? await firstKey() : undefined;
    const repository = await Repository.create(storage, {
      codec,
      shared,
      encrypt: first?.key,
      machine: await thisMachine(),
    });
    if (repository.keys !== undefined) pinKeys(place, repository.keys);
    if (first !== undefined) noteKey(context, location, first);
    if (loss === "deleted") {
      new Console(context, false).warn(
        `${location}: the repository that was here was deleted or moved; ` +
          "created a new one",
      );
    }
    return repository;
  } catch (error) {
    if (!(error instanceof DeltarError && error.code === "exists")) throw error;
    // Another command created the repository first.
    return await openBegun(context, storage, error);
  }
}

/**
 * Opens a repository that another command is creating, as soon as it is
 * complete.
 *
 * @throws {DeltarError} `exists` if the repository is not complete after about
 * 5 seconds.
 */
async function openBegun(
  context: Context,
  storage: Storage,
  cause?: DeltarError,
): Promise<Repository> {
  for (let tried = 0; tried < MAX_TRIES; tried++) {
    const created = await open(context, storage);
    if (created !== undefined) return created;
    await pause(TRY_PAUSE_MS);
  }
  throw new DeltarError(
    "exists",
    "an encrypted repository is being created here, or its creation was " +
      "interrupted. If no other deltar process is running, delete the folder " +
      "keys/ and run the command again.",
    { object: storage.location, cause },
  );
}

/**
 * Prints which key opens a new encrypted repository, and how to add another way
 * to read the repository.
 */
function noteKey(
  context: Context,
  location: string,
  { from, isNew }: FirstKey,
): void {
  const key = `your ${
    isNew ? "new " : ""
  }key, ${from}, opens the new repository`;
  const isDefault = !process.env.DELTAR_REPOSITORY &&
    location === locateFrom(undefined, absolute(".")).location;
  const repo = isDefault ? "" : ` --repo ${shellWord(location)}`;
  new Console(context, false).note(
    `${key}. Nobody can read the repository without a key. To be able ` +
      "to read it if this key is lost, print a recovery sheet with " +
      `\`deltar key recovery-sheet${repo}\`, or add a passphrase with ` +
      `\`deltar key add paper${repo}\`.`,
  );
}

function isLinkToNothing(location: string): boolean {
  return !existsSync(location) &&
    lstatSync(location, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/**
 * Returns a remote storage with a cache in the user's cache folder. Returns a
 * local storage unchanged.
 */
function cached(location: string, storage: Storage): Storage {
  if (isFolder(location)) return storage;
  const folder = join(cacheFolder(), "objects", placeSum(storage.location));
  return withCache(storage, new LocalStorage(folder));
}
