import { Command } from "commander";
import { type Repository, truePlace } from "../mod.ts";
import { begin, type Begun, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import {
  absolute,
  existingDirectory,
  holdsRepository,
  locateFrom,
} from "./location.ts";
import { printPlan, printResult, tellProgress } from "./restore_report.ts";
import { showPath } from "./text.ts";
import { askingForTrust, trustOption } from "./trust.ts";

interface Options extends CommonOptions {
  trustRepository?: boolean;
  all?: boolean;
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
    .argument(
      "[dir]",
      "the directory that was restored into; by default, what is here",
    )
    .option("--all", "the whole directory, also from within a folder of it")
    .addOption(trustOption())
    .option("--dry-run", "only print what would be done")
    .action(async (dir: string | undefined, options: Options) => {
      context.code = await run(context, way, dir, options);
    });
}

/**
 * The directory of a place that was restored into, and where the place is in
 * it: the place itself if it was, else the directory that snapshots are of.
 */
async function targetAt(
  repository: Repository,
  place: string,
): Promise<{ target: string; below: string }> {
  const itself = { target: place, below: "" };
  const found = await repository.lastAt(place, { onDamage: () => {} });
  if (found === undefined || found.below === "") return itself;
  if (await repository.isRestoreTarget(truePlace(place))) return itself;
  return { target: found.record.directory, below: found.below };
}

/**
 * The repository that a directory was restored from: that of where the user
 * stands or, if it knows of no restore into the directory, the directory's own.
 */
async function beginFor(
  context: Context,
  target: string,
  options: Options,
): Promise<Begun> {
  const here = existingDirectory();
  const own = locateFrom(options.repo, target).location;
  const other = here === undefined
    ? own
    : locateFrom(options.repo, here).location;
  if (other !== own && holdsRepository(other)) {
    const begun = await begin(context, options);
    if (!holdsRepository(own)) return begun;
    const { repository } = begun;
    if (await repository.isRestoreTarget(truePlace(target))) return begun;
  }
  return await begin(context, { ...options, dir: target });
}

async function run(
  context: Context,
  way: "undo" | "redo",
  dir: string | undefined,
  options: Options,
): Promise<number> {
  const { signal } = context;
  const place = absolute(dir ?? ".");
  const { out, repository } = dir === undefined
    ? await begin(context, options)
    : await beginFor(context, place, options);
  const { target, below } = dir === undefined
    ? await targetAt(repository, place)
    : { target: place, below: "" };
  const paths = below === "" || options.all ? undefined : [below];
  const trust = options.trustRepository ?? false;
  if (options.dryRun) {
    const wish = { paths, trust, signal };
    const plan = await repository.planRevert(target, way, wish);
    return printPlan(out, plan, { way });
  }
  const started = performance.now();
  const result = await askingForTrust(out, trust, signal, (answer) => {
    const work = { ...answer, paths, signal, onProgress: tellProgress(out) };
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
