import { basename, dirname, isAbsolute, relative, sep } from "node:path";
import { pathBelow, truePlace } from "../lib/tree/mod.ts";

/**
 * Returns the path of `place` relative to `root`, `/`-separated. Returns `""`
 * for the root itself, and `undefined` if `place` is not in the root. A symlink
 * at the end of `place` is followed only if it leads to the root itself.
 */
export function pathUnder(root: string, place: string): string | undefined {
  // Symlinks in `place` are not resolved at first, so that they stay in the
  // returned path and the caller can report them.
  for (const base of [() => root, () => truePlace(root)]) {
    const way = relative(base(), place);
    if (way === "") return "";
    if (!/^\.\.(?:[\\/]|$)/.test(way) && !isAbsolute(way)) {
      return way.split(sep).join("/");
    }
  }
  const parent = pathBelow(root, dirname(place));
  if (truePlace(place) === truePlace(root)) return "";
  if (parent === undefined) return undefined;
  return parent === "" ? basename(place) : `${parent}/${basename(place)}`;
}
