import type { VersionStat } from "../shared/protocol.ts";

/** Returns the extension's name for the kind of an entry. */
export function kindOf(kind: string): VersionStat["kind"] {
  if (kind === "directory" || kind === "symlink") return kind;
  return kind === "file" || kind === "hardlink" ? "file" : "special";
}
