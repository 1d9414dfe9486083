import type * as vscode from "vscode";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import type { BrowseView } from "../views/browse_view.ts";
import type { HistoryView } from "../views/history_view.ts";

/** The parts of the extension that commands work with. */
export interface Context {
  /** The folders of the workspace. */
  folders: ProtectedFolders;
  /** The log of the extension, which is an output channel of VS Code. */
  log: vscode.LogOutputChannel;
  /** The state that VS Code keeps for this workspace. */
  memory: vscode.Memento;
  /** The view of the active file's versions. */
  history: HistoryView;
  /** The view of the files of a snapshot. */
  browse: BrowseView;
}
