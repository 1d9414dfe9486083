import type { Repository } from "../mod.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { absolute } from "./location.ts";
import { type OpenOptions, openRepository } from "./open_repository.ts";

/** The options of most commands. */
export interface CommonOptions {
  /** The location of the repository. */
  repo?: string;
  /** The directory of the snapshots to use, or a folder in this directory. */
  dir?: string;
  /** Whether the result is printed as JSON. */
  json?: boolean;
}

/** The output, repository and directory that most commands work with. */
export interface Begun {
  /** The output. */
  out: Console;
  /** The repository. */
  repository: Repository;
  /**
   * The absolute path of the directory of the snapshots to use, or of a folder
   * in this directory.
   */
  place: string;
}

/**
 * Prepares the output, and opens the repository that `--repo` or the
 * environment names, or else the repository of the directory.
 */
export async function begin(
  context: Context,
  { repo, dir = ".", json = false }: CommonOptions,
  how?: OpenOptions,
): Promise<Begun> {
  const place = absolute(dir);
  return {
    out: new Console(context, json),
    repository: await openRepository(context, repo, place, how),
    place,
  };
}
