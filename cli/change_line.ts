import type { Change, Skipped } from "../mod.ts";
import { isFault, isTouched, pathOf } from "../lib/tree/mod.ts";
import type { ChangeOfBoth } from "./change_words.ts";
import { paint } from "./terminal.ts";
import { showPath, showText } from "./text.ts";

/** The sign and color of each kind of change. */
export const SIGNS = {
  created: ["+", "green"],
  updated: ["~", "yellow"],
  touched: ["t", "dim"],
  deleted: ["-", "red"],
  renamed: [">", "cyan"],
  copied: ["=", "cyan"],
} as const;

/** Returns whether a path exists in both states, and was not moved. */
export function isOfBoth(change: Change): change is ChangeOfBoth {
  return change.change === "updated" || change.change === "touched";
}

/**
 * Returns a line with a sign and a path. The path of a directory ends in `/`.
 *
 * @param words The result of `changeWords`.
 */
export function changeLine(
  change: Change,
  skip: Skipped | undefined,
  words: readonly string[],
): string {
  const entry = change.change === "deleted" ? change.before : change.entry;
  const path = showPath(entry.path || ".") +
    (entry.kind === "directory" ? "/" : "");
  const moved = change.change === "renamed" || change.change === "copied";
  const from = moved ? `${showPath(change.from)} -> ` : "";
  if (skip !== undefined) {
    const why = showText(skip.detail ?? skip.reason);
    const verb = isFault(skip) ? "skipped" : "excluded";
    return paint("yellow", `? ${path} was ${verb}: ${why}`);
  }
  const [sign, color] = SIGNS[signOf(change)];
  const what = words.length > 0 ? `: ${words.join(", ")}` : "";
  return paint(color, `${sign} ${from}${path}${what}`);
}

/** Returns the kind of a change; a change of hard links only is `touched`. */
export function signOf(change: Change): Change["change"] {
  return isTouched(change) ? "touched" : change.change;
}

/**
 * Returns the reason why a path only looks deleted: the new state excluded or
 * skipped the path or a folder above it. Returns `undefined` for other changes.
 */
export function skipOf(
  change: Change,
  skips: ReadonlyMap<string, Skipped>,
): Skipped | undefined {
  if (change.change !== "deleted" || skips.size === 0) return undefined;
  const path = pathOf(change);
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const skip = skips.get(path.slice(0, end));
    if (skip !== undefined) return skip;
  }
  return undefined;
}
