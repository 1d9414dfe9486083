import type { VersionStat } from "../shared/protocol.ts";

/** Returns the kind of an entry as the extension names it. */
export function kindOf(kind: string): VersionStat["kind"] {
  if (kind === "directory" || kind === "symlink") return kind;
  return kind === "file" || kind === "hardlink" ? "file" : "special";
}
