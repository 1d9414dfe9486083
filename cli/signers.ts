import { readFileSync } from "node:fs";
import { DeltarError } from "../mod.ts";
import { readAllowedSigners } from "../lib/ssh/mod.ts";

/** The help text of the option that names the file of trusted keys. */
export const SIGNERS = "Trust only the keys in this file, in the format of " +
  "`ssh-keygen -Y verify -f`";

/**
 * Returns the public keys in a file of trusted signers.
 *
 * @throws {DeltarError} `io` if the file cannot be read; `corrupt` or
 *   `unsupported` if a line or a key is invalid; `key` if the file has no
 *   Ed25519 key that is allowed to sign for deltar.
 */
export function signersIn(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new DeltarError(
      "io",
      `cannot read the list of signers: ${(cause as Error).message}`,
      { object: file, cause },
    );
  }
  try {
    const keys = readAllowedSigners(text, "deltar")
      .map(({ publicKey }) => publicKey);
    if (keys.length > 0) return keys;
  } catch (error) {
    if (!(error instanceof DeltarError)) throw error;
    throw new DeltarError(error.code, error.message, { object: file });
  }
  throw new DeltarError(
    "key",
    "no Ed25519 key in the list of signers; write lines like `NAME ssh-ed25519 KEY`",
    { object: file },
  );
}
