import { Command } from "commander";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { recordFields } from "./record_fields.ts";
import { begin, type Shared } from "./shared.ts";
import { findSnapshot } from "./suggest.ts";
import { showText } from "./text.ts";

/** `deltar label`. */
export function labelCommand(context: Context): Command {
  return new Command("label")
    .argument("<snapshot>", "an id, its beginning, latest, latest~N")
    .argument("[text]", "what to call it")
    .action(
      async (snapshot: string, text: string | undefined, options: Shared) => {
        context.code = await run(snapshot, text, options);
      },
    );
}

async function run(
  snapshot: string,
  text: string | undefined,
  options: Shared,
): Promise<number> {
  const { out, repository } = await begin(options);
  const before = await findSnapshot(repository, snapshot);
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
