import { Command } from "commander";
import type { RepairResult } from "../mod.ts";
import { plural } from "../shared/text.ts";
import type { CommonOptions } from "./begin.ts";
import { beginCheck } from "./begin_check.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { showPath } from "./text.ts";

interface Options extends CommonOptions {
  dryRun?: boolean;
}

/** Makes the command `deltar repair`. */
export function repairCommand(context: Context): Command {
  return new Command("repair")
    .option("--dry-run", "Show what would change without changing anything")
    .addHelpText("after", NOTES)
    .action(async (options: Options) => {
      context.code = await run(context, options);
    });
}

const NOTES = `
repair first reads every byte of the repository. It replaces each partly
damaged snapshot with a new snapshot that omits the lost files and lists them as
lost. It moves the old record to damaged/. The next \`deltar snapshot\` stores
again the files that are still in the directory.

Exit codes: 0 nothing is lost, 1 the command failed, 3 some files or snapshots
are lost; the output names them.`;

async function run(context: Context, options: Options): Promise<number> {
  const { signal } = context;
  const { out, repository, onProgress } = await beginCheck(
    context,
    options,
    "verifying",
  );
  const { dryRun = false } = options;
  const result = await repository.repair({ dryRun, signal, onProgress });
  const isLossy = result.lost.length > 0 ||
    result.replaced.some(({ lost, unknown }) => lost.length + unknown.length);
  if (out.json) {
    const { location } = repository.storage;
    out.object("repair", { repository: location, dryRun, ...result });
  } else tell(out, result, dryRun);
  return isLossy ? EXIT.partial : EXIT.done;
}

function tell(out: Console, result: RepairResult, dryRun: boolean): void {
  const { damage, mended, setAside, replaced, lost } = result;
  if (damage.length === 0) {
    out.line("Nothing is damaged. Nothing was changed.");
    return;
  }
  const would = dryRun ? "would be " : "";
  for (const name of mended) out.line(`${showPath(name)}: ${would}repaired`);
  for (const id of lost) out.line(`${id}: lost; none of its files can be read`);
  for (const { id, by, lost, unknown, storedAgain } of replaced) {
    out.line(`${id}: ${would}replaced${by === undefined ? "" : ` by ${by}`}`);
    if (storedAgain > 0) {
      out.line(
        `  ${plural(storedAgain, "file")} in damaged volumes: ${would}stored ` +
          "again",
      );
    }
    if (lost.length + unknown.length === 0) out.line("  nothing is lost");
    for (const path of lost) out.line(`  lost: ${showPath(path)}`);
    for (const { from, to } of unknown) {
      const end = to === undefined
        ? "on"
        : `up to, but not including, ${showPath(to)}`;
      out.line(`  lost: every path from ${showPath(from)} ${end}`);
    }
  }
  const copies = setAside.length;
  out.line(
    `Found ${plural(damage.length, "damaged object")}. ` +
      `${dryRun ? "Would move" : "Moved"} ${plural(copies, "object")} to ` +
      "damaged/. " +
      (dryRun
        ? "Nothing was changed."
        : "Take a snapshot now, so that the files that are still in the " +
          "directory are stored again."),
  );
}
