import { join, resolve } from "node:path";
import * as vscode from "vscode";
// `repository_name.ts` is imported directly, so that the extension host does
// not load the rest of the library.
import { repositoryName } from "../../../../lib/repository/repository_name.ts";
import { expandHome } from "../../../../shared/user_folder.ts";
import type { FolderConfig } from "../../shared/protocol.ts";
import type { S3Credentials } from "./s3_credentials.ts";

/** The settings that name the location of a repository. */
export interface LocationSettings {
  /**
   * The folder or URL in which the repository has its own folder. Empty for the
   * extension's own storage.
   */
  location: string;
  /** The URL of the S3 server; empty for Amazon S3. */
  endpoint: string;
  /** The region of the bucket; empty for the default region. */
  region: string;
}

/** The folders that VS Code gives the extension for its own files. */
export interface OwnFolders {
  /** The folder of the files that the extension stores. */
  storage: vscode.Uri;
  /** The folder of the extension's logs. */
  logs: vscode.Uri;
}

/**
 * The patterns of the folders of version control systems. They also match
 * files, because `.git` is a file in a Git worktree.
 */
const VERSION_CONTROL = [".git", ".hg", ".svn"];

/**
 * Returns the configuration of a folder from its settings.
 *
 * @param folder The workspace folder.
 * @param own The folders of the extension's own files.
 * @param credentials The credentials of repositories on S3.
 * @param place The location of the repository. Default: the location in the
 * settings.
 */
export function folderConfig(
  folder: vscode.WorkspaceFolder,
  { storage, logs }: OwnFolders,
  credentials: S3Credentials,
  place: LocationSettings = locationSettings(folder),
): FolderConfig {
  const settings = vscode.workspace.getConfiguration("deltar", folder.uri);
  const list = (name: string) =>
    settings.get<unknown[]>(name, []).filter((item) =>
      typeof item === "string"
    );
  const largest = settings.get("exclude.largerThanMB", 0);
  const directory = folder.uri.fsPath;
  const { location, endpoint, region } = place;
  const base = location === ""
    ? join(storage.fsPath, "repositories")
    : expandHome(location);
  const encrypt = settings.get<string>("repository.encrypt", "remote");
  const name = repositoryName(directory);
  const isRemote = /^\w{2,}:\/\//.test(base);
  return {
    directory,
    repository: isRemote
      ? `${base.replace(/\/+$/, "")}/${name}`
      : resolve(directory, base, name),
    isOwnStorage: location === "",
    cache: join(storage.fsPath, "cache"),
    originals: join(storage.fsPath, "cache", "originals", name),
    ownFolders: [storage.fsPath, logs.fsPath],
    excludes: [
      // Later patterns take precedence. The patterns to keep come first,
      // because they must not override the patterns to exclude.
      ...list("exclude.keepIgnored").map((pattern) => `!${pattern}`),
      ...(settings.get("exclude.versionControl", true) ? VERSION_CONTROL : []),
      ...list("exclude.patterns"),
    ],
    gitignore: settings.get("exclude.useGitignore", true),
    excludeCaches: settings.get("exclude.caches", false),
    ...largest > 0 && { excludeLargerThan: Math.round(largest * 1e6) },
    encrypt: encrypt === "always" || encrypt !== "never" && isRemote,
    ...(isRemote && {
      env: {
        ...credentials.env,
        ...(endpoint && { AWS_ENDPOINT_URL: endpoint }),
        ...(region && { AWS_REGION: region }),
      },
    }),
  };
}

/** Returns the settings that name the location of a folder's repository. */
export function locationSettings(
  { uri }: vscode.WorkspaceFolder,
): LocationSettings {
  const settings = vscode.workspace.getConfiguration("deltar.repository", uri);
  const text = (name: string) => settings.get(name, "").trim();
  return {
    location: text("location"),
    endpoint: text("endpoint"),
    region: text("region"),
  };
}
