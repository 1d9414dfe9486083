import { Command } from "commander";
import { DeltarError } from "../mod.ts";
import { isPartOfId, type RemovedSnapshot } from "../lib/repository/mod.ts";
import { plural } from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { formatDate, showPath, showText } from "./text.ts";

/** Makes the command `deltar undelete`. */
export function undeleteCommand(context: Context): Command {
  return new Command("undelete")
    .argument(
      "[snapshots...]",
      "Ids of removed snapshots, or beginnings or ends of these ids (default: " +
        "list all)",
    )
    .action(async (snapshots: string[], options: CommonOptions) => {
      context.code = await run(context, snapshots, options);
    });
}

async function run(
  context: Context,
  names: string[],
  options: CommonOptions,
): Promise<number> {
  const { out, repository } = await begin(context, options);
  const removed = await repository.removed();
  if (names.length === 0) {
    list(out, removed);
    return EXIT.done;
  }
  const ids = new Set(names.map((name) => findRemoved(removed, name)));
  for (const id of ids) {
    await repository.undelete(id);
    if (!out.json) out.line(`Brought ${id} back.`);
  }
  if (out.json) out.object("undelete", { broughtBack: [...ids] });
  return EXIT.done;
}

function list(out: Console, removed: readonly RemovedSnapshot[]): void {
  if (out.json) {
    const snapshots = removed.map(({ id, time, reason, record }) => ({
      id,
      removed: new Date(time).toISOString(),
      reason,
      directory: record?.directory,
      label: record?.label,
    }));
    out.object("removed", { snapshots });
    return;
  }
  for (const { id, time, reason, record } of removed) {
    const what = record === undefined
      ? "the record is damaged"
      : showPath([record.label, record.directory].filter(Boolean).join("  "));
    out.line(
      `${id}  removed ${formatDate(time)} (${showText(reason)})  ${what}`,
    );
  }
  out.line(
    `${plural(removed.length, "removed snapshot")} can be brought back.`,
  );
}

function findRemoved(
  removed: readonly RemovedSnapshot[],
  text: string,
): string {
  const found = removed.filter(({ id }) => isPartOfId(text, id));
  if (found.length === 1 && text !== "") return found[0].id;
  throw new DeltarError(
    "not-found",
    found.length === 0
      ? `no removed snapshot has an id that begins or ends with ` +
        `${
          JSON.stringify(text)
        }; \`deltar undelete\` lists all removed snapshots`
      : `${found.length} removed snapshots have ids that begin or end with ` +
        `${JSON.stringify(text)}; add more characters`,
  );
}
