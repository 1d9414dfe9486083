import { fs, nodePath } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import { temporaryName } from "./temporary.ts";

/**
 * The end of the name of a test file. It has letters of both cases and makes
 * the name longer than some old file systems allow, to detect file systems that
 * change or shorten names.
 */
const SUFFIX = "Probe-of-NAMES.aZ";

/**
 * Checks that a folder lists names as they were written. On a file system that
 * changes the case of names, objects would be stored but never found again.
 *
 * @param folder The path of the folder.
 * @throws {DeltarError} `unsupported` if the file system changes names; `io` if
 *   the folder cannot be written to.
 */
export function checkNamesIn(folder: string): void {
  const name = temporaryName(SUFFIX);
  const place = nodePath.join(folder, name);
  let listed: string[];
  try {
    fs.closeSync(fs.openSync(place, "wx", 0o600));
    try {
      listed = fs.readdirSync(folder);
    } finally {
      fs.rmSync(place, { force: true });
    }
  } catch (cause) {
    if (cause instanceof DeltarError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DeltarError("io", reason, { object: folder, cause });
  }
  if (listed.includes(name)) return;
  const other = listed.find((one) => one.toLowerCase() === name.toLowerCase());
  const what = other === undefined
    ? "does not list files by the names under which they were created"
    : "changes the case of names";
  throw new DeltarError(
    "unsupported",
    `the file system of the folder ${what}, so deltar would not find the ` +
      "snapshots that it stores there; choose a folder on another disk, or " +
      "mount this disk with options that keep names unchanged",
    { object: folder },
  );
}
