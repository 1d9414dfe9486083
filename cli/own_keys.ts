/**
 * The keys of the user, for encrypted repositories.
 *
 * Identities are in the file that `DELTAR_IDENTITY` names, or else in the file
 * `identity` of the configuration folder. A passphrase is in the file that
 * `DELTAR_PASSPHRASE_FILE` names, or else is printed by the command in
 * `DELTAR_PASSPHRASE_COMMAND`. If there is neither an identity nor a
 * passphrase, the user is asked for a passphrase on a terminal. Keys are never
 * taken from the command line, where other users can see them.
 *
 * @module
 */
import { execSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { DeltarError } from "../mod.ts";
import type { AgeKey, KeyFor } from "../lib/repository/mod.ts";
import { identityFile } from "../shared/user_folder.ts";
import { canAsk } from "./ask.ts";
import { askSecret } from "./ask_secret.ts";
import type { Context } from "./context.ts";
import { reasonOf } from "./refusal.ts";

/**
 * Returns the keys of the user. Asks for a passphrase on the terminal if there
 * is no other key.
 *
 * @throws {DeltarError} `key` if a file or command that should provide a key
 * does not provide one; `aborted` if the user interrupts the question.
 */
export async function ownKeys(context: Context): Promise<AgeKey[]> {
  const keys: AgeKey[] = [...await identities()];
  const passphrase = givenPassphrase();
  if (passphrase !== undefined) keys.push({ passphrase });
  if (keys.length === 0 && canAsk()) {
    const asked = await askSecret("Passphrase", context.signal);
    keys.push({ passphrase: asked });
  }
  return keys;
}

/** The first key of a new repository. */
export interface FirstKey {
  /** The key. */
  key: KeyFor;
  /** The file or environment variable that the key comes from. */
  from: string;
  /** Whether the key was made just now, in a new file. */
  isNew?: boolean;
}

/**
 * Returns the first key of a new repository. If the user has no key yet, an
 * identity is made and stored in the configuration folder.
 *
 * @throws {DeltarError} `key` if a file or command that should provide a key
 * does not provide one.
 * @throws {Error} The system's error, if the new identity cannot be stored.
 */
export async function firstKey(): Promise<FirstKey> {
  const name = "main";
  const [own] = await identities();
  if (own !== undefined) {
    const to = await (await age()).recipientOf(own);
    return { key: { name, to }, from: identityFile() };
  }
  const passphrase = givenPassphrase();
  if (passphrase !== undefined) {
    const { DELTAR_PASSPHRASE_FILE: from } = process.env;
    return {
      key: { name, to: { passphrase } },
      from: from || "DELTAR_PASSPHRASE_COMMAND",
    };
  }
  const to = await makeIdentity();
  return { key: { name, to }, from: identityFile(), isNew: true };
}

/**
 * Returns the recipient of the user's first identity. If the user has no
 * identity, one is made and stored in the configuration folder.
 */
export async function ownRecipient(): Promise<string> {
  const [own] = await identities();
  return own === undefined
    ? await makeIdentity()
    : await (await age()).recipientOf(own);
}

/** Makes the identity of the user. Returns its recipient. */
async function makeIdentity(): Promise<string> {
  const { newIdentity, recipientOf } = await age();
  const identity = await newIdentity();
  const recipient = await recipientOf(identity);
  const file = identityFile();
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const text = `# recipient: ${recipient}\n${identity}\n`;
  writeFileSync(file, text, { mode: 0o600, flag: "wx", flush: true });
  return recipient;
}

/** Loads the code for age, which only encrypted repositories need. */
function age(): Promise<typeof import("../lib/age/mod.ts")> {
  return import("../lib/age/mod.ts");
}

/**
 * Returns the identities in the user's file. Returns an empty list if the user
 * names no file and the default file does not exist.
 *
 * @throws {DeltarError} `key` if the file cannot be read, has no identity, or
 * has an invalid one.
 */
async function identities(): Promise<string[]> {
  const file = identityFile();
  if (!process.env.DELTAR_IDENTITY && !existsSync(file)) return [];
  const { parseIdentities } = await age();
  return await parseIdentities(readText(file, "identity"), file);
}

/** Returns the passphrase that environment variables provide, if any. */
function givenPassphrase(): string | undefined {
  const { DELTAR_PASSPHRASE_FILE: file, DELTAR_PASSPHRASE_COMMAND: command } =
    process.env;
  if (file) return firstLine(readText(file, "passphrase"), file);
  if (!command) return undefined;
  let text: string;
  try {
    text = execSync(command, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  } catch (cause) {
    throw new DeltarError(
      "key",
      "the command that should print the passphrase failed; run the " +
        "command alone to test it",
      { object: "DELTAR_PASSPHRASE_COMMAND", cause },
    );
  }
  return firstLine(text, "DELTAR_PASSPHRASE_COMMAND");
}

/** Returns the passphrase in the first line of a file. */
export function passphraseIn(file: string): string {
  return firstLine(readText(file, "passphrase"), file);
}

function readText(file: string, what: string): string {
  try {
    // Some editors on Windows write a byte order mark.
    return readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (cause) {
    throw new DeltarError(
      "key",
      `cannot read the ${what}: ${reasonOf(cause)}`,
      {
        object: file,
        cause,
      },
    );
  }
}

function firstLine(text: string, object: string): string {
  const [line] = text.split(/\r?\n/);
  if (line !== "") return line;
  throw new DeltarError("key", "missing passphrase: the first line is empty", {
    object,
  });
}
