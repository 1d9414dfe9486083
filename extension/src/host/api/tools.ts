import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import { noFolderText } from "../ui/virtual_text.ts";
import type { Snapshot } from "./api.ts";
import type { Api } from "./make_api.ts";
import { NO_SNAPSHOTS, snapshotWithId } from "./snapshot_with_id.ts";

/**
 * The maximum number of lines that a tool returns. Further lines are only
 * counted.
 */
const MAX_LINES = 200;

interface RestoreInput {
  snapshot: string;
  paths?: string[];
  deleteOthers?: boolean;
}

/** Registers the tools for language models. */
export function registerTools(
  api: Api,
  folders: ProtectedFolders,
): vscode.Disposable {
  const find = async (id: string): Promise<Snapshot> => {
    const snapshots = await api.list();
    if (folders.all.length === 0) {
      throw new Error(noFolderText(folders.virtualFolders));
    }
    return snapshotWithId(snapshots, id);
  };
  return vscode.Disposable.from(
    vscode.lm.registerTool<{ label?: string }>("deltar_snapshot", {
      prepareInvocation: () => ({
        invocationMessage: "Taking a snapshot of the workspace",
      }),
      async invoke({ input: { label } }) {
        const taken = await api.snapshot(label ? { label } : {});
        if (taken.length === 0) {
          throw new Error(noFolderText(folders.virtualFolders));
        }
        return text([
          "Snapshots of the current state of the workspace:",
          ...taken.map(lineOf),
        ]);
      },
    }),
    vscode.lm.registerTool<Record<string, never>>("deltar_list", {
      prepareInvocation: () => ({ invocationMessage: "Listing snapshots" }),
      async invoke() {
        const snapshots = await api.list();
        if (folders.all.length === 0) {
          throw new Error(noFolderText(folders.virtualFolders));
        }
        if (snapshots.length === 0) {
          return text([NO_SNAPSHOTS]);
        }
        return text(snapshots.map(lineOf));
      },
    }),
    vscode.lm.registerTool<{ before: string; after?: string }>("deltar_diff", {
      prepareInvocation: () => ({ invocationMessage: "Comparing snapshots" }),
      async invoke({ input: { before, after } }) {
        const old = await find(before);
        const now = after === undefined
          ? (await api.snapshot({ folder: old.folder }))[0]
          : await find(after);
        const changes = await api.diff(old, now);
        if (changes.length === 0) return text(["There are no differences."]);
        return text(changes.map(({ path, change }) => `${change} ${path}`));
      },
    }),
    vscode.lm.registerTool<RestoreInput>("deltar_restore", {
      prepareInvocation: ({ input: { snapshot, paths, deleteOthers } }) => ({
        invocationMessage: "Restoring files",
        confirmationMessages: {
          title: "Restore files from a snapshot",
          message:
            `Restore ${
              paths?.length ? paths.join(", ") : "the whole folder"
            } from snapshot ${snapshot}` +
            (deleteOthers
              ? ", and delete files that are not in the snapshot"
              : "") +
            "?",
        },
      }),
      async invoke({ input: { snapshot, paths, deleteOthers } }) {
        const { done, written, deleted, failed } = await api.restore(
          await find(snapshot),
          {
            ...(paths?.length && { paths }),
            deleteOthers: deleteOthers === true,
          },
        );
        if (!done) {
          return text([
            "The restore was not completed: the user refused or cancelled it, " +
            "all files already match the snapshot, or the restore failed and " +
            "the user was told why.",
          ]);
        }
        return text([
          `${plural(written, "file")} written, ${
            plural(deleted, "path")
          } deleted.`,
          ...failed.map(({ path, message }) => `failed: ${path}: ${message}`),
        ]);
      },
    }),
  );
}

function lineOf({ id, folder, time, label }: Snapshot): string {
  return [id, time.toISOString(), folder.fsPath, label]
    .filter((part) => part !== undefined).join("  ");
}

function text(lines: readonly string[]): vscode.LanguageModelToolResult {
  const more = lines.length - MAX_LINES;
  return new vscode.LanguageModelToolResult([
    new vscode.LanguageModelTextPart(
      [
        ...lines.slice(0, MAX_LINES),
        ...(more > 0 ? [`and ${more} more`] : []),
      ].join("\n"),
    ),
  ]);
}
