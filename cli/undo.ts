import { Command } from "commander";
import type { Repository } from "../mod.ts";
import { placeOf } from "../lib/repository/mod.ts";
import { truePlace } from "../lib/tree/mod.ts";
import { begin, type Begun, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { formerPaths } from "./former_paths.ts";
import {
  absolute,
  existingDirectory,
  holdsRepository,
  locateFrom,
} from "./location.ts";
import { carryOutOrPlan, type RestoreWorkOptions } from "./restore_work.ts";
import { showPath } from "./text.ts";
import { undoTurn } from "./undo_turn.ts";
import { trustOption } from "./trust.ts";

interface Options extends CommonOptions, RestoreWorkOptions {
  all?: boolean;
  turn?: string;
  force?: boolean;
}

/** Makes the command `deltar undo`. */
export function undoCommand(context: Context): Command {
  return revertCommand(context, "undo");
}

/** Makes the command `undo` or `redo`. */
export function revertCommand(
  context: Context,
  way: "undo" | "redo",
): Command {
  const verb = way === "undo" ? "Undo" : "Redo";
  const command = new Command(way);
  if (way === "undo") {
    command
      .option(
        "--turn <turn>",
        "Undo only the changes of a turn of an AI agent; <turn> is its number, or last",
      )
      .option(
        "--force",
        "With --turn, also restore files that were changed after the turn",
      );
  }
  return command
    .argument(
      "[dir]",
      "The directory that was restored into (default: the current directory)",
    )
    .option(
      "--all",
      `${verb} changes outside the current directory too`,
    )
    .addOption(trustOption())
    .option("--dry-run", "Show what would change without changing anything")
    .action(async (dir: string | undefined, options: Options) => {
      if (options.force && options.turn === undefined) {
        command.error("error: `--force` can only be used with `--turn`", {
          exitCode: EXIT.usage,
        });
      }
      context.code = options.turn === undefined
        ? await run(context, way, dir, options)
        : await undoTurn(context, options.turn, { ...options, dir });
    });
}

/**
 * Returns, as `target`, the directory in which a restore is undone or redone,
 * and, as `below`, the path of `place` in this directory. If nothing was
 * restored into `place` itself, and a directory that contains `place` has
 * snapshots, `target` is that directory. In all other cases, `target` is
 * `place`, and `below` is empty.
 */
export async function targetAt(
  repository: Repository,
  place: string,
): Promise<{ target: string; below: string }> {
  const itself = { target: place, below: "" };
  const found = await repository.lastAt(place, { onDamage: () => {} });
  if (found === undefined || found.below === "") return itself;
  if (await repository.isRestoreTarget(truePlace(place))) return itself;
  return { target: placeOf(found.record), below: found.below };
}

/**
 * Opens the repository that can undo a restore into `target`. This is the
 * repository of the current directory if it has a record of such a restore, or
 * if `target` has no repository. In all other cases, it is the repository of
 * `target`.
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
  const place = absolute(dir ?? ".");
  const { out, repository } = dir === undefined
    ? await begin(context, options)
    : await beginFor(context, place, options);
  const { target, below } = dir === undefined
    ? await targetAt(repository, place)
    : { target: place, below: "" };
  const paths = below === "" || options.all ? undefined : [below];
  const former = await formerPaths(repository, truePlace(target));
  const work = { direction: way, former, paths };
  const word = way === "undo" ? "Undone" : "Redone";
  return await carryOutOrPlan(context, out, options, {
    target,
    fields: { way },
    plan: (more) => repository.planRevert(target, { ...work, ...more }),
    carryOut: (more) => repository.revert(target, { ...work, ...more }),
    sentence: (done) => `${word} in ${showPath(target)}: wrote ${done}`,
  });
}
