import type { Machine } from "../../../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../../../lib/ssh/mod.ts";
import { machineFiles } from "../../../shared/machine_files.ts";

/**
 * Returns this machine, with the id and the signing key that the command also
 * uses.
 *
 * @throws {DeltarError} `corrupt` if the signing key is damaged; `unsupported`
 * if the signing key has a passphrase or is not an Ed25519 key.
 */
export async function thisMachine(): Promise<Machine> {
  const { key, ...machine } = await machineFiles(makeKeyPair);
  return {
    ...machine,
    ...key !== undefined && { key: await readPrivateKey(key.text) },
  };
}
