import { Buffer } from "node:buffer";
import process from "node:process";
import { decodeName } from "../lib/tree/mod.ts";
import type { PatchPart } from "./git_patch.ts";
import { paint } from "./terminal.ts";
import { showText } from "./text.ts";

/** The colors of git. */
const COLORS = {
  header: "bold",
  range: "cyan",
  deleted: "red",
  inserted: "green",
  plain: undefined,
} as const;

/**
 * Returns the bytes of a part of a patch. If standard output is a terminal, the
 * part is colored, and bytes that are not valid UTF-8 and control characters
 * are escaped. Tabs and line breaks are not escaped. If standard output is not
 * a terminal, the bytes are unchanged.
 */
export function patchBytes({ kind, text }: PatchPart): Uint8Array {
  const bytes = Buffer.from(text, "latin1");
  if (!process.stdout.isTTY) return bytes;
  const color = COLORS[kind];
  const shown = decodeName(bytes).split(/([\t\n])/).map((part, at) => {
    if (at % 2 === 1 || part === "") return part;
    const safe = showText(part);
    return color === undefined ? safe : paint(color, safe);
  });
  return Buffer.from(shown.join(""));
}
