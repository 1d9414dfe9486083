import { randomUUID } from "node:crypto";
import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { codeOf } from "./error_code.ts";

/** Options for replacing a file. */
interface ReplaceOptions {
  /**
   * The permission bits of the file. Default: those that the system gives to a
   * new file.
   */
  mode?: number;
  /** Whether the text is flushed to the disk. Default: `false`. */
  flush?: boolean;
}

/**
 * Sets the permission bits of a new file, because the system has removed the
 * bits of the umask from them. Does nothing if the file system has no
 * permissions.
 */
function setMode(file: string, mode: number): void {
  try {
    chmodSync(file, mode);
  } catch (error) {
    if (!["EPERM", "ENOTSUP"].includes(String(codeOf(error)))) throw error;
  }
}

/**
 * Writes a file in an existing folder, so that a reader sees either the
 * previous text or the whole new text.
 */
export function replaceFile(
  file: string,
  text: string,
  { mode, flush }: ReplaceOptions = {},
): void {
  const temporary = `${file}.deltar-${randomUUID()}`;
  try {
    writeFileSync(temporary, text, { mode, flag: "wx", flush });
    if (mode !== undefined) setMode(temporary, mode);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
