import process from "node:process";
import { DeltarError } from "../mod.ts";
import { showText } from "./text.ts";

/**
 * Asks for a passphrase on the terminal, without showing what is typed.
 *
 * @param question The question, without the colon.
 * @param signal The signal that stops the wait for an answer.
 * @returns The passphrase, which can be empty.
 * @throws {DeltarError} `aborted` if the user presses Ctrl+C or Ctrl+D, or if
 * `signal` stops the wait.
 */
export async function askSecret(
  question: string,
  signal: AbortSignal,
): Promise<string> {
  const { stdin, stderr } = process;
  // Echo is turned off before the question is shown, so that a quick answer is
  // not displayed.
  stdin.setRawMode(true);
  stdin.resume();
  stderr.write(`${showText(question)}: `);
  let typed = "";
  const decoder = new TextDecoder();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const stop = () => reject(new DeltarError("aborted", "interrupted"));
  const take = (bytes: Uint8Array) => {
    for (const character of decoder.decode(bytes, { stream: true })) {
      if (character === "\r" || character === "\n") return resolve(typed);
      if (character === "\u0003" || character === "\u0004") return stop();
      if (character === "\u007f" || character === "\b") {
        typed = [...typed].slice(0, -1).join("");
      } else typed += character;
    }
  };
  stdin.on("data", take);
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
    stdin.off("data", take);
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
