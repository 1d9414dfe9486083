import type { Metadata } from "./entry.ts";
import { withJson } from "./to_json.ts";

/** Returns whether the path of a directory is a Windows path. */
export function isOfWindows(directory: string): boolean {
  return /^(?:[A-Za-z]:[\\/]|\\\\)/.test(directory);
}

/**
 * Returns an entry that was stored on Windows, with a usable mode. Earlier
 * versions of deltar stored 0666 for all entries on Windows, or 0444 for
 * read-only entries. On another system, only root could enter a folder with
 * such a mode.
 */
export function asOfWindows<Of extends Metadata & { kind?: string }>(
  entry: Of,
): Of {
  const { mode, kind = "directory" } = entry;
  if (mode !== 0o666 && mode !== 0o444) return entry;
  const isFolder = kind === "directory";
  return withJson({ ...entry, mode: isFolder ? 0o755 : mode & 0o644 });
}
