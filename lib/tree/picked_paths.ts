import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The names that a limited walk visits in one folder. A name with the value
 * `"all"` was picked with everything below it. Every other name belongs to a
 * folder that contains picked paths.
 */
export type PickedNames = Map<string, PickedNames | "all">;

/**
 * Returns the picked names in the root of a directory for the paths that a walk
 * is limited to.
 *
 * @param paths The paths below the root, in any order.
 */
export function pickedNames(paths: Iterable<string>): PickedNames {
  const root: PickedNames = new Map();
  for (const path of paths) {
    let folder = root;
    const names = path.split("/");
    const last = names.length - 1;
    for (let depth = 0; depth <= last; depth++) {
      const name = names[depth];
      const found = folder.get(name);
      if (found === "all") break;
      if (depth === last) folder.set(name, "all");
      else if (found !== undefined) folder = found;
      else {
        const below: PickedNames = new Map();
        folder.set(name, below);
        folder = below;
      }
    }
  }
  return root;
}

/**
 * Yields the picked paths at or below the path of a picked name.
 *
 * @param path The path of the name below the root.
 * @param picked The picked names below this path, or `"all"`.
 */
export function* pathsBelow(
  path: string,
  picked: PickedNames | "all",
): Generator<string> {
  if (picked === "all") yield path;
  else {
    for (const [name, below] of picked) {
      yield* pathsBelow(`${path}/${name}`, below);
    }
  }
}

/** Returns the SHA-256 of a list of paths, in hexadecimal. */
export function sumOfPaths(paths: readonly string[]): string {
  return toHex(sha256(new TextEncoder().encode(JSON.stringify(paths))));
}
