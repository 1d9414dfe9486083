import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { DeltarError } from "../lib/delta/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { attempt } from "./attempt.ts";

/**
 * Standard output, or an output file, which appears only when it is complete.
 * An existing device or named pipe is written to directly.
 */
export class Output {
  readonly #name: string;
  readonly #force: boolean;
  readonly #temporary: string | undefined;
  readonly #file: number = 1;
  #isOpen = false;
  /** Called when the process ends. Deletes the temporary file. */
  readonly #onExit = () => this.#delete();
  /** The number of bytes written so far. */
  size = 0;

  /**
   * Opens a temporary file next to the output file, or the device or named
   * pipe.
   *
   * @param name The path of the output file, or `-` for standard output.
   * @param force Whether to replace an existing file.
   * @throws {DeltarError} `exists` if the file exists and `force` is false, or
   * if there is a directory with this name; `not-found` if the folder of the
   * file does not exist; `io` if the temporary file cannot be created, or if
   * the device or named pipe cannot be opened.
   */
  constructor(name: string, force: boolean) {
    this.#name = name;
    this.#force = force;
    if (name === "-") return;
    const existing = statSync(name, { throwIfNoEntry: false });
    if (existing?.isDirectory()) {
      throw new DeltarError("exists", "this is a directory; name a file", {
        object: name,
      });
    }
    if (existing !== undefined && !existing.isFile()) {
      this.#file = attempt(name, () => openSync(name, "w"));
      this.#isOpen = true;
      return;
    }
    if (!force && existing !== undefined) {
      throw existsError(name);
    }
    const unique = Math.random().toString(36).slice(2, 10);
    const temporary = join(dirname(name), `.${basename(name)}.${unique}`);
    this.#file = attempt(temporary, () => openSync(temporary, "wx"));
    this.#isOpen = true;
    this.#temporary = temporary;
    process.on("exit", this.#onExit);
  }

  /**
   * Writes bytes. The caller may reuse the array when the write has finished.
   */
  write(bytes: Uint8Array): void | Promise<void> {
    this.size += bytes.length;
    if (this.#name === "-") return writeStandardOutput(bytes);
    for (let at = 0; at < bytes.length;) {
      at += attempt(this.#name, () => writeSync(this.#file, bytes, at));
    }
  }

  /**
   * Closes the output. If there is a temporary file, renames it to the name of
   * the output file.
   *
   * @throws {DeltarError} `exists` if the output file was created after the
   * constructor was called and `force` is false; `io` if the temporary file
   * cannot be closed or renamed. In both cases, the temporary file still
   * exists.
   */
  commit(): void {
    this.#close();
    const temporary = this.#temporary;
    if (temporary === undefined) return;
    // A rename replaces an existing file. A hard link does not.
    const isLinked = !this.#force && link(temporary, this.#name);
    attempt(
      this.#name,
      () => isLinked ? rmSync(temporary) : renameSync(temporary, this.#name),
    );
    process.off("exit", this.#onExit);
  }

  /** Deletes the temporary file. */
  discard(): void {
    try {
      this.#close();
    } finally {
      process.off("exit", this.#onExit);
      this.#delete();
    }
  }

  #delete(): void {
    if (this.#temporary !== undefined) rmSync(this.#temporary, { force: true });
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    attempt(this.#name, () => closeSync(this.#file));
  }
}

/**
 * Makes a hard link to a file. Returns `false` if the link cannot be made, for
 * example because the file system does not support hard links.
 *
 * @param file The path of the file.
 * @param name The path of the hard link.
 * @throws {DeltarError} `exists` if the path of the hard link exists already.
 */
function link(file: string, name: string): boolean {
  try {
    linkSync(file, name);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST" && !existsSync(name)) return false;
    throw existsError(name);
  }
}

function existsError(name: string): DeltarError {
  return new DeltarError("exists", "file exists; replace it with --force", {
    object: name,
  });
}

/**
 * Calls a function that writes an output. The output file appears only if the
 * function succeeds.
 *
 * @returns The number of bytes written.
 */
export async function withOutput(
  name: string,
  force: boolean,
  work: (output: Output) => Promise<void>,
): Promise<number> {
  const output = new Output(name, force);
  try {
    await work(output);
    output.commit();
    return output.size;
  } catch (error) {
    output.discard();
    throw error;
  }
}

function writeStandardOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(bytes, (error) => error ? reject(error) : resolve())
  );
}
