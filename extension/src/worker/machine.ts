import type { Machine } from "../../../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../../../lib/ssh/mod.ts";
import { machineFiles } from "../../../shared/machine_files.ts";

/**
 * Returns the id and the signing key pair of this machine. The deltar command
 * uses the same id and the same key pair.
 *
 * @throws {DeltarError} `corrupt` if the private key is damaged; `unsupported`
 *   if the private key has a passphrase or is not an Ed25519 key.
 */
export async function thisMachine(): Promise<Machine> {
  const { key, ...machine } = await machineFiles(makeKeyPair);
  return {
    ...machine,
    ...key !== undefined && { key: await readPrivateKey(key.text) },
  };
}
