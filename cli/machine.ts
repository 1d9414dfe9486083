import process from "node:process";
import { DeltarError } from "../mod.ts";
import { isMachineId, type Machine } from "../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../lib/ssh/mod.ts";
import { machineFiles } from "../shared/machine_files.ts";

/**
 * Returns this machine, with its id and its key. If their files do not exist,
 * `machineFiles` creates them.
 *
 * @param options `isDryRun`: whether to create no files. Default: `false`.
 * @throws {DeltarError} `corrupt` if the id or the key is damaged;
 * `unsupported` if the key has a passphrase or is not an Ed25519 key.
 */
export async function thisMachine(
  { isDryRun = false } = {},
): Promise<Machine> {
  const { key, ...machine } = await machineFiles(
    isDryRun ? undefined : makeKeyPair,
  );
  const { id } = machine;
  if (!isMachineId(id)) {
    throw new DeltarError(
      "corrupt",
      `invalid id of this machine: ${JSON.stringify(id)}. An id has 1 to 64 ` +
        "letters, digits, `.`, `_` and `-`.",
      {
        object: process.env.DELTAR_MACHINE
          ? "DELTAR_MACHINE"
          : "the file `machine` of the configuration folder",
      },
    );
  }
  if (key === undefined) return machine;
  try {
    return { ...machine, key: await readPrivateKey(key.text) };
  } catch (error) {
    if (!(error instanceof DeltarError)) throw error;
    throw new DeltarError(error.code, error.message, { object: key.file });
  }
}
