import { readFileSync, renameSync, rmSync } from "node:fs";
import process from "node:process";
import {
  DeltarError,
  openStorage,
  Repository,
  type Storage,
} from "../../../mod.ts";
import {
  newIdentity,
  parseIdentities,
  recipientOf,
} from "../../../lib/age/mod.ts";
import type {
  AgeKey,
  KeyFor,
  RepositoryKeys,
} from "../../../lib/repository/mod.ts";
import { truePlace } from "../../../lib/tree/mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import { locationSum } from "../../../shared/location_sum.ts";
import { pin, pinFile, pinnedAt, replacedText } from "../../../shared/pins.ts";
import { identityFile } from "../../../shared/user_folder.ts";
import type { EncryptionState, FolderConfig } from "../shared/protocol.ts";
import { thisMachine } from "./machine.ts";
import { RepositoryDraft } from "./repository_draft.ts";

/** Opens and creates the repositories of folders. */
export class Repositories {
  /**
   * The identities of each encrypted repository that was opened, by the
   * checksum of its location and the user's keys, as JSON. The identities are
   * kept, because decrypting them with a passphrase takes about a second.
   */
  readonly #identities = new Map<string, readonly string[]>();
  /**
   * The encrypted repositories that are not stored yet, by the checksums of
   * their locations.
   */
  readonly #drafts = new Map<string, RepositoryDraft>();

  /** Whether this thread has encrypted repositories that are not stored yet. */
  get hasDrafts(): boolean {
    return this.#drafts.size > 0;
  }

  /**
   * Opens the repository of a folder.
   *
   * @throws {DeltarError} `not-found` if the repository does not exist, or if
   * it is on S3 and there are no access keys; `key` if it is encrypted and no
   * key of the user opens it; `mismatch` if this machine has used a different
   * encrypted repository at this location.
   */
  async open(config: FolderConfig): Promise<Repository> {
    const repository = await this.tryOpen(config);
    if (repository !== undefined) return repository;
    throw new DeltarError(
      "not-found",
      "repository not found; take a snapshot to create it, or check the " +
        "setting deltar.repository.location",
      { object: config.repository },
    );
  }

  /**
   * Opens a repository without recording that this machine has used it, because
   * it might not become the repository of the folder.
   *
   * @throws {DeltarError} As `open` does.
   */
  async peek(config: FolderConfig): Promise<Repository> {
    return await this.#open(storageOf(config), config, { isPinned: false });
  }

  /**
   * Opens the repository of a folder. Returns `undefined` if the repository
   * does not exist.
   *
   * @throws {DeltarError} The other errors of `open`.
   */
  async tryOpen(config: FolderConfig): Promise<Repository | undefined> {
    // This call is outside of the `try` block, because its error for missing
    // credentials also has the code `not-found`.
    const storage = storageOf(config);
    try {
      return await this.#open(storage, config);
    } catch (error) {
      if (codeOf(error) === "not-found") return undefined;
      throw withLocation(error, config);
    }
  }

  /**
   * Opens the repository of a folder. If the repository does not exist, creates
   * it without encryption.
   *
   * @throws {UncreatedError} If the repository does not exist and will be
   *   encrypted.
   * @throws {DeltarError} `not-found` if this machine has used an encrypted
   * repository at this location and that repository is missing; the other
   * errors of `open`.
   */
  async openOrCreate(config: FolderConfig): Promise<Repository> {
    const repository = await this.tryOpen(config);
    if (repository !== undefined) return repository;
    const storage = storageOf(config);
    checkNotLost(storage, config);
    if (config.encrypt) throw new UncreatedError();
    try {
      const machine = await thisMachine();
      return await Repository.create(storage, { machine });
    } catch (error) {
      if (codeOf(error) !== "exists") throw withLocation(error, config);
      // Another process, such as another window of VS Code, has created the
      // repository in the meantime.
      return await this.#open(storage, config);
    }
  }

  /** Returns the state of the encryption of a folder's repository. */
  async encryption(config: FolderConfig): Promise<EncryptionState> {
    try {
      const repository = await this.tryOpen(config);
      if (repository !== undefined) {
        return repository.keys === undefined ? "plain" : "unlocked";
      }
      checkNotLost(storageOf(config), config);
      return config.encrypt ? "uncreated" : "plain";
    } catch (error) {
      if (codeOf(error) === "key") return "locked";
      throw error;
    }
  }

  /**
   * Returns the draft of a new encrypted repository for a folder. Until
   * `create` has stored the repository, each call returns the same draft.
   */
  async draft(config: FolderConfig): Promise<RepositoryDraft> {
    const place = placeOf(storageOf(config), config);
    const known = this.#drafts.get(place);
    if (known !== undefined) return known;
    const { first, made } = await firstKey(config);
    const draft = await RepositoryDraft.make(first, made);
    this.#drafts.set(place, draft);
    return draft;
  }

  /**
   * Returns the id and the keys of the repository of a folder, or of its draft
   * if the repository does not exist.
   *
   * @throws {DeltarError} `unsupported` if the repository is not encrypted.
   */
  async keysOf(
    config: FolderConfig,
  ): Promise<{ id: string; keys: RepositoryKeys }> {
    const { id, keys } = await this.tryOpen(config) ?? await this.draft(config);
    if (keys !== undefined) return { id, keys };
    throw new DeltarError(
      "unsupported",
      "the repository is not encrypted, so it has no keys",
      { object: config.repository },
    );
  }

  /**
   * Stores the draft of an encrypted repository at the location of the folder's
   * repository.
   *
   * @param id The id of the draft that `draft` returned.
   * @throws {DeltarError} `not-found` if there is no draft with this id, for
   *   example because the thread was restarted; `exists` if there is another
   *   repository at this location.
   */
  async create(config: FolderConfig, id: string): Promise<void> {
    const storage = storageOf(config);
    const place = placeOf(storage, config);
    const draft = this.#drafts.get(place);
    if (draft?.id !== id) {
      throw new DeltarError(
        "not-found",
        "the new repository was not stored, because the thread that " +
          "prepared it has ended; try again",
        { object: config.repository },
      );
    }
    try {
      await draft.store(storage);
    } catch (error) {
      if (codeOf(error) === "exists") this.#drafts.delete(place);
      throw withLocation(error, config);
    }
    pinKeys(place, draft.keys);
    this.#drafts.delete(place);
  }

  /**
   * Moves a repository on this machine to another path. Also moves the pin of
   * the repository, if there is one.
   */
  move(from: FolderConfig, to: FolderConfig): void {
    const [old, place] = [from, to].map((config) =>
      placeOf(storageOf(config), config)
    );
    const known = pinnedAt(old);
    renameSync(from.repository, to.repository);
    if (known?.admin !== undefined) {
      pin(place, { ...known, admin: known.admin });
    }
    rmSync(pinFile(old), { force: true });
  }

  async #open(
    storage: Storage,
    config: FolderConfig,
    { isPinned = true }: { isPinned?: boolean } = {},
  ): Promise<Repository> {
    const place = placeOf(storage, config);
    const known = pinnedAt(place);
    let own: AgeKey[] = [];
    const nameOfKeys = () => JSON.stringify([place, own]);
    let repository: Repository;
    try {
      repository = await Repository.open(storage, {
        keys: async () => {
          own = await ownKeys(config);
          const known = this.#identities.get(nameOfKeys()) ??
            config.identities ?? [];
          return [...known, ...own];
        },
        recipient: known?.recipient,
        admin: known?.admin,
        id: known?.id,
        machine: await thisMachine(),
      });
    } catch (error) {
      if (codeOf(error) === "mismatch" && known !== undefined) {
        const text = replacedText(place, (error as Error).message);
        throw new DeltarError("mismatch", text, { cause: error });
      }
      throw codeOf(error) === "key" ? keyError(error, storage, own) : error;
    }
    const { keys } = repository;
    if (keys === undefined) return repository;
    if (isPinned && known?.id === undefined) pinKeys(place, keys);
    this.#identities.set(nameOfKeys(), keys.identities());
    return repository;
  }
}

/**
 * Returns the error for a repository that no key opened. The message does not
 * contain the location, because a long location would hide the reason in a
 * narrow view. Returns `cause` if it is about something else, such as the
 * identity file.
 */
function keyError(
  cause: unknown,
  { location }: Storage,
  own: readonly AgeKey[],
): unknown {
  if (!(cause instanceof DeltarError) || cause.object !== location) {
    return cause;
  }
  const reason = own.length === 0
    ? "the repository is encrypted, and this machine has no key for it"
    : cause.message.slice(`${location}: `.length);
  return new DeltarError("key", reason, { cause });
}

/**
 * The error for a folder with an encrypted repository that has not been created
 * yet.
 */
export class UncreatedError extends Error {
  /** The code of the error, as the extension host receives it. */
  readonly code = "uncreated";

  constructor() {
    super(
      "the new encrypted repository has no recovery sheet or passphrase yet, " +
        "so no snapshots are taken",
    );
  }
}

/**
 * Checks that this machine has not used an encrypted repository at a location
 * where there is no repository now.
 *
 * @throws {DeltarError} `not-found` if this machine has used one. In that case,
 * the caller must not create a new repository, because the old one might be on
 * a disk that is not mounted.
 */
function checkNotLost(storage: Storage, config: FolderConfig): void {
  const place = placeOf(storage, config);
  if (pinnedAt(place) === undefined) return;
  throw new DeltarError(
    "not-found",
    "the encrypted repository that was here is missing. If its disk is not " +
      "mounted, mount it. If you deleted the repository, delete " +
      `${pinFile(place)} so that a new one can be created`,
    { object: config.repository },
  );
}

/** Returns the user's keys for the repository of a folder. */
async function ownKeys({ key }: FolderConfig): Promise<AgeKey[]> {
  if (key === undefined) return await fileIdentities();
  // The identity is checked here, because the library's error for an invalid
  // identity contains no advice.
  return typeof key === "string" ? await parseIdentities(key) : [key];
}

/**
 * Returns the identities in the identity file of the deltar command. If
 * `DELTAR_IDENTITY` is not set and the default file does not exist, returns an
 * empty list.
 *
 * @throws {DeltarError} `key` if the file cannot be read or is invalid.
 */
async function fileIdentities(): Promise<string[]> {
  const file = identityFile();
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const isNone = codeOf(cause) === "ENOENT" && !process.env.DELTAR_IDENTITY;
    if (isNone) return [];
    const { message } = cause as Error;
    throw new DeltarError("key", `cannot read the identity: ${message}`, {
      object: file,
      cause,
    });
  }
  return await parseIdentities(text, file);
}

/**
 * Returns the first key of a new repository as `first`. The key is for the
 * user's own identity or passphrase. If the user has neither, the key is for a
 * new identity, which is returned as `made`.
 */
async function firstKey(
  config: FolderConfig,
): Promise<{ first: KeyFor; made?: string }> {
  const name = "vscode";
  const { key } = config;
  if (typeof key === "object") return { first: { name, to: key } };
  const [own] = key === undefined ? await fileIdentities() : [key];
  if (own !== undefined) {
    return { first: { name, to: await recipientOf(own) } };
  }
  const made = await newIdentity();
  return { first: { name, to: await recipientOf(made) }, made };
}

/**
 * Stores the pin of an encrypted repository.
 *
 * @param place The checksum of the repository's location.
 */
function pinKeys(place: string, keys: RepositoryKeys): void {
  const { id, adminPublicKey: admin } = keys;
  pin(place, { recipient: keys.sum(), admin, id });
}

/**
 * Returns the checksum of the location of a repository, which is the name of
 * the repository's pin.
 */
function placeOf(
  { location, localPath }: Storage,
  { env = {} }: FolderConfig,
): string {
  const isHere = localPath !== undefined;
  return locationSum(isHere ? truePlace(location) : location, env);
}

/**
 * Returns an error of code `io` with the location of the repository added,
 * unless the message already contains the location. Returns any other error as
 * it is.
 */
function withLocation(
  cause: unknown,
  { repository: object }: FolderConfig,
): unknown {
  if (!(cause instanceof DeltarError) || cause.code !== "io") return cause;
  if (cause.message.includes(object)) return cause;
  return new DeltarError("io", cause.message, { object, cause });
}

function storageOf({ repository, env }: FolderConfig): Storage {
  try {
    return openStorage(repository, env);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new DeltarError(
      "unsupported",
      `${cause.message}; check the setting deltar.repository.location`,
      { cause },
    );
  }
}
