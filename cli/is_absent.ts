import { lstatSync, type PathLike } from "node:fs";
import { encodeName } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";

/** Returns whether nothing exists at a path of this system. */
export function isAbsent(place: string): boolean {
  const path = place.isWellFormed() ? place : encodeName(place) as PathLike;
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch (error) {
    // A part of the path is a file, so the path does not exist.
    if (codeOf(error) === "ENOTDIR") return true;
    throw error;
  }
}
