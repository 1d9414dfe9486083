import { basename, dirname, isAbsolute, relative, sep } from "node:path";
import { pathBelow, truePlace } from "../lib/tree/mod.ts";

/**
 * Returns the path of `place` relative to the root, `""` for the root itself,
 * or `undefined` if `place` is not in the root. A symlink at the end of the
 * path is not followed.
 */
export function pathUnder(root: string, place: string): string | undefined {
  // The path is first compared with the root without resolving symlinks,
  // because a symlink in the path must be reported and not followed.
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
