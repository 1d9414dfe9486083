import process from "node:process";
import { DeltarError } from "../mod.ts";
import { isMachineId, type Machine } from "../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../lib/ssh/mod.ts";
import { machineFiles } from "../shared/machine_files.ts";

/**
 * Returns this machine, with its id and, if it has one, its key. If the files
 * of the id and the key do not exist, they are created.
 *
 * @param options `isDryRun`: whether files are only read, and none is created.
 * Default: `false`.
 * @throws {DeltarError} `corrupt` if the id or the key is damaged;
 * `unsupported` if the key has a passphrase or is not an Ed25519 key.
 * @throws {Error} The system's error, if a file exists and cannot be read.
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
