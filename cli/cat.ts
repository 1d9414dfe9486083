import { Command } from "commander";
import { writeContent } from "./console.ts";
import type { Context } from "./context.ts";
import { openRepository } from "./open_repository.ts";
import { findSnapshot, suggesting } from "./suggest.ts";
import { treePath } from "./text.ts";

/** `deltar cat`. */
export function catCommand(context: Context): Command {
  return new Command("cat")
    .argument("<snapshot>", "an id, its beginning, latest, latest~N")
    .argument("<path>", "the file's path in the snapshot")
    .action(async (snapshot: string, path: string, { repo }) => {
      const repository = await openRepository(repo);
      const record = await findSnapshot(repository, snapshot, { asMade: true });
      const content = await suggesting(
        repository,
        record,
        () =>
          repository.readFile(record, treePath(path), {
            signal: context.signal,
          }),
      );
      for await (const part of content) writeContent(part);
    });
}
