import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { needs } from "./peer.ts";

/** The id of the user and group `nobody`. */
export const NOBODY_ID = 65534;

const isRoot = process.getuid?.() === 0;
const host = globalThis as { Deno?: unknown };
/** The words with which a runtime runs a script. */
const RUN = host.Deno === undefined
  ? []
  : ["run", "-A", "--cached-only", "--no-check"];

/** Options for a test that runs something as another user. */
export const needsOtherUser: { skip?: string } = isRoot
  ? needs("setpriv")
  : { skip: "needs to be root, to be another user" };

/** The result of a script. */
export interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

/** Another user of the machine, with a home folder and a runtime. */
export class OtherUser {
  readonly #runtime: string;
  readonly #home: string;

  /**
   * Creates the user's home folder, and copies the runtime, because it may be
   * below `/root`.
   *
   * @param folder A folder of the test, which is opened to the user.
   */
  constructor(folder: string) {
    fs.chmodSync(folder, 0o755);
    this.#home = join(folder, "home");
    fs.mkdirSync(this.#home, { recursive: true });
    give(this.#home);
    this.#runtime = join(folder, "runtime");
    const clone = fs.constants.COPYFILE_FICLONE;
    fs.copyFileSync(process.execPath, this.#runtime, clone);
    fs.chmodSync(this.#runtime, 0o755);
  }

  /** Runs a script with the runtime of this test. */
  run(
    words: readonly string[],
    { cwd, env }: { cwd?: string; env?: Record<string, string> } = {},
  ): Outcome {
    const ids = [
      `--reuid=${NOBODY_ID}`,
      `--regid=${NOBODY_ID}`,
      "--clear-groups",
    ];
    const args = [...ids, this.#runtime, ...RUN, ...words];
    const { status, stdout, stderr } = spawnSync("setpriv", args, {
      cwd,
      env: {
        PATH: process.env.PATH ?? "",
        HOME: this.#home,
        ...env,
        // The caches of compiled code belong to root.
        DENO_DIR: join(this.#home, "deno"),
        NODE_COMPILE_CACHE: "",
      },
      encoding: "utf8",
    });
    return { code: status, out: stdout, err: stderr };
  }
}

/** Gives a folder and everything in it to the other user. */
export function give(folder: string): void {
  for (const name of ["", ...fs.readdirSync(folder, { recursive: true })]) {
    fs.lchownSync(join(folder, String(name)), NOBODY_ID, NOBODY_ID);
  }
}

/**
 * The words before a command that make it respect the modes of files, which
 * root otherwise ignores.
 */
export const HELD: readonly string[] = isRoot
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
  : [];

/** Options for a test that runs commands with `HELD`. */
export const needsHeld: { skip?: string } = process.platform === "win32"
  ? { skip: "needs modes" }
  : isRoot
  ? needs("setpriv")
  : {};

/**
 * Runs a script with the runtime of this test, respecting the modes of files.
 *
 * @throws {Error} If the script fails, with its output.
 */
export function runHeld(...words: string[]): void {
  const [program, ...args] = [...HELD, process.execPath, ...RUN, ...words];
  const { status, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
  });
  if (status !== 0) throw error ?? new Error(stderr);
}
