import type { CodecName } from "../../archive/codec.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { readObject } from "./note.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { idOfRecord, SETTINGS } from "./names.ts";

const FORMAT = "deltar-repository";
const VERSION = 1;

/** The settings in `deltar.json`, which never change. */
export interface Settings {
  /** The repository's own id. */
  id: string;
  /** The compression of the repository. */
  codec: CodecName;
}

/** Returns settings as the bytes of their object. */
export function encodeSettings({ id, codec }: Settings): Uint8Array {
  return encodeLines(FORMAT, VERSION, { id, codec }, []);
}

/**
 * Reads a repository's settings. Every field is validated.
 *
 * @throws {DeltarError} `not-found` if there is no settings object, `corrupt`
 * or `truncated` if the object is damaged, `limit` if it is too large,
 * `unsupported` if its version is newer.
 */
export async function readSettings(storage: Storage): Promise<Settings> {
  const bytes = await readObject(storage, SETTINGS);
  const { header } = decodeLines(bytes, FORMAT, VERSION, SETTINGS);
  const { id, codec } = header;
  // The id becomes part of file names on this machine.
  if (
    typeof id !== "string" || !/^[\w-]{1,64}$/.test(id) ||
    (codec !== "gzip" && codec !== "zstd")
  ) {
    throw new DeltarError("corrupt", "missing or invalid `id` or `codec`", {
      object: SETTINGS,
    });
  }
  return { id, codec };
}

/**
 * Returns settings for a repository whose settings object is lost, based on the
 * names of its other objects. The id is `settings-lost`, which no repository
 * has.
 *
 * @returns The settings; `undefined` if the storage has no snapshot, because it
 * is then not a repository.
 */
export async function guessSettings(
  storage: Storage,
): Promise<Settings | undefined> {
  let codec: CodecName = "zstd";
  let isRepository = false;
  for await (const { name } of storage.list()) {
    if (idOfRecord(name) !== undefined) isRepository = true;
    if (/^trees\/.*\.gz$/.test(name)) codec = "gzip";
  }
  return isRepository ? { id: "settings-lost", codec } : undefined;
}
