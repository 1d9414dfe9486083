import { statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import process from "node:process";

/**
 * Returns the files that the name of a program can refer to, in the order in
 * which the system tries them. A name with a slash is itself a path. Any other
 * name is looked for in the folders of `PATH`. On Windows, the extensions in
 * `PATHEXT` are added to the name.
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
 * program, or `undefined` if there is none. Files in the current directory are
 * ignored.
 *
 * @param name The name or path of the program.
 */
export function programFile(name: string): string | undefined {
  const files = programFiles(name).filter((file) => isAbsolute(file));
  // npm puts a script for sh, which has no extension and which Windows cannot
  // run, next to `deltar.cmd`.
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
