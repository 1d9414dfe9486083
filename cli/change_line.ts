import type { Change, Skipped, SnapshotRecord } from "../mod.ts";
import { isFault, isSameXattrs, isTouched, pathOf } from "../lib/tree/mod.ts";
import { plural } from "../shared/text.ts";
import {
  type ChangeOfBoth,
  changeWords,
  fieldsOf,
  type WithOwners,
} from "./change_words.ts";
import { paint } from "./terminal.ts";
import { showPath, showText } from "./text.ts";

/** The maximum number of changes for which `changeLines` returns a line. */
const MAX_CHANGES = 20;

/** The sign and color of each kind of change. */
export const SIGNS = {
  created: ["+", "green"],
  updated: ["~", "yellow"],
  touched: ["t", "dim"],
  deleted: ["-", "red"],
  renamed: [">", "cyan"],
  copied: ["=", "cyan"],
} as const;

/** Returns whether an entry has the same path in both states. */
function isOfBoth(change: Change): change is ChangeOfBoth {
  return change.change === "updated" || change.change === "touched";
}

/** The names of owners and groups in the old and in the new state. */
type States = readonly [old: WithOwners, now: WithOwners];

/**
 * Returns a line with the sign and the path of a change, and a description of
 * what changed. The path of a directory ends in `/`.
 *
 * @param change The change.
 * @param states The old and the new state.
 * @param skips The excluded and skipped paths of the new state.
 * @param stream The stream that the line is for. Default: standard output.
 */
export function changeLine(
  change: Change,
  [old, now]: States,
  skips: ReadonlyMap<string, Skipped>,
  stream?: NodeJS.WriteStream,
): string {
  const entry = change.change === "deleted" ? change.before : change.entry;
  const path = showPath(entry.path || ".") +
    (entry.kind === "directory" ? "/" : "");
  const moved = change.change === "renamed" || change.change === "copied";
  const from = moved ? `${showPath(change.from)} -> ` : "";
  const skip = skipOf(change, skips);
  if (skip !== undefined) {
    const why = showText(skip.detail ?? skip.reason);
    const verb = isFault(skip) ? "skipped" : "excluded";
    return paint("yellow", `? ${path} was ${verb}: ${why}`, stream);
  }
  const [sign, color] = SIGNS[signOf(change)];
  const words = isOfBoth(change) ? changeWords(old, now, change) : [];
  const what = words.length > 0 ? `: ${words.join(", ")}` : "";
  return paint(color, `${sign} ${from}${path}${what}`, stream);
}

/**
 * Returns a line for each of the first `MAX_CHANGES` changes. If there are more
 * changes, adds a line with the number of the other changes.
 *
 * @param changes The changes.
 * @param states The old and the new state.
 * @param skips The excluded and skipped paths of the new state.
 * @param rest The end of the added line, which says how to see all changes.
 * @param stream The stream that the lines are for. Default: standard output.
 */
export function changeLines(
  changes: readonly Change[],
  states: States,
  skips: ReadonlyMap<string, Skipped>,
  rest: string,
  stream?: NodeJS.WriteStream,
): string[] {
  const more = changes.length - MAX_CHANGES;
  return [
    ...changes.slice(0, MAX_CHANGES).map((change) =>
      changeLine(change, states, skips, stream)
    ),
    ...more > 0 ? [`and ${plural(more, "more change")}${rest}`] : [],
  ];
}

/** Returns the kind of a change, or `touched` if only hard links changed. */
export function signOf(change: Change): Change["change"] {
  return isTouched(change) ? "touched" : change.change;
}

/** Returns a map from each excluded or skipped path to its description. */
export function skipsByPath(
  skipped: readonly Skipped[],
): ReadonlyMap<string, Skipped> {
  return new Map(skipped.map((skip) => [skip.path, skip]));
}

/**
 * Returns the excluded or skipped path that makes a path look deleted: the path
 * itself or a folder above it. Returns `undefined` if the path was really
 * deleted, and for all other changes.
 */
export function skipOf(
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

/**
 * Returns the fields of a change for JSON.
 *
 * @param change The change.
 * @param skip The result of `skipOf` for the change.
 */
export function changeFields(
  change: Change,
  skip: Skipped | undefined,
): Record<string, unknown> {
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
    ...skip && { skipped: skip.reason },
  };
}

/** Returns the changes without the deletions of paths that were renamed. */
export function withoutMoved(changes: readonly Change[]): Change[] {
  const moved = new Set(
    changes.map((change) => change.change === "renamed" ? change.from : ""),
  );
  return changes.filter((change) =>
    change.change !== "deleted" || !moved.has(pathOf(change))
  );
}

/**
 * Returns a list with the change to the root directory between two states. The
 * list is empty if the mode, the owner, the group and the extended attributes
 * are equal. The time is ignored.
 */
export function rootChange(
  before: Pick<SnapshotRecord, "root">,
  after: Pick<SnapshotRecord, "root">,
): Change[] {
  const of = ({ root }: Pick<SnapshotRecord, "root">) =>
    ({ path: "", kind: "directory", size: 0, ...root }) as const;
  const { mode, uid, gid } = after.root;
  const isSame = mode === before.root.mode && uid === before.root.uid &&
    gid === before.root.gid &&
    isSameXattrs(after.root.xattrs, before.root.xattrs);
  return isSame
    ? []
    : [{ change: "touched", entry: of(after), before: of(before) }];
}
