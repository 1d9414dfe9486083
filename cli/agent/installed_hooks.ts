import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { programFile } from "../../shared/program_files.ts";
import { filesOf } from "./host_files.ts";
import type { Host, Scope } from "./hosts.ts";
import { hookWordsIn } from "./installation.ts";

/** A hook in the files of a host. */
export interface InstalledHook {
  scope: Scope;
  /** The words of the hook's command. */
  words: string[];
  /**
   * The program or script that does not exist although the command needs it.
   * Absent if nothing is missing.
   */
  missing?: string;
}

/**
 * Returns the hooks of deltar in the files of a host: at most one for all
 * projects and one for the current project.
 *
 * @throws {DeltarError} `io` if a file cannot be read; `corrupt` if a file is
 * not valid.
 */
export function installedHooks(host: Host): InstalledHook[] {
  return (["user", "project"] as const).flatMap((scope) => {
    for (const file of filesOf(host, scope)) {
      const words = hookWordsIn(file);
      if (words !== undefined) {
        return [{ scope, words, missing: missingIn(words) }];
      }
    }
    return [];
  });
}

/**
 * Returns the program or script that does not exist although a command needs
 * it, or `undefined` if nothing is missing.
 */
function missingIn([program, ...more]: readonly string[]): string | undefined {
  const isThere = isAbsolute(program)
    ? exists(program)
    : programFile(program) !== undefined;
  if (!isThere) return program;
  const others = more.slice(0, more.indexOf("hook"));
  return others.find((word) => isAbsolute(word) && !exists(word));
}

/**
 * Returns whether a file exists. For a network path, returns `true` without a
 * check, because a file of a project could name any machine, and Windows would
 * try to log in to that machine.
 */
function exists(path: string): boolean {
  return /^[\\/]{2}/.test(path) || existsSync(path);
}
