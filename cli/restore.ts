import { resolve } from "node:path";
import { Command, Option } from "commander";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { cacheFolder } from "./location.ts";
import { printPlan, printResult, tellProgress } from "./restore_report.ts";
import { begin, type Shared } from "./shared.ts";
import { findSnapshot, suggesting } from "./suggest.ts";
import { showPath, treePath } from "./text.ts";
import { askingForTrust, trustOption } from "./trust.ts";

interface Options extends Shared {
  to?: string;
  inPlace?: boolean;
  delete?: boolean;
  rootAttributes?: boolean;
  trustRepository?: boolean;
  dryRun?: boolean;
}

/** `deltar restore`. */
export function restoreCommand(context: Context): Command {
  return new Command("restore")
    .description(
      "Restore a snapshot, or some paths of it: only what differs is written, " +
        "and what is overwritten is kept for `undo`",
    )
    .argument("<snapshot>", "an id, its beginning, latest, latest~N")
    .argument("[path...]", "only these files and folders")
    .option("--to <dir>", "the directory, which need not be there or empty")
    .addOption(
      new Option("--in-place", "into the directory that the snapshot is of")
        .conflicts("to"),
    )
    .option(
      "--delete",
      "remove what the snapshot lacks; never what it left out by its rules",
    )
    .option(
      "--root-attributes",
      "give a directory that is there the snapshot's mode, owner and time",
    )
    .addOption(trustOption())
    .option("--dry-run", "only print what would be done")
    .action(async (
      snapshot: string,
      paths: string[],
      options: Options,
      command: Command,
    ) => {
      if (options.to === undefined && !options.inPlace) {
        command.error("error: say where to: `--to <dir>` or `--in-place`", {
          exitCode: EXIT.usage,
        });
      }
      context.code = await run(snapshot, paths, options, context.signal);
    });
}

async function run(
  snapshot: string,
  paths: string[],
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const { out, repository } = await begin(options);
  const record = await findSnapshot(repository, snapshot, { asMade: true });
  const target = resolve(options.to ?? record.directory);
  const started = performance.now();
  const chosen = paths.map(treePath);
  const work = {
    ...chosen.length > 0 && !chosen.includes("") && { paths: chosen },
    delete: options.delete ?? false,
    rootAttributes: options.rootAttributes ?? false,
    apart: [cacheFolder()],
    signal,
  };
  const trust = options.trustRepository ?? false;
  if (options.dryRun) {
    const plan = await suggesting(
      repository,
      record,
      () => repository.planRestore(record, target, { ...work, trust }),
    );
    return printPlan(out, plan, { snapshot: record.id });
  }
  const result = await suggesting(
    repository,
    record,
    () =>
      askingForTrust(
        out,
        trust,
        signal,
        (answer) =>
          repository.restore(record, target, {
            ...work,
            ...answer,
            onProgress: tellProgress(out),
          }),
      ),
  );
  return printResult(
    out,
    result,
    { snapshot: record.id, target },
    (done) => `Restored ${done}, of ${record.id} to ${showPath(target)}`,
    started,
  );
}
