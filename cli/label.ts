import { Command } from "commander";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { parseLabel } from "./label_text.ts";
import { recordFields } from "./record_fields.ts";
import { findSnapshot, SNAPSHOT_HELP } from "./suggest.ts";
import { showText } from "./text.ts";

interface Options extends CommonOptions {
  remove?: boolean;
}

/** Makes the command `deltar label`. */
export function labelCommand(context: Context): Command {
  return new Command("label")
    .argument("<snapshot>", SNAPSHOT_HELP)
    .argument(
      "[text]",
      "The new label (default: print the label)",
      parseLabel,
    )
    .option("--remove", "Remove the label")
    .action(
      async (
        snapshot: string,
        text: string | undefined,
        options: Options,
        command: Command,
      ) => {
        if (options.remove && text) {
          command.error("error: '--remove' takes no text", {
            exitCode: EXIT.usage,
          });
        }
        context.code = await run(context, snapshot, text, options);
      },
    );
}

async function run(
  context: Context,
  snapshot: string,
  text: string | undefined,
  options: Options,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const before = await findSnapshot(begun, snapshot);
  const isAsked = text === undefined && !options.remove;
  const record = isAsked
    ? before
    : await repository.label(before, text || undefined);
  if (out.json) {
    out.object("label", recordFields(record));
    return EXIT.done;
  }
  const now = record.label === undefined
    ? "has no label"
    : `has the label ${quote(record.label)}`;
  const was = isAsked || before.label === undefined
    ? ""
    : ` (before: ${quote(before.label)})`;
  out.line(`${record.id} ${now}${was}`);
  return EXIT.done;
}

function quote(label: string): string {
  return showText(JSON.stringify(label));
}
