import { ownCommand } from "../invocation.ts";
import { programFile } from "../../shared/program_files.ts";
import { shellWord } from "../text.ts";

/** A command, with one line for each shell in which an agent can run it. */
export interface CommandLine {
  /** The words of the command. */
  words: string[];
  /** The line for sh and bash on Linux and macOS. */
  posix: string;
  /** The line for cmd and bash on Windows. */
  windows: string;
  /** The line for PowerShell. */
  powershell: string;
  /**
   * Whether the lines also work on other machines that have `deltar` on the
   * `PATH`.
   */
  isPortable: boolean;
}

/**
 * Returns the words that a configuration file needs to start deltar. For a file
 * of a project, which might be used on other machines, the only word is
 * `deltar`. For a file of the user's own settings, the only word is the path of
 * deltar, because a graphical program can have a different `PATH` than the
 * terminal. If `deltar` is not on the `PATH`, returns the words that run this
 * program.
 *
 * @param isShared Whether the file is part of a project.
 */
export function deltarWords(isShared: boolean): string[] {
  const file = programFile("deltar");
  if (file === undefined) return ownCommand();
  return [isShared ? "deltar" : file];
}

/**
 * Returns the lines that run a command. The line for sh changes to `/` first,
 * because neither the single binary nor Deno can start in a deleted directory.
 * The other lines do not need this: Windows does not delete the current
 * directory of a running program.
 *
 * @param words The words that start deltar, from `deltarWords`.
 * @param more The arguments that follow these words.
 */
export function commandLine(
  words: readonly string[],
  more: readonly string[],
): CommandLine {
  const all = [...words, ...more];
  return {
    words: all,
    posix: `cd / && ${all.map(shellWord).join(" ")}`,
    windows: all.map(windowsWord).join(" "),
    powershell: powershellLine(all),
    isPortable: words.length === 1 && words[0] === "deltar",
  };
}

const PLAIN = /^[\w@%+=:,.\\/~-]+$/;

/**
 * Returns a word in a form that cmd and bash on Windows read as the same word:
 * with slashes instead of backslashes, and quoted if necessary.
 */
function windowsWord(word: string): string {
  const slashed = word.replaceAll("\\", "/");
  return PLAIN.test(slashed) ? slashed : `"${slashed}"`;
}

function powershellLine(words: readonly string[]): string {
  const quoted = words.map((word) =>
    PLAIN.test(word) ? word : `'${word.replaceAll("'", "''")}'`
  );
  return (quoted[0].startsWith("'") ? "& " : "") + quoted.join(" ");
}
