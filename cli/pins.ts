/**
 * The pins of encrypted repositories.
 *
 * At its first contact with an encrypted repository, this machine notes for
 * whom the repository is encrypted. Later it refuses a repository at the same
 * location that is encrypted for somebody else, or not at all. Otherwise whoever
 * controls the storage could replace the repository by one that they can read,
 * and the next snapshot would be stored for them.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { codeOf } from "../shared/error_code.ts";
import { keyOf } from "./known_places.ts";
import { userFolder } from "./location.ts";

/** Returns the file with the pin of a location. */
export function pinFile(location: string): string {
  return join(userFolder("state"), "pins", keyOf(location));
}

/**
 * Returns the SHA-256 of the recipient that a repository must have, or
 * `undefined` if this machine has not used an encrypted repository there.
 */
export function pinnedAt(location: string): string | undefined {
  try {
    return readFileSync(pinFile(location), "utf8").trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Notes the SHA-256 of the recipient of the repository at a location. */
export function pin(location: string, recipient: string): void {
  const file = pinFile(location);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${recipient}\n`, { mode: 0o600 });
}
