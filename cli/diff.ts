import { Command } from "commander";
import { type Change, isWithin, pathOf, type Skipped, Tree } from "../mod.ts";
import { paint } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { begin, type Shared } from "./shared.ts";
import { checkPath, findSnapshot } from "./suggest.ts";
import { showPath, showText, treePath } from "./text.ts";

/** `deltar diff`. */
export function diffCommand(context: Context): Command {
  return new Command("diff")
    .argument("<a>", "the old snapshot: an id, its beginning, latest, latest~N")
    .argument("<b>", "the new snapshot")
    .argument("[path]", "only this file or folder")
    .action(async (a, b, path, options) => {
      context.code = await run(a, b, path, options);
    });
}

async function run(
  a: string,
  b: string,
  path: string | undefined,
  options: Shared,
): Promise<number> {
  const { out, repository } = await begin(options);
  const [before, after] = [
    await findSnapshot(repository, a),
    await findSnapshot(repository, b),
  ];
  const diff = await repository.diff(before, after);
  const moved = new Set(diff.renamed.map(({ from }) => from));
  const folder = treePath(path ?? "");
  const changes = diff.changes.filter((change) =>
    isWithin(pathOf(change), folder) &&
    !(change.change === "deleted" && moved.has(pathOf(change)))
  );
  if (changes.length === 0) {
    await checkPath(repository, [before, after], folder);
  }
  const isAnyGone = changes.some(({ change }) => change === "deleted");
  const { skipped } = isAnyGone ? await repository.tree(after) : Tree.empty();
  const skips = new Map(skipped.map((skip) => [skip.path, skip]));
  if (out.json) {
    out.object("diff", {
      before: before.id,
      after: after.id,
      changes: changes.map((change) => ({
        ...fields(change),
        ...skipOf(change, skips) && { skipped: skipOf(change, skips)!.reason },
      })),
    });
    return EXIT.done;
  }
  for (const change of changes) {
    out.line(describe(change, skipOf(change, skips)));
  }
  return EXIT.done;
}

/** Why something that is gone from a snapshot was left out of it, if it was. */
function skipOf(
  change: Change,
  skips: ReadonlyMap<string, Skipped>,
): Skipped | undefined {
  if (change.change !== "deleted" || skips.size === 0) return undefined;
  const path = pathOf(change);
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const skip = skips.get(path.slice(0, end));
    if (skip !== undefined) return skip;
  }
  return undefined;
}

const SIGNS = {
  created: ["+", "green"],
  updated: ["~", "yellow"],
  touched: ["t", "dim"],
  deleted: ["-", "red"],
  renamed: [">", "cyan"],
  copied: ["=", "cyan"],
} as const;

/** One line: a sign, and the path; a directory ends in `/`. */
function describe(change: Change, skip: Skipped | undefined): string {
  const entry = change.change === "deleted" ? change.before : change.entry;
  const path = showPath(entry.path) + (entry.kind === "directory" ? "/" : "");
  const moved = change.change === "renamed" || change.change === "copied";
  const from = moved ? `${showPath(change.from)} -> ` : "";
  if (skip !== undefined) {
    const why = showText(skip.detail ?? skip.reason);
    return paint("yellow", `? ${path} was left out: ${why}`);
  }
  const [sign, color] = SIGNS[change.change];
  return paint(color, `${sign} ${from}${path}`);
}

function fields(change: Change): Record<string, unknown> {
  const entry = change.change === "deleted" ? change.before : change.entry;
  const { path, kind, size } = entry;
  const moved = change.change === "renamed" || change.change === "copied";
  return {
    change: change.change,
    path,
    kind,
    size,
    ...moved && { from: change.from },
  };
}
