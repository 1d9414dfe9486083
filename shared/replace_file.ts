import { randomUUID } from "node:crypto";
import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";

/** Options for replacing a file. */
interface ReplaceOptions {
  /** The permission bits of the file. Default: those that the system sets. */
  mode?: number;
  /** Whether the text is flushed to the disk. */
  flush?: boolean;
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
    // The system has removed the bits of the umask from the mode.
    if (mode !== undefined) chmodSync(temporary, mode);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
