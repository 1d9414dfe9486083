import type { CodecName } from "../../archive/codec.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { readObject } from "./note.ts";
import { withoutAge } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { idOfRecord, SETTINGS } from "./names.ts";

const FORMAT = "deltar-repository";
const VERSION = 1;
/** The version of the settings of an encrypted repository. */
const ENCRYPTED_VERSION = 2;

/**
 * The id that is used in place of the real id if the settings of a repository
 * are lost. No repository is created with this id.
 */
export const LOST_ID = "settings-lost";

/**
 * The settings in `deltar.json`. They never change. If they are lost or
 * damaged, a repair writes them again.
 */
export interface Settings {
  /** The id of the repository. */
  id: string;
  /** The compression of the repository. */
  codec: CodecName;
  /**
   * The encryption of the objects. Absent if the objects are not encrypted.
   * `recipient` is the SHA-256 of the recipient, in hexadecimal. It is absent
   * if the recipient is not known.
   */
  encryption?: { kind: "age"; recipient?: string };
}

/** Encodes the settings of a repository. */
export function encodeSettings(
  { id, codec, encryption }: Settings,
): Uint8Array {
  return encryption === undefined
    ? encodeLines(FORMAT, VERSION, { id, codec }, [])
    : encodeLines(FORMAT, ENCRYPTED_VERSION, { id, codec, encryption }, []);
}

/**
 * Reads a repository's settings and validates every field.
 *
 * @throws {DeltarError} `not-found` if there is no settings object, `corrupt`
 * or `truncated` if the object is damaged, `limit` if it is too large,
 * `unsupported` if its version is too new or its encryption is unknown; also
 * the errors of the storage.
 */
export async function readSettings(storage: Storage): Promise<Settings> {
  const bytes = await readObject(storage, SETTINGS);
  const { header } = decodeLines(bytes, FORMAT, ENCRYPTED_VERSION, SETTINGS);
  const { id, codec, encryption } = header;
  // The id becomes part of file names on this machine, so it must not contain
  // characters such as `/`.
  if (
    !isRepositoryId(id) ||
    (codec !== "gzip" && codec !== "zstd")
  ) {
    throw new DeltarError("corrupt", "missing or invalid `id` or `codec`", {
      object: SETTINGS,
    });
  }
  if (encryption === undefined) return { id, codec };
  const { kind, recipient } = (encryption ?? {}) as Record<string, unknown>;
  if (kind !== "age") {
    throw new DeltarError("unsupported", "unknown encryption; update deltar", {
      object: SETTINGS,
    });
  }
  if (recipient !== undefined && !isHex(recipient)) {
    throw new DeltarError("corrupt", "invalid SHA-256 of the recipient", {
      object: SETTINGS,
    });
  }
  return { id, codec, encryption: { kind, recipient } };
}

/**
 * Returns whether a value can be the id of a repository: 1 to 64 ASCII letters,
 * digits, `_` and `-`.
 */
export function isRepositoryId(value: unknown): value is string {
  return typeof value === "string" && /^[\w-]{1,64}$/.test(value);
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/**
 * Returns settings for a repository whose settings object is lost, based on the
 * names of its other objects. The id is `LOST_ID`.
 *
 * @returns The settings; `undefined` if the storage has no snapshots, because a
 * storage with neither settings nor snapshots is not a repository.
 */
export async function guessSettings(
  storage: Storage,
): Promise<Settings | undefined> {
  let codec: CodecName = "zstd";
  let isRepository = false;
  let isEncrypted = false;
  for await (const { name } of storage.list()) {
    const plain = withoutAge(name);
    if (idOfRecord(plain) !== undefined) {
      isRepository = true;
      isEncrypted ||= plain !== name;
    }
    if (/^trees\/.*\.gz$/.test(plain)) codec = "gzip";
  }
  if (!isRepository) return undefined;
  return {
    id: LOST_ID,
    codec,
    ...isEncrypted && { encryption: { kind: "age" } },
  };
}
