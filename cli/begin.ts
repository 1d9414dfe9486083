import type { Repository } from "../mod.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { absolute } from "./location.ts";
import { type OpenOptions, openRepository } from "./open_repository.ts";

/** The options of most commands. */
export interface CommonOptions {
  /** Where snapshots are kept. */
  repo?: string;
  /** The directory whose snapshots are meant, or a folder in it. */
  dir?: string;
  /** Whether the result is printed as JSON. */
  json?: boolean;
}

/** The things that most commands begin with. */
export interface Begun {
  /** Somewhere to speak. */
  out: Console;
  /** The repository. */
  repository: Repository;
  /** Where the user stands: in the directory that `latest` is of. */
  place: string;
}

/** Opens the repository for the place where the user stands. */
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
