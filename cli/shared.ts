import type { Repository } from "../mod.ts";
import { Console } from "./console.ts";
import { openRepository } from "./open_repository.ts";

/** What most commands are told. */
export interface Shared {
  /** Where snapshots are kept. */
  repo?: string;
  /** Whether the result is printed as JSON. */
  json?: boolean;
}

/** What most commands begin with: somewhere to speak, and the repository. */
export async function begin(
  { repo, json = false }: Shared,
): Promise<{ out: Console; repository: Repository }> {
  return { out: new Console(json), repository: await openRepository(repo) };
}
