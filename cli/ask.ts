import process from "node:process";
import { createInterface } from "node:readline/promises";
import { clearProgress } from "./console.ts";
import { showText } from "./text.ts";

/** Whether somebody is there to be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/**
 * Asks a question on the terminal.
 *
 * @param question The question, which ends in a question mark.
 * @param signal Ends the waiting.
 * @param otherwise The answer of who only presses Enter. Default: no.
 * @returns Whether the answer is `y` or `yes`.
 */
export async function ask(
  question: string,
  signal: AbortSignal,
  otherwise = false,
): Promise<boolean> {
  clearProgress();
  const { stdin: input, stderr: output } = process;
  const terminal = createInterface({ input, output });
  try {
    const text = `${showText(question)} [${otherwise ? "Y/n" : "y/N"}] `;
    const answer = (await terminal.question(text, { signal })).trim();
    return answer === "" ? otherwise : /^y(?:es)?$/i.test(answer);
  } finally {
    terminal.close();
  }
}
