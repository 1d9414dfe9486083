import { resolve } from "node:path";
import { Command } from "commander";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { openRepository } from "./location.ts";
import { printPlan, printResult, tellProgress } from "./restore_report.ts";
import { showPath } from "./text.ts";

interface Options {
  repo?: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `deltar undo`. */
export function undoCommand(context: Context): Command {
  return revertCommand(
    context,
    "undo",
    "Bring back what was there before the last restore into a directory",
  );
}

/** A command that goes one way or the other. */
export function revertCommand(
  context: Context,
  way: "undo" | "redo",
  description: string,
): Command {
  return new Command(way)
    .description(description)
    .argument("[dir]", "the directory that was restored into", ".")
    .option("--dry-run", "only print what would be done")
    .option("--repo <location>", "where snapshots are kept")
    .option("--json", "print the result as JSON")
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
  const out = new Console(options.json ?? false);
  const repository = await openRepository(options.repo);
  const target = resolve(dir);
  if (options.dryRun) {
    const plan = await repository.planRevert(target, way);
    return printPlan(out, plan, { way });
  }
  const started = performance.now();
  const work = { signal, onProgress: tellProgress(out) };
  const result = way === "undo"
    ? await repository.undoRestore(target, work)
    : await repository.redoRestore(target, work);
  const word = way === "undo" ? "Undone" : "Redone";
  return printResult(
    out,
    result,
    { way, target },
    (done) => `${word} in ${showPath(target)}: ${done} written`,
    started,
  );
}
