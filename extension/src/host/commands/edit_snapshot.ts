import * as vscode from "vscode";
import type { ProtectedFolder } from "../folders/protected_folder.ts";
import { showFailure } from "../ui/notifications.ts";
import { explain } from "../ui/explain.ts";
import { plural } from "../../../../shared/text.ts";
import { showInformation, showWarning } from "../ui/messages.ts";
import { formatMomentInText } from "../ui/text.ts";
import type { SnapshotNode } from "../views/snapshots_view.ts";
import type { Context } from "./context.ts";

/** The maximum number of characters of a label. */
const MAX_LABEL_LENGTH = 1000;

/**
 * Asks the user for the label of a snapshot. Returns `undefined` if the user
 * cancels, and an empty string if the snapshot should have no label.
 *
 * @param prompt The text that names the snapshot.
 * @param value The current label.
 */
export async function askLabel(
  prompt: string,
  value = "",
): Promise<string | undefined> {
  const label = await vscode.window.showInputBox({
    prompt,
    placeHolder: "before the refactoring",
    value,
    validateInput: (text) =>
      text.length > MAX_LABEL_LENGTH
        ? `The label is too long: ${text.length} characters, at most ` +
          `${MAX_LABEL_LENGTH}.`
        : undefined,
  });
  return label?.trim();
}

/**
 * Asks the user for a new label of a snapshot, and stores it. If the user
 * leaves the field empty, removes the label.
 */
export async function editLabel(
  { folder, info }: SnapshotNode,
): Promise<void> {
  const moment = formatMomentInText(info.time, Date.now());
  const label = await askLabel(
    `Label of the snapshot of ${moment}` +
      (info.label === undefined
        ? ""
        : ". Leave the field empty to remove the label."),
    info.label,
  );
  if (label === undefined || label === (info.label ?? "")) return;
  await folder.exclusive(() =>
    folder.writer.call("label", {
      config: folder.config,
      id: info.id,
      ...(label !== "" && { label }),
    })
  );
}

/**
 * Removes snapshots after the user has confirmed the removal. The message about
 * the result has a button that brings the snapshots back.
 */
export async function removeSnapshots(
  { log }: Context,
  nodes: readonly SnapshotNode[],
): Promise<void> {
  if (nodes.length === 0) return;
  const [{ info }] = nodes;
  const what = nodes.length === 1
    ? `the snapshot of ${formatMomentInText(info.time, Date.now())}`
    : plural(nodes.length, "snapshot");
  const labels = nodes.flatMap(({ info: { label } }) =>
    label === undefined ? [] : [label]
  );
  const remove = "Remove";
  const answer = await showWarning(
    `Remove ${what}?`,
    {
      modal: true,
      detail: [
        ...(labels.length > 0
          ? [
            `${labels.length === 1 ? "Label" : "Labels"}: ${labels.join(", ")}`,
          ]
          : []),
        "Your files are not changed.",
      ].join("\n\n"),
    },
    remove,
  );
  if (answer !== remove) return;
  const removed: SnapshotNode[] = [];
  try {
    for (const node of nodes) {
      await change(node.folder, "forget", node.info.id);
      removed.push(node);
    }
  } finally {
    if (removed.length > 0) {
      const text = `Removed ${plural(removed.length, "snapshot")}.`;
      void offerUndo(text, removed, log);
    }
  }
}

async function offerUndo(
  text: string,
  nodes: readonly SnapshotNode[],
  log: vscode.LogOutputChannel,
): Promise<void> {
  const undo = "Undo";
  if (await showInformation(text, undo) !== undo) return;
  const failures: string[] = [];
  for (const { folder, info } of nodes) {
    try {
      await change(folder, "undelete", info.id);
    } catch (error) {
      const moment = formatMomentInText(info.time, Date.now());
      failures.push(`the snapshot of ${moment}: ${explain(error)}`);
    }
  }
  for (const failure of failures) log.error(`Cannot bring back ${failure}`);
  const [first] = failures;
  if (first === undefined) return;
  const others = failures.length - 1;
  const more = others > 0
    ? ` (also not brought back: ${plural(others, "other snapshot")})`
    : "";
  void showFailure(`Cannot bring back ${first}${more}`, log);
}

async function change(
  folder: ProtectedFolder,
  method: "forget" | "undelete",
  id: string,
): Promise<void> {
  const { config } = folder;
  await folder.exclusive(() => folder.writer.call(method, { config, id }));
}
