import { statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import process from "node:process";

/**
 * Returns the paths of the existing files that the name of a program can refer
 * to, in the order in which the system tries them. A name with a slash is
 * itself a path. Any other name is searched for in the folders of `PATH`. On
 * Windows, the name is tried as it is and with each extension in `PATHEXT`.
 */
export function programFiles(name: string): string[] {
  const isWindows = process.platform === "win32";
  const { PATH = isWindows ? "" : "/usr/bin:/bin", PATHEXT } = process.env;
  const extensions = isWindows
    ? ["", ...(PATHEXT ?? ".COM;.EXE;.BAT;.CMD").split(";")]
    : [""];
  const isPath = (isWindows ? /[\\/:]/ : /\//).test(name);
  // An empty entry in `PATH` means the current folder. Windows always searches
  // the current folder first.
  const folders = [...isWindows ? [""] : [], ...PATH.split(delimiter)];
  return (isPath ? [name] : folders.map((folder) => join(folder, name)))
    .flatMap((file) => extensions.map((extension) => file + extension))
    .filter(isFile);
}

/**
 * Returns the absolute path of the file that the system runs for the name of a
 * program, or `undefined` if there is none. Relative paths, such as those of
 * files in the current directory, are ignored.
 *
 * @param name The name or path of the program.
 */
export function programFile(name: string): string | undefined {
  const files = programFiles(name).filter((file) => isAbsolute(file));
  // Next to `deltar.cmd`, npm puts a script for sh that has no extension.
  // Windows cannot run this script.
  return process.platform === "win32"
    ? files.find((file) => /\.(?:exe|cmd|bat|com)$/i.test(file))
    : files[0];
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
