import {
  closeSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { DeltarError } from "../lib/delta/mod.ts";
import { attempt } from "./attempt.ts";

/**
 * An output file, which appears complete or not at all, or standard output. An
 * existing device or named pipe is written to.
 */
export class Output {
  readonly #name: string;
  readonly #temporary: string | undefined;
  readonly #file: number = 1;
  /** Deletes the temporary file if an interrupt ends the process. */
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
   *   if there is a directory of this name, `not-found` if its folder does not
   *   exist, `io` if the temporary file cannot be created.
   */
  constructor(name: string, force: boolean) {
    this.#name = name;
    if (name === "-") return;
    const existing = statSync(name, { throwIfNoEntry: false });
    if (existing?.isDirectory()) {
      throw new DeltarError("exists", "a directory; name a file", {
        object: name,
      });
    }
    if (existing !== undefined && !existing.isFile()) {
      this.#file = attempt(name, () => openSync(name, "w"));
      return;
    }
    if (!force && existing !== undefined) {
      throw new DeltarError("exists", "file exists; replace it with --force", {
        object: name,
      });
    }
    const unique = Math.random().toString(36).slice(2, 10);
    const temporary = join(dirname(name), `.${basename(name)}.${unique}`);
    this.#file = attempt(temporary, () => openSync(temporary, "wx"));
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

  /** Renames the temporary file to the name of the output file. */
  commit(): void {
    const temporary = this.#temporary;
    this.#close();
    if (temporary === undefined) return;
    attempt(this.#name, () => renameSync(temporary, this.#name));
  }

  /** Deletes the temporary file. */
  discard(): void {
    this.#close();
    this.#delete();
  }

  #delete(): void {
    if (this.#temporary !== undefined) unlinkSync(this.#temporary);
  }

  #close(): void {
    process.off("exit", this.#onExit);
    if (this.#name !== "-") closeSync(this.#file);
  }
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
  } catch (error) {
    output.discard();
    throw error;
  }
  output.commit();
  return output.size;
}

function writeStandardOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(bytes, (error) => error ? reject(error) : resolve())
  );
}
