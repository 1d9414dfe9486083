import { Buffer } from "node:buffer";
import { Argument, Command } from "commander";
import { complete, type Completion } from "./complete.ts";
import { SCRIPTS, SHELLS } from "./completion_scripts.ts";
import type { Context, MakeProgram } from "./context.ts";
import { parseLine, unquote } from "./shell_line.ts";
import type { Terminal } from "./terminal.ts";
import { showText } from "./text.ts";

/**
 * Makes the command `deltar completion SHELL`, which prints the completion
 * script of a shell.
 */
export function completionCommand({ terminal }: Context): Command {
  return new Command("completion")
    .addArgument(new Argument("<shell>", "The shell").choices(SHELLS))
    .action((shell: string) => terminal.write(1, SCRIPTS[shell]));
}

/**
 * Carries out `deltar complete SHELL …`, which prints the completions for a
 * shell. If anything fails, prints nothing.
 *
 * @param words The name of the shell, then the arguments that the script of the
 * shell passes.
 * @param make Called with the names of the commands to load. Makes the command
 * line, which has the arguments and options of these commands.
 * @param terminal The terminal to print to.
 */
export async function answerShell(
  [shell, ...words]: readonly string[],
  make: MakeProgram,
  terminal: Terminal,
): Promise<void> {
  try {
    terminal.write(1, await ANSWERS[shell]?.(words, make) ?? "");
  } catch {
    // Errors are not shown while the user types. They are shown when the command
    // runs.
  }
}

type Answer = (
  words: readonly string[],
  make: MakeProgram,
) => Promise<string | undefined>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  /**
   * Completes a line. `line` is the line up to the cursor, and `replaced` is
   * its last part, which bash replaces with the completion.
   */
  async bash([line = "", replaced = ""], make) {
    const { words, current, isRedirection } = parseLine(line);
    if (isRedirection) return "files\n";
    const { candidates, names } = await complete(words.slice(1), current, make);
    // bash also splits words at `:` and `=`, and replaces only the last part. A
    // completion must not repeat the parts before it.
    const kept = current.length - unquote(replaced).length;
    const texts = candidates.map(({ word }) => word.slice(kept));
    return lines(names, texts);
  },
  /** Completes the last word, which is the word at the cursor. */
  zsh: (words, make) => described(words.slice(0, -1), words.at(-1), make),
  /** Completes the last word, which is passed as typed, with its quotes. */
  fish: (words, make) =>
    described(words.slice(0, -1), unquote(words.at(-1) ?? ""), make),
  /**
   * Completes the last word. The words are passed as JSON in base64, because
   * PowerShell drops empty words.
   */
  async powershell([base64 = ""], make) {
    const words: unknown = JSON.parse(Buffer.from(base64, "base64").toString());
    if (!Array.isArray(words)) return undefined;
    const texts = words.map(String);
    const { candidates } = await complete(
      texts.slice(0, -1),
      texts.at(-1) ?? "",
      make,
    );
    if (candidates.length === 0) return undefined;
    const list = candidates.map(({ word, about }) => ({
      word,
      about: about || word,
    }));
    // A Windows console might not use UTF-8, so the output has only ASCII
    // characters.
    return JSON.stringify(list).replaceAll(
      /[^\x20-\x7e]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ) + "\n";
  },
};

/** Completes a word for a shell that shows descriptions of completions. */
async function described(
  words: readonly string[],
  current = "",
  make: MakeProgram,
): Promise<string> {
  const { candidates, names } = await complete(words, current, make);
  const texts = candidates.map(({ word, about }) =>
    about ? `${word}\t${showText(about)}` : word
  );
  return lines(names, texts);
}

/**
 * Returns the output for a shell: the line of flags that
 * `completion_scripts.ts` describes, and one line for each completion.
 */
function lines(names: Completion["names"], texts: readonly string[]): string {
  const flags = [
    ...names === undefined ? [] : [names],
    ...texts.some((text) => /[^\w.=:-]/.test(text)) ? ["quote"] : [],
    ...texts.length === 1 && /[/=]$/.test(texts[0]) ? ["open"] : [],
  ];
  return [flags.join(" "), ...texts].map((line) => `${line}\n`).join("");
}
