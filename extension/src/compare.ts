import * as vscode from "vscode";
import type { Context } from "./context.ts";
import type { Guard } from "./guard.ts";
import { activeUri, type VersionNode } from "./history_view.ts";
import { pickGuard, pickSnapshot, pickVersion } from "./pick.ts";
import type { FileChange, SnapshotInfo } from "./protocol.ts";
import type { ChangeNode, SnapshotNode } from "./snapshots_view.ts";
import { formatMoment } from "./text.ts";
import { fileUri, pathIn, versionUri } from "./versions.ts";

/** More files than this are no list that anybody reads. */
const MOST_FILES = 1000;

const moment = ({ time }: { time: number }) => formatMoment(time, Date.now());

/** Opens the change of a file by a snapshot, both sides read-only. */
export async function openChange(
  { guard, info, change }: ChangeNode,
): Promise<void> {
  const before = await guard.before(info);
  const [left, right] = sides(guard, before, info.id, change);
  await openDiff(left, right, `${nameOf(change.path)} (${moment(info)})`);
}

/** A version of a file, and the one before it. */
export async function openVersionChange(
  { guard, path, version, before }: VersionNode,
): Promise<void> {
  const id = (of: typeof before) => of?.size === undefined ? undefined : of.id;
  await openDiff(
    versionUri(guard, id(before), path),
    versionUri(guard, id(version), path),
    `${nameOf(path)} (${moment(version)})`,
  );
}

/** A version of a file, and the file as it is now. */
export async function compareWithFile(
  guard: Guard,
  path: string,
  version: { id: string; time: number },
): Promise<void> {
  await openDiff(
    versionUri(guard, version.id, path),
    fileUri(guard, path),
    `${nameOf(path)} (${moment(version)} \u2194 Now)`,
  );
}

/** A file, and one of its versions that the user chooses. */
export async function compareWithSnapshot(
  { guards }: Context,
  uri: vscode.Uri | undefined = activeUri(),
): Promise<void> {
  const guard = uri && guards.of(uri);
  if (guard === undefined) {
    void vscode.window.showInformationMessage(
      "Open a file of the workspace to compare it with a snapshot.",
    );
    return;
  }
  const path = pathIn(guard, uri!);
  const version = await pickVersion(guard, path, "Compare with which version?");
  if (version !== undefined) await compareWithFile(guard, path, version);
}

/** A version alone, in its own editor. */
export async function openVersion(
  guard: Guard,
  path: string,
  id: string,
): Promise<void> {
  await vscode.commands.executeCommand(
    "vscode.open",
    versionUri(guard, id, path),
  );
}

/** All that a snapshot changed. */
export async function openSnapshotChanges(
  { guard, info: { id } }: { guard: Guard; info: { id: string } },
): Promise<void> {
  const info = (await guard.snapshots()).find((one) => one.id === id);
  if (info === undefined) return;
  const before = await guard.before(info);
  await openChanges(guard, before, info, `Snapshot of ${moment(info)}`);
}

/** Two snapshots of a folder with each other. */
export async function compareSnapshots(
  { guards }: Context,
  nodes: readonly SnapshotNode[],
): Promise<void> {
  let [one, two] = nodes;
  if (one === undefined) {
    const guard = await pickGuard(guards);
    const info = guard && await pickSnapshot(guard, "Compare which snapshot?");
    if (info === undefined) return;
    one = { kind: "snapshot", guard: guard!, info };
  }
  const { guard } = one;
  if (two === undefined || two.guard !== guard) {
    const info = await pickSnapshot(guard, "With which other snapshot?");
    if (info === undefined) return;
    two = { kind: "snapshot", guard, info };
  }
  const [before, after] = one.info.id < two.info.id
    ? [one.info, two.info]
    : [two.info, one.info];
  const title = `${moment(before)} \u2194 ${moment(after)}`;
  await openChanges(guard, before.id, after, title);
}

/** A snapshot with the folder as it is now, which is first kept itself. */
export async function compareWithWorkspace(
  { guards }: Context,
  node: SnapshotNode | undefined,
): Promise<void> {
  const guard = node?.guard ?? await pickGuard(guards);
  const info = node?.info ??
    (guard && await pickSnapshot(guard, "Compare which snapshot with now?"));
  if (guard === undefined || info === undefined) return;
  const { snapshot } = await guard.snapshot(undefined);
  const changes = await guard.reader.call("compare", {
    place: guard.place,
    before: info.id,
    after: snapshot.id,
  });
  const title = `${moment(info)} \u2194 Now`;
  await openList(guard, changes, title, (change) => {
    const [left] = sides(guard, info.id, snapshot.id, change);
    const right = change.change === "deleted"
      ? undefined
      : fileUri(guard, change.path);
    return [left, right];
  });
}

async function openChanges(
  guard: Guard,
  before: string | undefined,
  after: SnapshotInfo,
  title: string,
): Promise<void> {
  const place = guard.place;
  const changes = await guard.reader.call("compare", {
    place,
    before,
    after: after.id,
  });
  await openList(
    guard,
    changes,
    title,
    (change) => sides(guard, before, after.id, change),
  );
}

type Sides = [vscode.Uri | undefined, vscode.Uri | undefined];

/** The multi-file diff editor, with as many files as it can show. */
async function openList(
  guard: Guard,
  all: readonly FileChange[],
  title: string,
  sidesOf: (change: FileChange) => Sides,
): Promise<void> {
  const changes = all.filter(({ change }) => change !== "touched");
  if (changes.length === 0) {
    void vscode.window.showInformationMessage(
      all.length === 0
        ? "Nothing differs."
        : "Only modes or times of files differ, no content.",
    );
    return;
  }
  await vscode.commands.executeCommand(
    "vscode.changes",
    changes.length > MOST_FILES
      ? `${title} (the first ${MOST_FILES} of ${changes.length} files)`
      : title,
    changes.slice(0, MOST_FILES).map((change) => [
      fileUri(guard, change.path),
      ...sidesOf(change),
    ]),
  );
}

/** Returns a file before a change and after it. */
function sides(
  guard: Guard,
  before: string | undefined,
  after: string,
  { change, path, from }: FileChange,
): Sides {
  const isNew = change === "created" || before === undefined;
  const old = change === "updated" ? path : from ?? path;
  return [
    isNew ? undefined : versionUri(guard, before, old),
    change === "deleted" ? undefined : versionUri(guard, after, path),
  ];
}

async function openDiff(
  left: vscode.Uri | undefined,
  right: vscode.Uri | undefined,
  title: string,
): Promise<void> {
  if (left !== undefined && right !== undefined) {
    await vscode.commands.executeCommand("vscode.diff", left, right, title);
  } else await vscode.commands.executeCommand("vscode.open", left ?? right);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
