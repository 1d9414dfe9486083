import * as vscode from "vscode";
import type { RetentionPolicy } from "../shared/protocol.ts";

const DAY_MS = 86_400_000;

/** The triggers of automatic snapshots. */
export interface Triggers {
  /**
   * Whether a snapshot is taken when a folder without snapshots is opened.
   */
  onOpen: boolean;
  /**
   * Whether a snapshot is taken after the user saves, creates, deletes or
   * renames files.
   */
  onSave: boolean;
  /** The time from the last save to the snapshot, in milliseconds. */
  delay: number;
  /** Whether a snapshot is taken after another program has changed files. */
  onExternalChange: boolean;
  /**
   * The interval between snapshots, in milliseconds. 0 if no snapshots are
   * taken at an interval.
   */
  every: number;
  /** Whether a snapshot is taken before the window closes. */
  onClose: boolean;
}

/** Returns the triggers that the settings define. */
export function triggers(): Triggers {
  const settings = vscode.workspace.getConfiguration("deltar.snapshot");
  return {
    onOpen: settings.get("onOpen", true),
    onSave: settings.get("onSave", true),
    delay: Math.max(0, settings.get("delaySeconds", 5)) * 1000,
    onExternalChange: settings.get("onExternalChange", true),
    every: Math.max(0, settings.get("everyMinutes", 10)) * 60_000,
    onClose: settings.get("onClose", true),
  };
}

/**
 * Returns the size, in bytes, that the snapshots of a folder can have before
 * the user is warned; 0 for no limit.
 */
export function sizeLimit(): number {
  return vscode.workspace.getConfiguration("deltar.storage")
    .get("maxSizeMB", 0) * 1e6;
}

/**
 * The snapshot that the marks next to the line numbers compare files with: the
 * last snapshot, the last snapshot with a label, or none.
 */
export type GutterBase = "nothing" | "lastSnapshot" | "lastLabel";

/** Returns which snapshot the marks compare files with. */
export function gutterBase(): GutterBase {
  return vscode.workspace.getConfiguration("deltar.gutter")
    .get<GutterBase>("compareWith", "nothing");
}

/** Returns whether old snapshots are removed automatically. */
export function isRetentionEnabled(): boolean {
  return vscode.workspace.getConfiguration("deltar.retention")
    .get("enabled", true);
}

/** Returns the policy that decides which snapshots are kept. */
export function retentionPolicy(): RetentionPolicy {
  const settings = vscode.workspace.getConfiguration("deltar.retention");
  const days = (name: string, otherwise: number) =>
    Math.max(0, settings.get(name, otherwise));
  const weekly = days("weeklyDays", 0);
  return {
    within: days("allDays", 1) * DAY_MS,
    withinHourly: days("hourlyDays", 7) * DAY_MS,
    withinDaily: days("dailyDays", 31) * DAY_MS,
    withinWeekly: weekly === 0 ? Infinity : weekly * DAY_MS,
    labels: ["*"],
  };
}
