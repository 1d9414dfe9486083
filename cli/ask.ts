import process from "node:process";
import { DeltarError } from "../mod.ts";
import type { Console } from "./console.ts";
import { showText } from "./text.ts";

/** Returns whether a question can be asked on a terminal. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * Asks a question on the terminal. The terminal edits the line, and Node's
 * readline does not, so that Ctrl+C interrupts the command as usual.
 *
 * @param out The output. Its progress line is cleared before the question.
 * @param question The question, which ends in a question mark.
 * @param signal The signal that stops the wait for an answer.
 * @param otherwise The result if only Enter is pressed. Default: `false`.
 * @returns Whether the answer is `y` or `yes`, or `otherwise` if it is empty;
 * `false` at the end of the input.
 * @throws {DeltarError} `aborted` if `signal` stops the wait.
 */
export async function ask(
  out: Console,
  question: string,
  signal: AbortSignal,
  otherwise = false,
): Promise<boolean> {
  out.clear();
  const { createInterface } = await import("node:readline");
  const { stdin: input, stderr } = process;
  stderr.write(`${showText(question)} [${otherwise ? "Y/n" : "y/N"}] `);
  const terminal = createInterface({ input, terminal: false });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const end = () => resolve(undefined);
  terminal.once("line", resolve);
  terminal.once("close", end);
  signal.addEventListener("abort", end);
  try {
    if (signal.aborted) end();
    const answer = (await promise)?.trim();
    if (answer === undefined) stderr.write("\n");
    if (signal.aborted) throw new DeltarError("aborted", "interrupted");
    return answer === "" ? otherwise : /^y(?:es)?$/i.test(answer ?? "");
  } finally {
    signal.removeEventListener("abort", end);
    terminal.close();
  }
}

/**
 * Returns the error that ends a command after the user answered no.
 *
 * @param outcome What did not happen, for example `nothing was purged`.
 */
export function declined(outcome: string): DeltarError {
  return new DeltarError("unsafe", `${outcome}, because the answer was no`);
}
