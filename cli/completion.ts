import { Buffer } from "node:buffer";
import { Argument, Command } from "commander";
import { complete, type Completion } from "./complete.ts";
import { SCRIPTS, SHELLS } from "./completion_scripts.ts";
import type { Context, MakeProgram } from "./context.ts";
import { parseLine, unquote } from "./shell_line.ts";
import type { Terminal } from "./terminal.ts";
import { showText } from "./text.ts";

/** `deltar completion SHELL`, which prints a shell's script. */
export function completionCommand({ terminal }: Context): Command {
  return new Command("completion")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .action((shell: string) => terminal.write(1, SCRIPTS[shell]));
}

/**
 * Answers a shell's script: `deltar complete SHELL …`. When anything fails, it
 * prints nothing.
 *
 * @param words The shell's name, then the line, as its script passes it.
 * @param make Makes the command line.
 * @param terminal The output.
 */
export async function answerShell(
  [shell, ...words]: readonly string[],
  make: MakeProgram,
  terminal: Terminal,
): Promise<void> {
  try {
    terminal.write(1, await ANSWERS[shell]?.(words, make) ?? "");
  } catch {
    // There is no repository, or it cannot be read: the command will say so.
  }
}

type Answer = (
  words: readonly string[],
  make: MakeProgram,
) => Promise<string | undefined>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  /** Asks with the line up to the cursor, and the word that is replaced. */
  async bash([line = "", replaced = ""], make) {
    const { words, current, isRedirection } = parseLine(line);
    if (isRedirection) return "files\n";
    const { candidates, names } = await complete(words.slice(1), current, make);
    // `:` and `=` begin a new word for bash, which replaces only that.
    const kept = current.length - unquote(replaced).length;
    const texts = candidates.map(({ word }) => word.slice(kept));
    return lines(names, texts);
  },
  /** Asks with the words, the last of which is at the cursor. */
  zsh: (words, make) => described(words.slice(0, -1), words.at(-1), make),
  /** The same, the last one as it is typed. */
  fish: (words, make) =>
    described(words.slice(0, -1), unquote(words.at(-1) ?? ""), make),
  /** Asks with the same as JSON in base64: it passes no empty words. */
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
    // What a Windows console reads need not be UTF-8.
    return JSON.stringify(list).replaceAll(
      /[^\x20-\x7e]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ) + "\n";
  },
};

/** The words with what they are, for a shell that shows it. */
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

/** Formats the completions, one line for each. */
function lines(names: Completion["names"], texts: readonly string[]): string {
  const flags = [
    ...names === undefined ? [] : [names],
    ...texts.some((text) => /[^\w.=:-]/.test(text)) ? ["quote"] : [],
    ...texts.length === 1 && /[/=]$/.test(texts[0]) ? ["open"] : [],
  ];
  return [flags.join(" "), ...texts].map((line) => `${line}\n`).join("");
}
