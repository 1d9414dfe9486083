import { Command } from "commander";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { findFolder, FOLDER_HELP, pathIn, suggesting } from "./suggest.ts";

/** Makes the command `deltar cat`. */
export function catCommand(context: Context): Command {
  return new Command("cat")
    .argument("<snapshot>", FOLDER_HELP)
    .argument("<path>", "The path of the file in the snapshot")
    .action(async (snapshot: string, word: string, options: CommonOptions) => {
      const begun = await begin(context, options);
      const { repository } = begun;
      const named = await findFolder(begun, snapshot, { asMade: true });
      const { record } = named;
      const path = await pathIn(repository, named, word);
      const content = await suggesting(
        repository,
        record,
        () => repository.readFile(record, path, { signal: context.signal }),
      );
      for await (const part of content) {
        // The command ends if the program that reads the output has closed the
        // pipe.
        if (!context.terminal.writeBytes(1, part)) break;
      }
    });
}
