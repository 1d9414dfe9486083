/**
 * This machine: the id that its snapshots name, and the key that signs them.
 *
 * The id and the key are created on first use, in the files `machine` and
 * `signing_key` of the configuration folder. If `DELTAR_MACHINE` is set, its
 * value is the id instead. Containers need this variable, because a new
 * container can have another host name and an empty configuration folder.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { codeOf } from "./error_code.ts";
import { userFolder } from "./user_folder.ts";

/** The id, names and key of this machine. */
export interface MachineFiles {
  /** The id. Its form is not checked. */
  id: string;
  /** The host name. */
  host: string;
  /** The name of the user, if the system knows it. */
  user?: string;
  /**
   * The text of the private key that signs snapshots, and the path of its file.
   * Absent if there is no such file.
   */
  key?: { text: string; file: string };
}

/**
 * Returns the id, names and key of this machine. The id is the value of
 * `DELTAR_MACHINE` or, if that is not set, the content of the file `machine`,
 * which is created if it is missing. If this file cannot be created, the id is
 * derived from the host name. If the key file cannot be created, the machine
 * has no key.
 *
 * @param makeKey Called with the comment of the key if there is no key yet.
 * Returns the text of a new private key with this comment. Without this
 * callback, neither file is created.
 * @throws {Error} The system's error, if a file exists and cannot be read.
 */
export async function machineFiles(
  makeKey?: (comment: string) => Promise<string>,
): Promise<MachineFiles> {
  const host = hostname();
  const folder = userFolder("config");
  const id = process.env.DELTAR_MACHINE ||
    await kept(join(folder, "machine"), makeKey && randomUUID) ||
    `host-${host.replaceAll(/[^\w.-]/g, "_")}`.slice(0, 64);
  const file = join(folder, "signing_key");
  const text = await kept(
    file,
    makeKey && (() => makeKey(`deltar ${id}`)),
  );
  return {
    id,
    host,
    ...userName(),
    ...text !== undefined && { key: { text, file } },
  };
}

/**
 * Returns the text of a file, or `undefined` if the file does not exist. If
 * `make` is given, a missing file is first created with the text that `make`
 * returns. If the system refuses to create the file, the function returns
 * `undefined`.
 */
async function kept(
  file: string,
  make?: () => string | Promise<string>,
): Promise<string | undefined> {
  const old = readIfThere(file);
  if (old !== undefined || make === undefined) return old;
  const text = `${(await make()).trim()}\n`;
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600, flag: "wx", flush: true });
    makeIfAbsent(temporary, file);
  } catch {
    // Without the file, the id is derived from the host name, or the machine
    // has no key.
  } finally {
    rmSync(temporary, { force: true });
  }
  return readIfThere(file);
}

/**
 * Gives a complete temporary file its final name, unless another process has
 * already created a file with this name. On a file system without hard links,
 * an existing file is replaced.
 */
function makeIfAbsent(temporary: string, file: string): void {
  try {
    linkSync(temporary, file);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    renameSync(temporary, file);
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
