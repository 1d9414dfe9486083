import type { Machine } from "../../../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../../../lib/ssh/mod.ts";
import { machineFiles } from "../../../shared/machine_files.ts";

/**
 * Returns this machine, as the command knows it too.
 *
 * @throws {DeltarError} `corrupt` or `unsupported` if the signing key cannot be
 * used.
 */
export async function thisMachine(): Promise<Machine> {
  const { key, ...machine } = await machineFiles(makeKeyPair);
  return {
    ...machine,
    ...key !== undefined && { key: await readPrivateKey(key.text) },
  };
}
