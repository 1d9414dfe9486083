import process from "node:process";
import type { Context, Verbosity } from "./context.ts";
import { type Meter, Rate } from "./rate.ts";
import { isDumb, paint, type Terminal } from "./terminal.ts";
import { showLines, showPath, showText, toJson } from "./text.ts";

/**
 * The minimum interval between two drawings of the progress line, in
 * milliseconds.
 */
const REDRAW_MS = 100;

/**
 * The minimum interval between two progress objects in JSON, in milliseconds.
 */
const JSON_PROGRESS_MS = 1000;

/**
 * The output of a command. JSON objects and, by default, other results are
 * written to standard output. Messages and the progress line are written to
 * standard error.
 */
export class Console {
  /** Whether results are printed as JSON. */
  readonly json: boolean;
  /** Whether progress is shown. */
  readonly isLive: boolean;
  readonly #terminal: Terminal;
  readonly #verbosity: Verbosity;
  readonly #begun = performance.now();
  readonly #results: 1 | 2;
  #drawn = 0;
  readonly #rate = new Rate();

  /**
   * Prepares the output of a command.
   *
   * @param context The terminal, and the amount of output.
   * @param json Whether results are printed as JSON.
   * @param results The file descriptor of results that are not JSON: 1 for
   * standard output, which is the default, or 2 for standard error.
   */
  constructor(
    { terminal, verbosity }: Pick<Context, "terminal" | "verbosity">,
    json: boolean,
    results: 1 | 2 = 1,
  ) {
    this.json = json;
    this.#terminal = terminal;
    this.#verbosity = verbosity;
    this.#results = results;
    this.isLive = verbosity !== "quiet" &&
      (json
        ? verbosity === "verbose"
        : process.stderr.isTTY === true && !isDumb());
  }

  /**
   * Prints a line of the result, unless `--quiet` is given without `--json`.
   */
  line(text: string): void {
    this.clear();
    if (this.json || this.#verbosity !== "quiet") {
      this.#terminal.tellPainted(this.#results, `${text}\n`);
    }
  }

  /** Prints a JSON object with a type and fields on one line. */
  object(type: string, fields: Record<string, unknown>): void {
    this.clear();
    this.#terminal.write(1, `${toJson({ version: 1, type, ...fields })}\n`);
  }

  /** Prints a message to standard error, even if `--quiet` is given. */
  warn(text: string): void {
    this.clear();
    const name = paint("yellow", "deltar:", process.stderr);
    this.#terminal.tellPainted(2, `${name} ${showText(text)}\n`);
  }

  /** Prints a message to standard error, unless `--quiet` is given. */
  note(text: string): void {
    if (this.#verbosity !== "quiet") this.warn(text);
  }

  /**
   * Prints a line to standard error if `--verbose` is given and results are not
   * JSON.
   */
  detail(text: string): void {
    if (this.#verbosity !== "verbose" || this.json) return;
    this.clear();
    this.#terminal.tell(2, `${showText(text)}\n`);
  }

  /** Clears the progress line, so that something else can be shown. */
  clear(): void {
    this.#terminal.clear();
  }

  /**
   * Shows the progress of long work. On a terminal, redraws the progress line.
   * With `--json --verbose`, prints a JSON object at most once a second. The
   * path is at the end of the progress line, because the end is cut off if the
   * terminal is too narrow.
   *
   * @param text Called when the progress line is drawn. Returns the work done
   * so far, in words.
   * @param path The path or object that is being processed, or the number of
   * finished steps.
   * @param meter The numbers of bytes from which the percentage, the rate and
   * the remaining time are computed. Without a meter, these are not shown.
   */
  progress(text: () => string, path: string, meter?: Meter): void {
    if (!this.isLive) return;
    const now = performance.now();
    const pause = this.json ? JSON_PROGRESS_MS : REDRAW_MS;
    if (now - this.#drawn < pause) return;
    this.#drawn = now;
    const elapsed = now - this.#begun;
    if (this.json) {
      this.object("progress", { elapsed: Math.round(elapsed), path, ...meter });
      return;
    }
    const speed = meter ? this.#rate.tell(now, meter) : [];
    const words = [...speed, text()].join(", ");
    this.#terminal.draw(showLines(`${words}  ${showPath(path)}`));
  }
}
