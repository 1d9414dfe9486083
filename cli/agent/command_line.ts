import { ownCommand } from "../invocation.ts";
import { deltarFile } from "../../shared/program_files.ts";
import { shellWord } from "../text.ts";

/** A command as lines for the shells in which agents run hooks. */
export interface CommandLine {
  /** The words of the command. */
  words: string[];
  /** For sh and bash. */
  posix: string;
  /** For cmd and for bash on Windows. */
  windows: string;
  /** For PowerShell. */
  powershell: string;
  /** Whether the lines work on other machines, too. */
  isPortable: boolean;
}

/**
 * Returns the words that start deltar from a configuration file: the name
 * `deltar` in the files of a project, which others may share, and the absolute
 * path in files below the home folder, because a program with windows may have
 * another `PATH` than the terminal. If `deltar` is not on the `PATH`, returns
 * the words that run this program.
 *
 * @param isShared Whether the file is part of a project.
 */
export function deltarWords(isShared: boolean): string[] {
  const file = deltarFile();
  if (file === undefined) return ownCommand();
  return [isShared ? "deltar" : file];
}

/**
 * Returns the lines that run a command. For sh, the line changes to `/` first,
 * because neither the single binary nor Deno can start in a deleted directory.
 * Windows does not delete the current directory of a running program.
 *
 * @param words The words that start deltar, from `deltarWords`.
 * @param more The words that follow.
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

/** Returns a word that cmd and bash on Windows understand in the same way. */
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
