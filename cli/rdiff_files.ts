import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { codeOf, DeltarError, errorMessage } from "../lib/bytes/errors.ts";
import { collect } from "../lib/bytes/source.ts";
import type { RandomAccess } from "../lib/delta/mod.ts";

/** The maximum number of bytes that are read from a file at once. */
const PIECE = 2 ** 19;
/**
 * The chunks before which the event loop gets a turn: each of the first `first`
 * chunks, so that worker threads start sooner, and then every `then`-th chunk,
 * so that memory is reclaimed.
 */
const TURNS = { first: 64, then: 8 };

/**
 * Returns a file's size in bytes, or `undefined` for standard input (`-`) and
 * for anything other than a regular file.
 */
export function sizeOf(name: string): number | undefined {
  if (name === "-") return undefined;
  const stat = attempt(name, () => statSync(name));
  return stat.isFile() ? stat.size : undefined;
}

/**
 * Reads a file, or standard input for `-`. The chunks of a file share one
 * buffer, so each chunk is valid only until the next one is read.
 */
export async function* readPieces(name: string): AsyncGenerator<Uint8Array> {
  if (name === "-") {
    yield* process.stdin;
    return;
  }
  const file = attempt(name, () => openSync(name, "r"));
  try {
    const buffer = new Uint8Array(PIECE);
    let pieces = 0;
    for (;;) {
      const length = attempt(name, () => readSync(file, buffer));
      if (length === 0) return;
      if (pieces < TURNS.first || pieces % TURNS.then === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      pieces++;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** Reads a whole file, or all of standard input for `-`. */
export async function readWhole(name: string): Promise<Uint8Array> {
  return name === "-"
    ? await collect(process.stdin)
    : attempt(name, () => readFileSync(name));
}

/**
 * Opens a file for reading at any offset. The bytes that a read returns are
 * valid only until the next read.
 */
export function openBasis(name: string): RandomAccess & { close(): void } {
  const file = attempt(name, () => openSync(name, "r"));
  const { size } = fstatSync(file);
  let buffer = new Uint8Array(PIECE);
  return {
    size,
    read(offset, length) {
      if (length > buffer.length) buffer = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const read = attempt(
          name,
          () => readSync(file, buffer, at, length - at, offset + at),
        );
        if (read === 0) {
          throw new DeltarError(
            "truncated",
            "the file shrank while it was being read",
            {
              object: name,
              offset: offset + at,
            },
          );
        }
        at += read;
      }
      return buffer.subarray(0, length);
    },
    close: () => closeSync(file),
  };
}

/** An output file, which appears complete or not at all, or standard output. */
export class Output {
  readonly #name: string;
  readonly #temporary: string | undefined;
  readonly #file: number = 1;
  /** The number of bytes written so far. */
  size = 0;

  /**
   * Opens a temporary file next to the output file.
   *
   * @param name The path of the output file, or `-` for standard output.
   * @param force Whether to replace an existing file.
   * @throws {DeltarError} `exists` if the file exists and `force` is false,
   *   `not-found` if its folder does not exist, `io` if the temporary file
   *   cannot be created.
   */
  constructor(name: string, force: boolean) {
    this.#name = name;
    if (name === "-") return;
    if (!force && existsSync(name)) {
      throw new DeltarError("exists", "file exists; replace it with --force", {
        object: name,
      });
    }
    const unique = Math.random().toString(36).slice(2, 10);
    const temporary = join(dirname(name), `.${basename(name)}.${unique}`);
    this.#file = attempt(temporary, () => openSync(temporary, "wx"));
    this.#temporary = temporary;
  }

  /**
   * Writes bytes. The caller may reuse the array when the write has finished.
   */
  write(bytes: Uint8Array): void | Promise<void> {
    this.size += bytes.length;
    if (this.#temporary === undefined) return writeStandardOutput(bytes);
    for (let at = 0; at < bytes.length;) {
      at += attempt(this.#name, () => writeSync(this.#file, bytes, at));
    }
  }

  /** Renames the temporary file to the name of the output file. */
  commit(): void {
    const temporary = this.#temporary;
    if (temporary === undefined) return;
    closeSync(this.#file);
    attempt(this.#name, () => renameSync(temporary, this.#name));
  }

  /** Deletes the temporary file. */
  discard(): void {
    if (this.#temporary === undefined) return;
    closeSync(this.#file);
    unlinkSync(this.#temporary);
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

/** Makes a system call. If the call fails, the error names the file. */
function attempt<Result>(object: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    const code = codeOf(cause) === "ENOENT" ? "not-found" : "io";
    throw new DeltarError(code, errorMessage(cause), { object, cause });
  }
}
