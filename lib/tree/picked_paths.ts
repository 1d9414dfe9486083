import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The names that a walk limited to picked paths visits in one folder. If the
 * value of a name is `"all"`, the walk also visits everything below this name.
 * Otherwise, the name belongs to a folder, and the value has the names that the
 * walk visits in that folder.
 */
export type PickedNames = Map<string, PickedNames | "all">;

/**
 * Returns the names that a walk limited to the given paths visits in the root
 * of a directory.
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
 * Yields the picked paths at or below a path.
 *
 * @param path The path below the root.
 * @param picked The picked names in the folder at this path, or `"all"` if the
 * path itself was picked.
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

/** Returns the SHA-256 of a list of paths as JSON, in hexadecimal. */
export function sumOfPaths(paths: readonly string[]): string {
  return toHex(sha256(new TextEncoder().encode(JSON.stringify(paths))));
}
