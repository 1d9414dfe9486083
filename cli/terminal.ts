import { writeSync } from "node:fs";
import process from "node:process";
import { styleText } from "node:util";
import { codeOf } from "../shared/error_code.ts";
import { columnsOf, fitColumns, showLines } from "./text.ts";

/** The code that clears a terminal from the cursor to the end of the screen. */
const CLEAR = "\x1b[J";

/** The pause before the next write to a full pipe, in milliseconds. */
const RETRY_MS = 5;

/**
 * Standard output and standard error of the process, with the progress line on
 * standard error.
 */
export class Terminal {
  readonly #encoder = new TextEncoder();
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));
  /** The file descriptors of pipes that their readers have closed. */
  readonly #closed = new Set<number>();
  /** The number of columns of the drawn progress line; 0 if none is drawn. */
  #drawn = 0;

  /**
   * Writes text synchronously. If the reader has closed the pipe, as `head`
   * does, the text is discarded without an error.
   */
  write(fd: number, text: string): void {
    this.writeBytes(fd, this.#encoder.encode(text));
  }

  /**
   * Writes bytes synchronously.
   *
   * @returns `true` after all bytes were written, or `false` if the reader has
   * closed the pipe.
   */
  writeBytes(fd: number, bytes: Uint8Array): boolean {
    if (this.#closed.has(fd)) return false;
    for (let at = 0; at < bytes.length;) {
      try {
        at += writeSync(fd, bytes, at, bytes.length - at);
      } catch (error) {
        const code = codeOf(error);
        if (code === "EPIPE") {
          this.#closed.add(fd);
          return false;
        }
        if (code !== "EAGAIN") throw placed(error as Error, fd);
        // The pipe is full, and a write to it fails instead of waiting, so this
        // process waits until the reader has read something.
        Atomics.wait(this.#pause, 0, 0, RETRY_MS);
      }
    }
    return true;
  }

  /** Writes lines as `showLines` formats them. */
  tell(fd: number, text: string): void {
    this.write(fd, showLines(text));
  }

  /** Writes lines like `tell`, but keeps the control codes of colors. */
  tellPainted(fd: number, text: string): void {
    this.write(fd, showLines(text, true));
  }

  /**
   * Draws the progress line and leaves the cursor at its beginning. If the
   * terminal becomes narrower, the line wraps into several rows. They are all
   * after the cursor, so the next drawing clears them with `CLEAR`.
   */
  draw(line: string): void {
    const width = process.stderr.columns || 80;
    const text = fitColumns(line, width - 1);
    const columns = columnsOf(text);
    const blanks = Math.min(this.#drawn, width - 1) - columns;
    const rest = hasCodes() ? CLEAR : " ".repeat(Math.max(0, blanks));
    this.#drawn = columns;
    this.write(2, `\r${text}${rest}\r`);
  }

  /** Clears the progress line, so that other text can be written. */
  clear(): void {
    if (this.#drawn === 0) return;
    // Some terminals ignore the code if the cursor is in the first row and
    // column, where the code would clear the whole screen. The blank moves the
    // cursor to the second column.
    const blank = hasCodes() ? ` ${CLEAR}` : " ".repeat(this.#drawn);
    this.write(2, `\r${blank}\r`);
    this.#drawn = 0;
  }
}

/** Returns whether the terminal does not support control codes. */
export function isDumb(): boolean {
  return process.env.TERM === "dumb";
}

/** Returns whether control codes are supported and `NO_COLOR` is not set. */
function hasCodes(): boolean {
  return !isDumb() && !process.env.NO_COLOR;
}

/**
 * Returns a text in a color or style. Returns the text unchanged if `NO_COLOR`
 * is set, or if the terminal or the stream does not support control codes.
 */
export function paint(
  color: "red" | "green" | "yellow" | "cyan" | "dim" | "bold",
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return hasCodes() ? styleText(color, text, { stream }) : text;
}

/** Adds the name of the stream to a write error, and returns the error. */
function placed(error: Error, fd: number): Error {
  const path = fd === 1 ? "standard output" : "standard error";
  error.message = `${path}: ${error.message}`;
  return Object.assign(error, { path, syscall: "write" });
}
