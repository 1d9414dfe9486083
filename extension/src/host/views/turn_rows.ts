import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import type { SnapshotInfo, TurnInfo } from "../../shared/protocol.ts";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { oneLine } from "../ui/plain.ts";
import { formatDate } from "../ui/text.ts";

/** A row that shows a snapshot. */
interface SnapshotRow {
  folder: ProtectedFolder;
  info: SnapshotInfo;
}

/** A turn of an agent, with the rows of its snapshots. */
export interface TurnNode<Row extends SnapshotRow = SnapshotRow> {
  kind: "turn";
  folder: ProtectedFolder;
  turn: TurnInfo;
  /** The rows of the snapshots of the turn, the newest first. */
  snapshots: Row[];
}

/**
 * Returns the rows, but with a single row for all snapshots of a turn. The row
 * of a turn is where the row of its newest snapshot was.
 *
 * @param rows The rows of snapshots, the newest first.
 */
export function groupByTurn<Row extends SnapshotRow>(
  rows: readonly Row[],
): (Row | TurnNode<Row>)[] {
  const turns = new Map<string, TurnNode<Row>>();
  const grouped: (Row | TurnNode<Row>)[] = [];
  for (const row of rows) {
    const { folder, info: { turn } } = row;
    if (turn === undefined) {
      grouped.push(row);
      continue;
    }
    const key = `${folder.uri} ${turn.id}`;
    const known = turns.get(key);
    if (known !== undefined) {
      known.snapshots.push(row);
      continue;
    }
    const added: TurnNode<Row> = {
      kind: "turn",
      folder,
      turn,
      snapshots: [row],
    };
    turns.set(key, added);
    grouped.push(added);
  }
  return grouped;
}

/** Returns the name of a turn, such as `turn 3 of claude-code`. */
export function nameOfTurn({ number, agent }: TurnInfo): string {
  return `turn ${number} of ${agent}`;
}

/**
 * Returns the tree item for a turn.
 *
 * @param name The name of the folder, if the workspace has several folders.
 */
export function turnItem(
  { folder, turn }: TurnNode,
  name: string | undefined,
): vscode.TreeItem {
  const { id, agent, number, session, start, end, changed } = turn;
  const prompt = turn.prompt === undefined ? undefined : oneLine(turn.prompt);
  const count = changed === 0 ? "no changes" : plural(changed, "change");
  const item = new vscode.TreeItem(
    `${agent}, turn ${number}`,
    vscode.TreeItemCollapsibleState.Collapsed,
  );
  item.id = `${folder.uri} turn ${id}`;
  item.description = [name, prompt, count]
    .filter((part) => part !== undefined).join(" \u00b7 ");
  item.iconPath = new vscode.ThemeIcon("sparkle");
  item.contextValue = "turn";
  item.tooltip = [
    `Turn ${number} of ${agent}`,
    ...prompt === undefined ? [] : [prompt],
    ...session === undefined ? [] : [`Session: ${oneLine(session)}`],
    `First snapshot: ${formatDate(start)}`,
    `Last snapshot: ${formatDate(end)}`,
    count[0].toUpperCase() + count.slice(1),
  ].join("\n");
  item.accessibilityInformation = {
    label: `Turn ${number} of ${agent}, ${item.description}`,
  };
  return item;
}
