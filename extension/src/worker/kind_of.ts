import type { VersionStat } from "../shared/protocol.ts";

/**
 * Returns the kind of an entry as the extension host sees it. A hard link is a
 * `file`. A device, for example, is `special`.
 */
export function kindOf(kind: string): VersionStat["kind"] {
  if (kind === "directory" || kind === "symlink") return kind;
  return kind === "file" || kind === "hardlink" ? "file" : "special";
}
