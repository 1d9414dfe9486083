import { Command } from "commander";
import { DeltarError, type Repository, type SnapshotRecord } from "../mod.ts";
import { isAbsent, isWithin } from "../lib/tree/mod.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { absolute, cacheFolder } from "./location.ts";
import { pathUnder } from "./path_under.ts";
import { placeHere } from "./place_here.ts";
import { carryOutOrPlan, type RestoreWorkOptions } from "./restore_work.ts";
import { showPath } from "./text.ts";
import { trustOption } from "./trust.ts";

type Options = CommonOptions & RestoreWorkOptions;

/** Makes the command `deltar recover`. */
export function recoverCommand(context: Context): Command {
  return new Command("recover")
    .description(
      "Bring back a file or folder that is gone, from the newest snapshot " +
        "that has it. In a folder that still exists, only the files that are " +
        "gone are brought back. Nothing is overwritten",
    )
    .argument("<path>", "The file or folder")
    .addOption(trustOption())
    .option(
      "--dry-run",
      "Show what would be restored without changing anything",
    )
    .action(async (path: string, options: Options) => {
      context.code = await run(context, path, options);
    });
}

async function run(
  context: Context,
  typed: string,
  options: Options,
): Promise<number> {
  const { signal } = context;
  const { out, repository, place } = await begin(context, options);
  const found = await repository.lastAt(place);
  if (found === undefined) {
    throw new DeltarError(
      "not-found",
      "the repository has no snapshots of this directory",
      { object: place },
    );
  }
  const { record: newest } = found;
  const target = placeHere(
    newest,
    "Restore the path with `deltar restore --to`.",
  );
  const path = pathUnder(target, absolute(typed));
  if (path === undefined) {
    throw new DeltarError("unsafe", `not in ${showPath(target)}`, {
      path: typed,
    });
  }
  const records = (await repository.snapshots()).filter((record) =>
    record.safety === undefined && record.directory === newest.directory &&
    record.machine?.id === newest.machine?.id
  );
  const gone = await findGone(repository, records, target, path, signal);
  const { record, paths } = gone;
  const work = { paths, neverTouch: [cacheFolder()] };
  return await carryOutOrPlan(context, out, options, {
    target,
    fields: { snapshot: record.id },
    plan: (more) =>
      repository.planRestore(record, target, { ...work, ...more }),
    carryOut: (more) =>
      repository.restore(record, target, { ...work, ...more }),
    sentence: (done) =>
      `Recovered ${done}, from ${record.id} to ${showPath(target)}`,
  });
}

/**
 * Finds the newest snapshot that has lost entries. An entry is lost if it is at
 * or below a path, and no longer exists in the directory. Returns the snapshot
 * and the paths of its lost entries. The path of a lost folder stands for all
 * entries in the folder.
 *
 * @throws {DeltarError} `not-found` if no snapshot has the path; `exists` if
 * the directory still has all entries.
 */
async function findGone(
  repository: Repository,
  records: readonly SnapshotRecord[],
  target: string,
  path: string,
  signal: AbortSignal,
): Promise<{ record: SnapshotRecord; paths: string[] }> {
  let isKnown = false;
  for (const record of records.toReversed()) {
    const paths: string[] = [];
    const within = path === "" ? {} : { within: path };
    for await (
      const part of repository.entries(record, { ...within, signal })
    ) {
      for (const entry of part) {
        isKnown = true;
        const last = paths.at(-1);
        if (last !== undefined && isWithin(entry.path, last)) continue;
        if (isAbsent(`${target}/${entry.path}`)) paths.push(entry.path);
      }
    }
    if (paths.length > 0) return { record, paths };
  }
  throw isKnown
    ? new DeltarError(
      "exists",
      "nothing is gone; `deltar log` lists the earlier versions",
      { path: path || "." },
    )
    : new DeltarError(
      "not-found",
      "no snapshot has this path; `deltar find` searches for paths",
      { path },
    );
}
