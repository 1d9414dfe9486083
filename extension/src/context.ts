import type * as vscode from "vscode";
import type { Guards } from "./guards.ts";
import type { HistoryView } from "./history_view.ts";

/** The parts that commands work with. */
export interface Context {
  /** The folders of the workspace. */
  guards: Guards;
  /** The output channel. */
  log: vscode.LogOutputChannel;
  /** The memory of this workspace. */
  memory: vscode.Memento;
  /** The view of the active file's versions. */
  history: HistoryView;
}
