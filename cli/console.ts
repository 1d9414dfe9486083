import { writeSync } from "node:fs";
import process from "node:process";
import { styleText } from "node:util";
import { codeOf } from "./error_code.ts";
import { type Meter, Rate } from "./rate.ts";
import {
  columnsOf,
  fitColumns,
  showLines,
  showPath,
  showText,
  toJson,
} from "./text.ts";

/**
 * The interval at which a terminal's progress line is drawn, in milliseconds.
 */
const REDRAW = 100;

/** The interval of progress in JSON, in milliseconds. */
const RETELL = 1000;

/** The amount of output. */
export type Verbosity = "quiet" | "normal" | "verbose";

let verbosity: Verbosity = "normal";

/** Sets how much the commands of this process say. */
export function setVerbosity(value: Verbosity): void {
  verbosity = value;
}

/**
 * The output of a command: results to standard output, the rest to standard
 * error.
 */
export class Console {
  /** Whether results are JSON. */
  readonly json: boolean;
  /** Whether anybody is shown how far long work is. */
  readonly isLive: boolean;
  readonly #begun = performance.now();
  #drawn = 0;
  readonly #rate = new Rate();

  /** Speaks JSON, or to people. */
  constructor(json: boolean) {
    this.json = json;
    this.isLive = verbosity !== "quiet" &&
      (json
        ? verbosity === "verbose"
        : process.stderr.isTTY === true && !isDumb());
  }

  /** A line of the result. */
  line(text: string): void {
    clearProgress();
    if (this.json || verbosity !== "quiet") tellPainted(1, `${text}\n`);
  }

  /** The result as one object of JSON, on a line of its own. */
  object(type: string, fields: Record<string, unknown>): void {
    clearProgress();
    say(1, `${toJson({ version: 1, type, ...fields })}\n`);
  }

  /** Something that is not the result but has to be known. */
  warn(text: string): void {
    clearProgress();
    const name = paint("yellow", "deltar:", process.stderr);
    tellPainted(2, `${name} ${showText(text)}\n`);
  }

  /** Something that is worth knowing, and nothing that went wrong. */
  note(text: string): void {
    if (verbosity !== "quiet") this.warn(text);
  }

  /** Something that only who asked for all wants to know. */
  detail(text: string): void {
    if (verbosity !== "verbose" || this.json) return;
    clearProgress();
    tell(2, `${showText(text)}\n`);
  }

  /**
   * Shows the progress of long work: on a terminal as a line that is drawn again
   * and again; with `--json --verbose` as an object each second. The line begins
   * with its shortest parts, since a narrow terminal cuts it.
   *
   * @param text Returns the work done so far, in words.
   * @param path The path at hand.
   * @param meter Adds the part that is done, the rate, and the time left if all
   * is known.
   */
  progress(text: () => string, path: string, meter?: Meter): void {
    const now = performance.now();
    const pause = this.json ? RETELL : REDRAW;
    if (!this.isLive || now - this.#drawn < pause) return;
    this.#drawn = now;
    const elapsed = now - this.#begun;
    if (this.json) {
      this.object("progress", { elapsed: Math.round(elapsed), path, ...meter });
      return;
    }
    const speed = meter ? this.#rate.tell(now, meter) : [];
    const words = [...speed, text()].join(", ");
    draw(showLines(`${words}  ${showPath(path)}`));
  }
}

/** The columns of the line of progress that the terminal shows. */
let drawn = 0;

/**
 * Draws the line of progress. The cursor stays at its beginning: when the
 * terminal is made narrower, the line may take several rows, all of them behind
 * the cursor, so that drawing again clears them all.
 */
function draw(line: string): void {
  const width = process.stderr.columns || 80;
  const text = fitColumns(line, width - 1);
  const columns = columnsOf(text);
  const rest = hasCodes()
    ? `${text}${CLEAR}`
    : `${text}${" ".repeat(Math.max(0, Math.min(drawn, width - 1) - columns))}`;
  drawn = columns;
  say(2, `\r${rest}\r`);
}

/** Clears the terminal from the cursor on. */
const CLEAR = "\x1b[J";

/** Takes the progress line away, before something else is said. */
export function clearProgress(): void {
  if (drawn === 0) return;
  // A blank first: some terminals keep a screen that is cleared as a whole.
  say(2, `\r${hasCodes() ? ` ${CLEAR}` : " ".repeat(drawn)}\r`);
  drawn = 0;
}

/** Whether the terminal knows nothing but characters. */
function isDumb(): boolean {
  return process.env.TERM === "dumb";
}

/** Whether the user's terminal is to be sent codes. */
function hasCodes(): boolean {
  return !isDumb() && !process.env.NO_COLOR;
}

/**
 * A color, if the stream is a terminal that wants any (`NO_COLOR` does not).
 */
export function paint(
  color: "red" | "green" | "yellow" | "cyan" | "dim" | "bold",
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return hasCodes() ? styleText(color, text, { stream }) : text;
}

/** Says lines to people, so that a terminal shows them and obeys none. */
export function tell(fd: number, text: string): void {
  say(fd, showLines(text));
}

/** The same, with what was painted in its colors. */
export function tellPainted(fd: number, text: string): void {
  say(fd, showLines(text, true));
}

const encoder = new TextEncoder();

/** The descriptors that nobody reads any more. */
const deserted = new Set<number>();

/**
 * Says something at once. A reader that has gone, as `head` does, hears no
 * more; the work goes on, and its exit code is what it would have been.
 */
export function say(fd: number, text: string): void {
  if (!deserted.has(fd) && !write(fd, encoder.encode(text))) deserted.add(fd);
}

/**
 * Writes content to standard output at once; a reader that has gone ends the
 * process, as there is nothing else to do.
 */
export function writeContent(bytes: Uint8Array): void {
  if (!write(1, bytes)) process.exit(0);
}

/** Writes all of it, or tells that there is no reader. */
function write(fd: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN") throw placed(error as Error, fd);
      // A pipe that is full and does not block: its reader needs a moment.
      Atomics.wait(pause, 0, 0, 5);
    }
  }
  return true;
}

/** An error of writing, with where it was written. */
function placed(error: Error, fd: number): Error {
  const path = fd === 1 ? "standard output" : "standard error";
  error.message = `${path}: ${error.message}`;
  return Object.assign(error, { path, syscall: "write" });
}

const pause = new Int32Array(new SharedArrayBuffer(4));
