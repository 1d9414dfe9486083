import type * as NodeFs from "node:fs";
import { encodeName } from "./raw_name.ts";

/**
 * Returns a path of the operating system in the form that `node:fs` accepts in
 * Node: a string or, if the path is not valid UTF-8, its bytes.
 */
export function toNodePath(path: string): NodeFs.PathLike {
  return path.isWellFormed() ? path : encodeName(path) as NodeFs.PathLike;
}
