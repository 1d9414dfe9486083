import { Command } from "commander";
import {
  type Change,
  DiffIndex,
  type Skipped,
  type SnapshotRecord,
} from "../mod.ts";
import {
  isFault,
  isSameXattrs,
  isTouched,
  isWithin,
  pathOf,
} from "../lib/tree/mod.ts";
import { begin, type CommonOptions } from "./begin.ts";
import { type ChangeOfBoth, changeWords, fieldsOf } from "./change_words.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { checkPath, findFolder, FOLDER_HELP, pathIn } from "./suggest.ts";
import { paint } from "./terminal.ts";
import { showPath, showText, treePath } from "./text.ts";

/** Makes the command `deltar diff`. */
export function diffCommand(context: Context): Command {
  return new Command("diff")
    .argument("<a>", `The old snapshot. ${FOLDER_HELP}`)
    .argument("<b>", "The new snapshot")
    .argument("[path]", "Only this file or folder")
    .action(async (a, b, path, options) => {
      context.code = await run(context, a, b, path, options);
    });
}

async function run(
  context: Context,
  a: string,
  b: string,
  path: string | undefined,
  options: CommonOptions,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const [old, now] = [await findFolder(begun, a), await findFolder(begun, b)];
  const [before, after] = [old.record, now.record];
  const isOfFolder = old.folder + now.folder !== "";
  const trees = await Promise.all(
    [old, now].map(async ({ record, folder }) =>
      (await repository.tree(record)).below(folder)
    ),
  );
  const diff = DiffIndex.compute(trees[1].index, trees[0].index);
  const moved = new Set(diff.renamed.map(({ from }) => from));
  const folder = path === undefined
    ? ""
    : isOfFolder
    ? treePath(path)
    : await pathIn(repository, now, path);
  const isShown = (change: Change) =>
    isWithin(pathOf(change), folder) &&
    !(change.change === "deleted" && moved.has(pathOf(change)));
  const changes = [
    ...folder === "" && !isOfFolder ? rootChange(before, after) : [],
    ...diff.changes.filter(isShown),
  ];
  if (changes.length === 0 && !isOfFolder) {
    await checkPath(repository, [before, after], folder);
  }
  const { skipped } = trees[1];
  const skips = new Map(skipped.map((skip) => [skip.path, skip]));
  if (out.json) {
    out.object("diff", {
      before: before.id,
      after: after.id,
      changes: changes.map((change) => {
        const skip = skipOf(change, skips);
        return { ...fields(change), ...skip && { skipped: skip.reason } };
      }),
    });
    return EXIT.done;
  }
  for (const change of changes) {
    const skip = skipOf(change, skips);
    const words = isOfBoth(change) ? changeWords(before, after, change) : [];
    out.line(describe(change, skip, words));
  }
  return EXIT.done;
}

/**
 * Returns a list with the change of the root directory between two snapshots.
 * The list is empty if the mode, the owner, the group and the extended
 * attributes are equal. The time is ignored.
 */
function rootChange(before: SnapshotRecord, after: SnapshotRecord): Change[] {
  const of = ({ root }: SnapshotRecord) =>
    ({ path: "", kind: "directory", size: 0, ...root }) as const;
  const { mode, uid, gid } = after.root;
  const isSame = mode === before.root.mode && uid === before.root.uid &&
    gid === before.root.gid &&
    isSameXattrs(after.root.xattrs, before.root.xattrs);
  return isSame
    ? []
    : [{ change: "touched", entry: of(after), before: of(before) }];
}

/**
 * Returns the reason why a path only looks deleted: the new snapshot excluded
 * or skipped the path or a folder above it. Returns `undefined` for other
 * changes.
 */
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

/** Returns whether a path exists in both snapshots, and was not moved. */
function isOfBoth(change: Change): change is ChangeOfBoth {
  return change.change === "updated" || change.change === "touched";
}

/**
 * Returns a line with a sign and a path. The path of a directory ends in `/`.
 *
 * @param words The result of `changeWords`.
 */
function describe(
  change: Change,
  skip: Skipped | undefined,
  words: readonly string[],
): string {
  const entry = change.change === "deleted" ? change.before : change.entry;
  const path = showPath(entry.path || ".") +
    (entry.kind === "directory" ? "/" : "");
  const moved = change.change === "renamed" || change.change === "copied";
  const from = moved ? `${showPath(change.from)} -> ` : "";
  if (skip !== undefined) {
    const why = showText(skip.detail ?? skip.reason);
    const verb = isFault(skip) ? "skipped" : "excluded";
    return paint("yellow", `? ${path} was ${verb}: ${why}`);
  }
  const [sign, color] = SIGNS[signOf(change)];
  const what = words.length > 0 ? `: ${words.join(", ")}` : "";
  return paint(color, `${sign} ${from}${path}${what}`);
}

/** Returns the kind of a change; a change of hard links only is `touched`. */
function signOf(change: Change): Change["change"] {
  return isTouched(change) ? "touched" : change.change;
}

function fields(change: Change): Record<string, unknown> {
  const entry = change.change === "deleted" ? change.before : change.entry;
  const { path, kind, size } = entry;
  const moved = change.change === "renamed" || change.change === "copied";
  return {
    change: signOf(change),
    path,
    kind,
    size,
    ...isOfBoth(change) && { fields: fieldsOf(change) },
    ...signOf(change) !== change.change && { links: true },
    ...moved && { from: change.from },
  };
}
