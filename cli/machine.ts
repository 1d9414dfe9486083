/**
 * This machine: the id that its snapshots carry, and the key that signs them.
 *
 * Both are made on first use, in the files `machine` and `signing_key` of the
 * config folder. The id is in `DELTAR_MACHINE` instead, if that is set: in a
 * container, neither the host name nor the config folder may last.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { DeltarError } from "../mod.ts";
import type { Machine } from "../lib/repository/mod.ts";
import { makeKeyPair, readPrivateKey } from "../lib/ssh/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { userFolder } from "./location.ts";

/** The pattern of the ids of machines. */
const ID = /^[\w.-]{1,64}$/;

/**
 * Returns this machine. If the config folder cannot be written to, its id is
 * made from its host name and nothing is signed.
 *
 * @throws {DeltarError} `corrupt` if the id or the key is damaged.
 */
export async function thisMachine(): Promise<Machine> {
  const host = hostname();
  const file = join(userFolder("config"), "machine");
  const id = process.env.DELTAR_MACHINE || await kept(file, randomUUID) ||
    `host-${host.replaceAll(/[^\w.-]/g, "_")}`.slice(0, 64);
  if (!ID.test(id)) {
    throw new DeltarError(
      "corrupt",
      "the id of this machine has 1 to 64 letters, digits, `.`, `_` and `-`, " +
        `and not ${JSON.stringify(id)}`,
      { object: process.env.DELTAR_MACHINE ? "DELTAR_MACHINE" : file },
    );
  }
  const keyFile = join(userFolder("config"), "signing_key");
  const text = await kept(keyFile, () => makeKeyPair(`deltar ${id}`));
  return {
    id,
    host,
    ...userName(),
    ...text !== undefined && { key: await readKey(text, keyFile) },
  };
}

async function readKey(
  text: string,
  file: string,
): Promise<NonNullable<Machine["key"]>> {
  try {
    return await readPrivateKey(text);
  } catch (error) {
    if (!(error instanceof DeltarError)) throw error;
    throw new DeltarError(error.code, error.message, { object: file });
  }
}

/**
 * Returns the text of a file, which is made if it does not exist. Returns
 * `undefined` if it does not exist and cannot be made.
 */
async function kept(
  file: string,
  make: () => string | Promise<string>,
): Promise<string | undefined> {
  const old = readIfThere(file);
  if (old !== undefined) return old;
  const text = await make();
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${text.trim()}\n`, {
      mode: 0o600,
      flag: "wx",
      flush: true,
    });
    return text.trim();
  } catch (error) {
    // Another process may have made it first.
    return codeOf(error) === "EEXIST" ? readIfThere(file) : undefined;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function userName(): { user?: string } {
  try {
    return { user: userInfo().username };
  } catch {
    // The user has no entry in the system's list of users.
    return {};
  }
}
