import { codeOf, errorMessage } from "../bytes/errors.ts";
import type { Folder, OpenFile } from "./folder.ts";
import { decodeName } from "./raw_name.ts";

/** The maximum size of an ignore file, in bytes. */
export const MAX_RULE_FILE_BYTES = 1 << 20;

/** The name of the file that marks a folder as a cache. */
export const CACHE_TAG = "CACHEDIR.TAG";

/**
 * The first bytes of a `CACHEDIR.TAG`, according to the Cache Directory Tagging
 * Specification.
 */
const CACHE_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55";

/**
 * Returns whether a folder has a valid `CACHEDIR.TAG`: a regular file that can
 * be read and begins with the signature.
 *
 * @param folder An open folder.
 */
export function isCache(folder: Folder): boolean {
  let file: OpenFile | undefined;
  try {
    file = folder.openFile(CACHE_TAG);
    const bytes = new Uint8Array(CACHE_SIGNATURE.length);
    const length = readInto(file, bytes);
    return new TextDecoder().decode(bytes.subarray(0, length)) ===
      CACHE_SIGNATURE;
  } catch {
    return false;
  } finally {
    file?.close();
  }
}

/**
 * The text of an ignore file, or the reason why the file cannot be used.
 */
export interface RuleFile {
  /** The text; `undefined` if the file does not exist or cannot be used. */
  text?: string;
  /** The reason why the rules of an existing file are not applied. */
  fault?: string;
  /** Whether the file exists but cannot be read. */
  isUnreadable?: boolean;
  /** The user ID of the owner, if the file was read. */
  uid?: number;
}

/**
 * Reads an ignore file, which must be a regular file of at most 1 MiB. No
 * symlink is followed below the folder.
 *
 * @param folder An open folder.
 * @param path The file's path below the folder.
 */
export function readRuleFile(folder: Folder, path: string): RuleFile {
  const segments = path.split("/");
  const [name] = segments.splice(-1);
  const opened: Folder[] = [];
  let at = folder;
  try {
    for (const segment of segments) {
      const kind = at.statAt(segment)?.kind;
      if (kind === "symlink") {
        return unusable("a folder on the path is a symlink");
      }
      // In a linked work tree of git, `.git` is a file, and the rules are in
      // another folder.
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

/**
 * Reads the beginning of a file into a buffer. Returns the number of bytes that
 * were read, which is less than the size of the buffer only at the file's end.
 */
function readInto(file: OpenFile, bytes: Uint8Array): number {
  let length = 0;
  while (length < bytes.length) {
    const got = file.read(bytes.subarray(length), length);
    if (got === 0) break;
    length += got;
  }
  return length;
}

function readText(file: OpenFile): RuleFile {
  // Up to one byte more than the limit is read, to detect a file that is too
  // large.
  const bytes = new Uint8Array(
    Math.min(file.stat().size, MAX_RULE_FILE_BYTES) + 1,
  );
  const length = readInto(file, bytes);
  if (length > MAX_RULE_FILE_BYTES) {
    return unusable("the file is larger than 1 MiB");
  }
  return {
    text: decodeName(bytes.subarray(0, length)),
    uid: file.stat().uid,
  };
}

function faultOf(error: unknown): RuleFile {
  switch (codeOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
    // A folder with the name of an ignore file contains no rules.
    case "EISDIR":
      return {};
    case "ELOOP":
      return unusable("the file is a symlink");
    case "ENXIO":
      return unusable("the file is a socket, pipe or device");
    default:
      return { ...unusable(errorMessage(error)), isUnreadable: true };
  }
}

function unusable(why: string): RuleFile {
  return { fault: `the exclude rules are not applied: ${why}` };
}
