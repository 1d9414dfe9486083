/**
 * The pins of encrypted repositories.
 *
 * At its first contact with an encrypted repository, this machine records the
 * checksum of the repository's recipient, the repository's public admin key,
 * and its id. Later, the machine refuses a repository at the same location that
 * has another recipient, admin key or id, or is not encrypted. Otherwise,
 * whoever controls the storage could replace the repository with one that they
 * can read, and the next snapshot would be encrypted for them.
 *
 * @module
 */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { codeOf } from "./error_code.ts";
import { replaceFile } from "./replace_file.ts";
import { userFolder } from "./user_folder.ts";

/**
 * Returns the path of the file with the pin of a location.
 *
 * @param key The checksum of the location or, if the location is a folder, of
 * the folder's path without symlinks.
 */
export function pinFile(key: string): string {
  return join(userFolder("state"), "pins", key);
}

/** The keys and the id that an encrypted repository at a location must have. */
export interface Pin {
  /** The SHA-256 of the recipient of the first identity, in hexadecimal. */
  recipient: string;
  /** The public admin key: `ssh-ed25519 AAAA…`; absent from older pins. */
  admin?: string;
  /** The id of the repository; absent from older pins. */
  id?: string;
}

/**
 * Returns the pin of a location, or `undefined` if this machine has not used an
 * encrypted repository there.
 */
export function pinnedAt(key: string): Pin | undefined {
  try {
    const text = readFileSync(pinFile(key), "utf8");
    const [recipient, admin, id] = text.trim().split("\n");
    return {
      recipient,
      ...admin !== undefined && { admin },
      ...id !== undefined && { id },
    };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Stores the pin of a location. A reader sees either the previous pin or the
 * whole new pin.
 */
export function pin(
  key: string,
  { recipient, admin, id }: Pin & { admin: string },
): void {
  const file = pinFile(key);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lines = [recipient, admin, ...id === undefined ? [] : [id], ""];
  replaceFile(file, lines.join("\n"), { mode: 0o600, flush: true });
}

/**
 * Returns the message about a repository that differs from its pin.
 *
 * @param key The checksum of the location.
 * @param what The difference, as a clause whose subject is "the repository".
 */
export function replacedText(key: string, what: string): string {
  return `${what}. Somebody might have replaced the repository. If you replaced it ` +
    `yourself, delete ${pinFile(key)}`;
}
