import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const SCRIPT = fileURLToPath(new URL("wine.sh", import.meta.url));
const HOLDER = fileURLToPath(new URL("hold.cjs", import.meta.url));
/** The folder of the Debian in which Wine runs. It is kept for the next run. */
const ROOT = process.env.DELTAR_TEST_WINE ??
  join(homedir(), ".cache/deltar-tests/wine");
/**
 * The environment variables that Windows programs do not get: on Windows, other
 * programs may be missing, and everything takes long enough.
 */
const UNSET = { CI: undefined, SLOW: undefined, NODE_TEST_CONTEXT: undefined };
const DRIVE = "/root/wine/drive_c";

/** The result of a Windows program. */
export interface WindowsOutcome {
  code: number | null;
  out: string;
  err: string;
}

/**
 * Returns options for a test that runs Windows programs. The test is skipped if
 * they cannot run.
 */
export function needsWine(): { skip?: string } {
  if (process.env.CI || fs.existsSync(join(ROOT, "root/wine/system.reg"))) {
    return {};
  }
  return { skip: "needs wine; tests/support/wine.sh sets it up" };
}

/** A Windows with Node and, if needed, `deltar.exe` on drive C:. */
export class Windows {
  /** The path of the drive on this system. */
  readonly drive: string = join(ROOT, DRIVE);
  readonly #folders: string[] = [];

  /**
   * Sets Windows up.
   *
   * @param needs `deltar.exe` to build the command and copy it to the drive.
   */
  constructor(needs?: "deltar.exe") {
    execFileSync("sh", [SCRIPT, ROOT, "setup"], { stdio: "inherit" });
    if (needs === undefined) return;
    const task = join(REPOSITORY, "tasks/compile_bun.ts");
    execFileSync(process.execPath, [task, "windows-x64"], {
      cwd: REPOSITORY,
      stdio: "ignore",
    });
    fs.copyFileSync(
      join(REPOSITORY, "dist/deltar-windows-x64.exe"),
      join(this.drive, "deltar.exe"),
    );
  }

  /** Creates an empty folder on the drive, and returns its name. */
  folder(): string {
    const path = fs.mkdtempSync(join(this.drive, "t-"));
    this.#folders.push(path);
    return path.slice(this.drive.length + 1);
  }

  /**
   * Runs `deltar.exe`.
   *
   * @param directory The working directory, below `C:\`, with slashes.
   * @param words The arguments.
   */
  run(directory: string, ...words: string[]): WindowsOutcome {
    return this.#run(directory, "C:\\deltar.exe", words, 120_000);
  }

  /**
   * Runs a program.
   *
   * @param directory The working directory, below `C:\`, with slashes.
   * @param program The path of the program.
   * @param words The arguments.
   */
  program(
    directory: string,
    program: string,
    ...words: string[]
  ): WindowsOutcome {
    return this.#run(directory, program, words, 120_000);
  }

  /**
   * Runs Node.
   *
   * @param directory The working directory, below `C:\`, with slashes.
   * @param words The arguments.
   */
  node(directory: string, ...words: string[]): WindowsOutcome {
    return this.#run(directory, "C:\\node.exe", words);
  }

  /**
   * Runs `work` while a program has a file open without sharing it.
   *
   * @param file The path of the file below `C:\\`, with slashes.
   */
  async withHeld(file: string, work: () => void): Promise<void> {
    const folder = this.folder();
    fs.copyFileSync(HOLDER, join(this.drive, folder, "hold.cjs"));
    const sign = join(this.drive, folder, "sign");
    const name = (path: string) => `C:\\${path.replaceAll("/", "\\")}`;
    const words = ["hold.cjs", name(file), name(`${folder}/sign`)];
    const holder = spawn("sh", [
      SCRIPT,
      ROOT,
      "run",
      `${DRIVE}/${folder}`,
      "C:\\deltar.exe",
      ...words,
    ], { stdio: "ignore", env: { ...process.env, BUN_BE_BUN: "1" } });
    const end = once(holder, "exit");
    while (!fs.existsSync(sign)) {
      if (holder.exitCode !== null) throw new Error(`cannot hold ${file}`);
      await setTimeout(100);
    }
    try {
      work();
    } finally {
      fs.rmSync(sign);
      await end;
    }
  }

  #run(
    directory: string,
    program: string,
    words: string[],
    timeout?: number,
  ): WindowsOutcome {
    // Wine draws on terminals and pipes, so the output is written to files.
    const [out, err] = ["out", "err"].map((name) => join(ROOT, `tmp/${name}`));
    const files = [out, err].map((file) => fs.openSync(file, "w"));
    const { status } = spawnSync("sh", [
      SCRIPT,
      ROOT,
      "run",
      `${DRIVE}/${directory}`,
      program,
      ...words,
    ], {
      stdio: ["ignore", ...files],
      timeout,
      env: { ...process.env, ...UNSET },
    });
    files.forEach((file) => fs.closeSync(file));
    return {
      code: status,
      out: fs.readFileSync(out, "utf8").replaceAll("\r\n", "\n"),
      err: fs.readFileSync(err, "utf8").replaceAll("\r\n", "\n")
        .split("\n").filter((line) => !line.includes("XDG_RUNTIME_DIR"))
        .join("\n"),
    };
  }

  /** Ends programs that are still running, and deletes the created folders. */
  end(): void {
    spawnSync("chroot", [
      ROOT,
      "env",
      "WINEPREFIX=/root/wine",
      "/usr/lib/wine/wineserver64",
      "-k",
    ]);
    for (const folder of this.#folders) {
      fs.rmSync(folder, { recursive: true, force: true });
    }
    const data = join(this.drive, "users/root/AppData/Local/deltar");
    fs.rmSync(data, { recursive: true, force: true });
  }
}
