import type { Repository } from "../mod.ts";
import { Console } from "./console.ts";
import { absolute } from "./location.ts";
import { openRepository } from "./open_repository.ts";

/** The options of most commands. */
export interface Shared {
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
  { repo, dir = ".", json = false }: Shared,
  how?: Parameters<typeof openRepository>[2],
): Promise<Begun> {
  const place = absolute(dir);
  return {
    out: new Console(json),
    repository: await openRepository(repo, place, how),
    place,
  };
}
