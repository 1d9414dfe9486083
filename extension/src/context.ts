import type * as vscode from "vscode";
import type { Guards } from "./guards.ts";
import type { HistoryView } from "./history_view.ts";

/** What the commands work with. */
export interface Context {
  /** The folders of the workspace. */
  guards: Guards;
  /** The output channel. */
  log: vscode.LogOutputChannel;
  /** The view of the active file's versions. */
  history: HistoryView;
}
