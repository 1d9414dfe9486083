import { accessSync, constants, lstatSync, type Stats } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { Command } from "commander";
import { DeltarError, isWithin, type Skipped, Walker } from "../mod.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { locate } from "./location.ts";
import { openRepository } from "./open_repository.ts";
import type { Shared } from "./shared.ts";
import { checkPath, findSnapshot } from "./suggest.ts";
import { showPath, treePath } from "./text.ts";

interface Options extends Shared {
  dir: string;
}

/** What is said of a path. */
interface Answer {
  path: string;
  /** Whether it is kept. */
  kept: boolean;
  /** The rule or fault, if it is not. */
  why?: string;
}

/** `deltar why`. */
export function whyCommand(context: Context): Command {
  return new Command("why")
    .argument("<path>", "a file or folder of the directory")
    .argument("[snapshot]", "in this one; by default the next, as the last was")
    .option("--dir <dir>", "the directory that snapshots are of", ".")
    .action(async (path, snapshot, options) => {
      context.code = await run(path, snapshot, options);
    });
}

async function run(
  word: string,
  snapshot: string | undefined,
  options: Options,
): Promise<number> {
  const out = new Console(options.json ?? false);
  const root = resolve(options.dir);
  const path = snapshot === undefined
    ? relative(root, resolve(word)).split(sep).join("/") +
      (/[\\/]$/.test(word) ? "/" : "")
    : treePath(word);
  const answer = snapshot === undefined
    ? await now(root, path, options)
    : await then(path, snapshot, options);
  if (out.json) out.object("why", { ...answer });
  else {
    const name = showPath(answer.path);
    out.line(
      answer.kept
        ? `${name} is kept`
        : `${name} is left out: ${showPath(answer.why!)}`,
    );
  }
  return EXIT.done;
}

/** What the next snapshot would do, by the rules of the last one. */
async function now(
  root: string,
  path: string,
  options: Options,
): Promise<Answer> {
  const rules = await lastRules(root, options);
  if (/^\.\.(?:\/|$)/.test(path)) {
    throw new DeltarError(
      "not-found",
      `it is not in ${root}; \`--dir\` names another directory`,
      { object: path },
    );
  }
  const walker = new Walker(root, {
    ...rules,
    apart: [locate(options.repo, root)],
  });
  const bare = path.replace(/\/$/, "");
  const { stat, fault } = look(resolve(root, bare));
  // Of a folder that cannot be read the rules in it cannot be, either.
  const isHidden = fault !== undefined && stat === undefined;
  const isSpecial = stat !== undefined && !stat.isFile() &&
    !stat.isDirectory() && !stat.isSymbolicLink();
  const why = walker.apart.has(bare)
    ? "deltar writes here"
    : (isHidden ? undefined : walker.whyExcluded(path)) ??
      (isSpecial ? "a socket, pipe or device" : undefined) ?? fault;
  if (why === undefined && stat === undefined) {
    throw new DeltarError(
      "not-found",
      "there is no such file or folder, and no rule would leave it out; " +
        "`deltar why PATH SNAPSHOT` asks of a snapshot",
      { object: root, path: bare },
    );
  }
  return { path: bare, kept: why === undefined, ...(why && { why }) };
}

/** What is at a place, and why a snapshot could not read it, if so. */
function look(place: string): { stat?: Stats; fault?: string } {
  let stat: Stats | undefined;
  try {
    stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat?.isFile()) accessSync(place, constants.R_OK);
    if (stat?.isDirectory()) {
      accessSync(place, constants.R_OK | constants.X_OK);
    }
    return { stat };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EACCES" || code === "EPERM") {
      return { stat, fault: "it cannot be read: permission denied" };
    }
    throw error;
  }
}

/** The rules of the directory's last snapshot; those of none at first. */
async function lastRules(
  root: string,
  options: Options,
): Promise<ConstructorParameters<typeof Walker>[1]> {
  try {
    const repository = await openRepository(options.repo, root);
    const last = await repository.parentFor(root, {
      onDamage: () => {},
    });
    return last?.record.rules ?? { excludes: [] };
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") {
      return { excludes: [] };
    }
    throw error;
  }
}

/** What a snapshot says. */
async function then(
  path: string,
  snapshot: string,
  options: Options,
): Promise<Answer> {
  const repository = await openRepository(options.repo, options.dir);
  const record = await findSnapshot(repository, snapshot);
  const { byPath, skipped } = await repository.tree(record);
  const skip = skipped.find((skip) => isWithin(path, skip.path));
  if (skip !== undefined && !byPath.has(path)) {
    return { path, kept: false, why: reasonOf(skip) };
  }
  if (!byPath.has(path)) await checkPath(repository, [record], path);
  return { path, kept: true };
}

function reasonOf({ path, reason, detail }: Skipped): string {
  return `${path}: ${reason}${detail === undefined ? "" : `: ${detail}`}`;
}
