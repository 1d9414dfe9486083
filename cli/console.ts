import { writeSync } from "node:fs";
import process from "node:process";
import { showPath, showText } from "./text.ts";

/** How often a terminal's progress line is drawn, in milliseconds. */
const REDRAW = 100;

/** What a command says: results to standard output, the rest to the error. */
export class Console {
  /** Whether results are JSON. */
  readonly json: boolean;
  readonly #live: boolean;
  #drawn = 0;
  #shown = false;

  /** Speaks JSON, or to people. */
  constructor(json: boolean) {
    this.json = json;
    this.#live = !json && process.stderr.isTTY === true;
  }

  /** A line of the result. */
  line(text: string): void {
    this.clear();
    writeAll(1, `${text}\n`);
  }

  /** The result as one object of JSON. */
  object(type: string, fields: Record<string, unknown>): void {
    this.line(JSON.stringify({ version: 1, type, ...fields }));
  }

  /** Something that is not the result but has to be known. */
  warn(text: string): void {
    this.clear();
    writeAll(2, `deltar: ${showText(text)}\n`);
  }

  /** How far long work is: on a terminal only, and not at every call. */
  progress(text: () => string, path: string): void {
    const now = performance.now();
    if (!this.#live || now - this.#drawn < REDRAW) return;
    this.#drawn = now;
    this.#shown = true;
    const width = process.stderr.columns ?? 80;
    const line = `${text()}  ${showPath(path)}`.slice(0, width - 1);
    writeAll(2, `\r\x1b[K${line}`);
  }

  /** Takes the progress line away. */
  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    writeAll(2, "\r\x1b[K");
  }
}

const encoder = new TextEncoder();

/** Writes to a descriptor at once; a reader that has gone ends the process. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EPIPE") process.exit(0);
      if (code !== "EAGAIN") throw error;
      // A pipe that is full and does not block: its reader needs a moment.
      Atomics.wait(pause, 0, 0, 5);
    }
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));
