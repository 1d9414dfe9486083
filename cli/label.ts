import { Command } from "commander";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { openRepository } from "./location.ts";
import { recordFields } from "./record_fields.ts";
import { showText } from "./text.ts";

interface Options {
  repo?: string;
  json?: boolean;
}

/** `deltar label`. */
export function labelCommand(context: Context): Command {
  return new Command("label")
    .description("Say what a snapshot is called; without a text, nothing")
    .argument("<snapshot>", "an id, its beginning, latest, latest~N")
    .argument("[text]", "what to call it")
    .option("--repo <location>", "where snapshots are kept")
    .option("--json", "print the result as JSON")
    .action(
      async (snapshot: string, text: string | undefined, options: Options) => {
        context.code = await run(snapshot, text, options);
      },
    );
}

async function run(
  snapshot: string,
  text: string | undefined,
  options: Options,
): Promise<number> {
  const out = new Console(options.json ?? false);
  const repository = await openRepository(options.repo);
  const before = await repository.find(snapshot);
  const record = await repository.label(before, text || undefined);
  if (out.json) out.object("label", recordFields(record));
  else {
    const was = before.label === undefined
      ? ""
      : `, and was ${quote(before.label)}`;
    const now = record.label === undefined
      ? "has no label"
      : `is labelled ${quote(record.label)}`;
    out.line(`${record.id} ${now}${was}`);
  }
  return EXIT.done;
}

function quote(label: string): string {
  return showText(JSON.stringify(label));
}
