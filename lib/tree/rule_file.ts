import { codeOf, errorMessage } from "../bytes/errors.ts";
import type { Folder, OpenFile } from "./folder.ts";

/** The most bytes that a file with exclusion rules may have. */
export const RULE_FILE_LIMIT = 1 << 20;

/** The text of a file with exclusion rules, or why it cannot be used. */
export interface RuleFile {
  /** Its text; `undefined` if there is no such file, or it is of no use. */
  text?: string;
  /** Why its rules are not applied. */
  fault?: string;
  /** Whether it is a file that the system refuses to read. */
  isUnreadable?: boolean;
  /** The number of its owner. */
  uid?: number;
}

/**
 * Reads a file with exclusion rules: a regular file of limited size, not through
 * a symlink, as git does.
 *
 * @param folder An open folder.
 * @param path The file's path below it.
 */
export function readRuleFile(folder: Folder, path: string): RuleFile {
  const segments = path.split("/");
  const [name] = segments.splice(-1);
  const opened: Folder[] = [];
  let at = folder;
  try {
    for (const segment of segments) {
      const kind = at.statAt(segment)?.kind;
      if (kind === "symlink") return unusable("a symlink is on the way to it");
      // A work tree has its rules elsewhere: `.git` is a file there.
      if (kind !== "directory") return {};
      opened.push(at = at.openFolder(segment));
    }
    const file = at.openFile(name);
    try {
      return readText(file);
    } finally {
      file.close();
    }
  } catch (error) {
    return faultOf(error);
  } finally {
    for (const one of opened) one.close();
  }
}

function readText(file: OpenFile): RuleFile {
  // One byte more shows a file that is too large.
  const bytes = new Uint8Array(
    Math.min(file.stat().size, RULE_FILE_LIMIT) + 1,
  );
  let length = 0;
  while (length < bytes.length) {
    const got = file.read(bytes.subarray(length), length);
    if (got === 0) break;
    length += got;
  }
  if (length > RULE_FILE_LIMIT) return unusable("it is larger than 1 MiB");
  return {
    text: new TextDecoder().decode(bytes.subarray(0, length)),
    uid: file.stat().uid,
  };
}

function faultOf(error: unknown): RuleFile {
  switch (codeOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
    // A folder of that name holds no rules.
    case "EISDIR":
      return {};
    case "ELOOP":
      return unusable("it is a symlink");
    case "ENXIO":
      return unusable("it is a socket, pipe or device");
    default:
      return { ...unusable(errorMessage(error)), isUnreadable: true };
  }
}

function unusable(why: string): RuleFile {
  return { fault: `its exclusion rules are not applied: ${why}` };
}
