import { resolve } from "node:path";
import { Command } from "commander";
import type { Context } from "./context.ts";
import { printPlan, printResult, tellProgress } from "./restore_report.ts";
import { begin, type Shared } from "./shared.ts";
import { showPath } from "./text.ts";
import { askingForTrust, trustOption } from "./trust.ts";

interface Options extends Shared {
  trustRepository?: boolean;
  dryRun?: boolean;
}

/** `deltar undo`. */
export function undoCommand(context: Context): Command {
  return revertCommand(context, "undo");
}

/** A command that goes one way or the other. */
export function revertCommand(
  context: Context,
  way: "undo" | "redo",
): Command {
  return new Command(way)
    .argument("[dir]", "the directory that was restored into", ".")
    .addOption(trustOption())
    .option("--dry-run", "only print what would be done")
    .action(async (dir: string, options: Options) => {
      context.code = await run(way, dir, options, context.signal);
    });
}

async function run(
  way: "undo" | "redo",
  dir: string,
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const { out, repository } = await begin(options);
  const target = resolve(dir);
  const trust = options.trustRepository ?? false;
  if (options.dryRun) {
    const plan = await repository.planRevert(target, way, { trust, signal });
    return printPlan(out, plan, { way });
  }
  const started = performance.now();
  const result = await askingForTrust(out, trust, signal, (answer) => {
    const work = { ...answer, signal, onProgress: tellProgress(out) };
    return way === "undo"
      ? repository.undoRestore(target, work)
      : repository.redoRestore(target, work);
  });
  const word = way === "undo" ? "Undone" : "Redone";
  return printResult(
    out,
    result,
    { way, target },
    (done) => `${word} in ${showPath(target)}: ${done} written`,
    started,
  );
}
