import * as vscode from "vscode";
import { plural } from "../../../../shared/text.ts";
import type { Protection } from "../folders/protected_folder.ts";
import type { ProtectedFolders } from "../folders/protected_folders.ts";
import type { AutomaticSnapshots } from "../snapshots/automatic_snapshots.ts";
import { formatAgo } from "../ui/text.ts";
import { virtualText } from "../ui/virtual_text.ts";

/**
 * The interval between updates of a text such as "5 min ago", in milliseconds.
 */
const UPDATE_MS = 30_000;

/** The level of protection that the status bar shows. */
type Level = Protection | "unsupported" | "restricted" | "paused" | "off";

const ICONS: Readonly<Record<Level, string>> = {
  protected: "shield",
  partial: "warning",
  waiting: "clock",
  unsupported: "circle-slash",
  restricted: "workspace-untrusted",
  paused: "debug-pause",
  off: "circle-slash",
  failed: "error",
};

/**
 * The status bar item, which shows the level of protection and the time of the
 * last snapshot.
 */
export class StatusBar implements vscode.Disposable {
  readonly #item: vscode.StatusBarItem;
  readonly #folders: ProtectedFolders;
  readonly #automatic: AutomaticSnapshots;
  readonly #disposables: vscode.Disposable[];
  /**
   * The value to which `#setContext` has set the context key; `undefined`
   * before the first call.
   */
  #automaticState: string | undefined;

  constructor(folders: ProtectedFolders, automatic: AutomaticSnapshots) {
    this.#folders = folders;
    this.#automatic = automatic;
    this.#item = vscode.window.createStatusBarItem(
      "deltar.status",
      vscode.StatusBarAlignment.Left,
      10,
    );
    this.#item.name = "Deltar Snapshots";
    this.#item.command = "deltar.showStatus";
    const update = () => this.update();
    const timer = setInterval(update, UPDATE_MS);
    this.#disposables = [
      this.#item,
      folders.onDidChange(update),
      vscode.workspace.onDidChangeConfiguration(update),
      vscode.workspace.onDidGrantWorkspaceTrust(update),
      automatic.onDidPause(update),
      new vscode.Disposable(() => clearInterval(timer)),
    ];
    this.update();
  }

  /** Shows the current state. */
  update(): void {
    this.#setContext();
    const { all } = this.#folders;
    if (all.length === 0 && this.#folders.virtualFolders.length === 0) {
      this.#item.hide();
      return;
    }
    const state = this.state();
    const isBusy = all.some(({ isBusy }) => isBusy);
    const last = Math.max(0, ...all.map(({ last }) => last?.time ?? 0));
    const isCurrent = state.level === "protected" || state.level === "partial";
    const when = last === 0
      ? ""
      : `, ${isCurrent ? "" : "last snapshot "}${formatAgo(last, Date.now())}`;
    const icon = isBusy ? "sync~spin" : ICONS[state.level];
    this.#item.text = `$(${icon}) Deltar: ${state.level}${when}`;
    // Only failures are shown in color, to draw the user's attention to them.
    this.#item.backgroundColor = this.#hasFailed
      ? new vscode.ThemeColor("statusBarItem.warningBackground")
      : undefined;
    this.#item.tooltip = ["Deltar snapshots", ...state.reasons].join("\n");
    this.#item.accessibilityInformation = {
      label: `Deltar snapshots: ${state.level}${when}`,
      role: "button",
    };
    this.#item.show();
  }

  /**
   * The action that pauses or resumes automatic snapshots or, if the settings
   * turn them off, opens the settings.
   */
  get automaticAction(): { label: string; run: () => unknown } {
    const { isPaused, isOff } = this.#automatic;
    if (isPaused) {
      return {
        label: "$(play) Resume Automatic Snapshots",
        run: () => vscode.commands.executeCommand("deltar.resume"),
      };
    }
    if (isOff) {
      return {
        label: "$(gear) Turn On Automatic Snapshots\u2026",
        run: () =>
          vscode.commands.executeCommand(
            "workbench.action.openSettings",
            "deltar.snapshot",
          ),
      };
    }
    return {
      label: "$(debug-pause) Pause Automatic Snapshots",
      run: () => vscode.commands.executeCommand("deltar.pause"),
    };
  }

  /**
   * Returns the level of the workspace's protection, and the reasons if the
   * level is not `protected`.
   */
  state(): { level: Level; reasons: string[] } {
    const reasons: string[] = [];
    for (
      const { name, failure, faults, last, hasNoFiles, isBusy, isAsked } of this
        .#folders
        .all
    ) {
      if (failure !== undefined) reasons.push(`${name}: ${failure}`);
      else if (last === undefined) {
        reasons.push(
          isBusy
            ? `${name}: taking the first snapshot`
            : isAsked
            ? `${name}: waiting for your answer to the question about its old history`
            : `${name}: no snapshots yet`,
        );
      } else if (faults.length > 0) {
        reasons.push(
          `${name}: ${plural(faults.length, "path")} skipped`,
        );
      } else if (hasNoFiles) {
        reasons.push(`${name}: all files are excluded or skipped`);
      }
    }
    for (const { name } of this.#folders.virtualFolders) {
      reasons.push(virtualText(name));
    }
    if (this.#folders.all.length === 0) {
      return { level: "unsupported", reasons };
    }
    if (!vscode.workspace.isTrusted) {
      return {
        level: "restricted",
        reasons: [
          "Restricted Mode: no automatic snapshots are taken",
          ...reasons,
        ],
      };
    }
    const level = this.#folders.protection;
    if (!this.#hasFailed && this.#automatic.isOff) {
      return this.#automatic.isPaused
        ? {
          level: "paused",
          reasons: ["Automatic snapshots are paused", ...reasons],
        }
        : {
          level: "off",
          reasons: ["Automatic snapshots are turned off", ...reasons],
        };
    }
    return { level, reasons };
  }

  /**
   * Sets the context key that says whether automatic snapshots are on, off or
   * paused. VS Code uses the key to choose the text of an empty list of
   * snapshots.
   */
  #setContext(): void {
    const { isPaused, isOff } = this.#automatic;
    const state = isPaused ? "paused" : isOff ? "off" : "on";
    if (state === this.#automaticState) return;
    this.#automaticState = state;
    void vscode.commands.executeCommand(
      "setContext",
      "deltar.automatic",
      state,
    );
  }

  /**
   * Whether the last attempt to take or list snapshots failed for at least one
   * folder.
   */
  get #hasFailed(): boolean {
    return this.#folders.all.some(({ failure }) => failure !== undefined);
  }

  dispose(): void {
    for (const one of this.#disposables) one.dispose();
  }
}
