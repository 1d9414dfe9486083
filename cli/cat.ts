import { Command } from "commander";
import { writeContent } from "./console.ts";
import type { Context } from "./context.ts";
import { openRepository } from "./location.ts";
import { suggesting } from "./suggest.ts";
import { treePath } from "./text.ts";

/** `deltar cat`. */
export function catCommand(context: Context): Command {
  return new Command("cat")
    .description("Write a file of a snapshot to standard output")
    .argument("<snapshot>", "an id, its beginning, latest, latest~N")
    .argument("<path>", "the file's path in the snapshot")
    .option("--repo <location>", "where snapshots are kept")
    .action(async (snapshot: string, path: string, { repo }) => {
      const repository = await openRepository(repo);
      const record = await repository.find(snapshot, { asMade: true });
      const content = await suggesting(
        repository,
        record,
        () => repository.readFile(record, treePath(path), context.signal),
      );
      for await (const part of content) writeContent(part);
    });
}
