import { type ChildProcess, spawn } from "node:child_process";
import { shellWord } from "../../cli/text.ts";
import type { Shell } from "./shell.ts";

/** The maximum time for a response of a shell, in milliseconds. */
const PATIENCE = 30_000;

/** A shell in a terminal, into which a test types. */
export class Pty {
  /** The output to the terminal so far. */
  shown = "";
  readonly #child: ChildProcess;
  #wake = () => {};

  /**
   * Starts a shell in the project.
   *
   * @param shell The home folder and the project.
   * @param command The command line that starts the shell.
   * @param columns The width of the terminal.
   */
  constructor(shell: Shell, command: string, columns = 200) {
    const started = `stty cols ${columns} rows 50; exec ${command}`;
    this.#child = spawn(
      "script",
      ["-qec", `sh -c ${shellWord(started)}`, "/dev/null"],
      {
        cwd: shell.project,
        env: {
          ...shell.env,
          TERM: "xterm",
          LC_ALL: "C.UTF-8",
          // A shell that ends would write its history while the home folder is
          // deleted.
          HISTFILE: "/dev/null",
          fish_history: "",
        },
      },
    );
    this.#child.stdout!.setEncoding("utf8").on("data", (text) => {
      this.shown += text;
      this.#wake();
    });
  }

  /** Types keys. */
  type(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /**
   * Waits until the terminal shows a match of the pattern after the offset
   * `from`.
   */
  async see(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const found = pattern.exec(this.shown.slice(from));
      if (found !== null) return found;
      if (Date.now() > end) {
        throw new Error(`${pattern} is not shown: ${this.shown.slice(from)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Ends the shell. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin!.end("\x03\x04");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await closed;
    clearTimeout(timer);
  }
}
