import { homedir } from "node:os";
import { join, resolve } from "node:path";
import * as vscode from "vscode";
// Alone: all else of the library is loaded by the workers.
import { repositoryName } from "../../lib/repository/repository_name.ts";
import type { Keys } from "./keys.ts";
import type { Place } from "./protocol.ts";

/** When snapshots are taken without being asked for. */
export interface Triggers {
  /** After saving. */
  onSave: boolean;
  /** The delay after the last save, in milliseconds. */
  delay: number;
  /** The interval in milliseconds; 0 for never. */
  every: number;
  /** Before the window closes. */
  onClose: boolean;
}

/** The triggers as they are set. */
export function triggers(): Triggers {
  const settings = vscode.workspace.getConfiguration("deltar.snapshot");
  return {
    onSave: settings.get("onSave", true),
    delay: Math.max(0, settings.get("delaySeconds", 5)) * 1000,
    every: Math.max(0, settings.get("everyMinutes", 10)) * 60_000,
    onClose: settings.get("onClose", true),
  };
}

/** The most bytes that a folder's snapshots should take; 0 for no limit. */
export function budget(): number {
  return vscode.workspace.getConfiguration("deltar.storage")
    .get("maxSizeMB", 0) * 1e6;
}

/** A folder's place, as its settings have it. */
export function placeOf(
  folder: vscode.WorkspaceFolder,
  storage: vscode.Uri,
  keys: Keys,
): Place {
  const settings = vscode.workspace.getConfiguration("deltar", folder.uri);
  const list = (name: string) =>
    settings.get<unknown[]>(name, []).filter((item) =>
      typeof item === "string"
    );
  const directory = folder.uri.fsPath;
  const location = settings.get("repository.location", "").trim();
  const endpoint = settings.get("repository.endpoint", "").trim();
  const region = settings.get("repository.region", "").trim();
  const base = location === ""
    ? join(storage.fsPath, "repositories")
    : location.replace(/^~(?=\/|\\|$)/, homedir());
  const name = repositoryName(directory);
  const isRemote = /^\w{2,}:\/\//.test(base);
  return {
    directory,
    repository: isRemote
      ? `${base.replace(/\/+$/, "")}/${name}`
      : resolve(directory, base, name),
    cache: join(storage.fsPath, "cache"),
    excludes: [
      // Later patterns win: what is precious, then what is not wanted.
      ...list("exclude.keepIgnored").map((pattern) => `!${pattern}`),
      ...(settings.get("exclude.versionControl", true)
        ? [".git", ".hg", ".svn"]
        : []),
      ...list("exclude.patterns"),
    ],
    gitignore: settings.get("exclude.useGitignore", true),
    ...(isRemote && {
      env: {
        ...keys.env,
        ...(endpoint && { AWS_ENDPOINT_URL: endpoint }),
        ...(region && { AWS_REGION: region }),
      },
    }),
  };
}
