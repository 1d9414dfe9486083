import process from "node:process";
import { createInterface } from "node:readline/promises";
import { clearProgress } from "./console.ts";
import { showText } from "./text.ts";

/** Whether somebody is there to be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * Asks a question on the terminal; only `y` and `yes` mean yes.
 *
 * @param question The question, which ends in a question mark.
 * @param signal Ends the waiting.
 */
export async function ask(
  question: string,
  signal: AbortSignal,
): Promise<boolean> {
  clearProgress();
  const { stdin: input, stderr: output } = process;
  const terminal = createInterface({ input, output });
  try {
    const text = `${showText(question)} [y/N] `;
    const answer = await terminal.question(text, { signal });
    return /^\s*y(?:es)?\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
