import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  DeltarError,
  type Repository,
  type SnapshotRecord,
} from "../../../mod.ts";
import { isOfMachine, repositoryName } from "../../../lib/repository/mod.ts";
import { fileSystemOf, truePlace } from "../../../lib/tree/mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import {
  KnownDirectories,
  type KnownDirectory,
} from "../../../shared/known_directories.ts";
import { isFolder } from "../../../shared/location_sum.ts";
import type {
  FolderConfig,
  Method,
  OldHistory,
  VersionStat,
} from "../shared/protocol.ts";
import { ownAmong, safetyAmong } from "./folder_records.ts";
import type { Handler } from "./handler.ts";
import { kindOf } from "./kind_of.ts";
import { thisMachine } from "./machine.ts";
import type { Repositories } from "./repositories.ts";

/** The maximum number of repositories that are opened in a search. */
const MAX_OPENED = 50;

/**
 * The maximum number of files and folders in the root of a snapshot that are
 * compared with those of a folder.
 */
const MAX_COMPARED = 500;

type Methods = "findMoved" | "continueHistory" | "copyHistory";

/**
 * Returns the methods that find, continue and copy the history of a folder
 * after the folder was moved or its repository got a new location.
 */
export function oldHistoryMethods(
  repositories: Repositories,
): { [M in Methods & Method]: Handler<M> } {
  const copy: Handler<"copyHistory"> = async (
    { config, from, mayDecrypt = false },
    { signal },
  ) => {
    const source = await repositories.open(from);
    const isEncrypted = source.keys !== undefined;
    const target = await repositories.openOrCreate({
      ...config,
      encrypt: config.encrypt || isEncrypted,
    });
    if (isEncrypted && target.keys === undefined && !mayDecrypt) {
      throw new DeltarError(
        "unsupported",
        "the repository is not encrypted, but the history to copy is",
        { object: config.repository },
      );
    }
    const all = await source.snapshots({ onDamage: () => {} });
    const own = ownAmong(all, from);
    const records = [...own, ...safetyAmong(all, own, from)];
    const { copied } = await source.copyTo(target, records, { signal });
    return { copied: copied.length };
  };
  return {
    async findMoved({ config }, { signal }) {
      if (!isFolder(config.repository)) return undefined;
      // The location in the settings might have changed since the last
      // snapshot, so the repository is searched for at the current location and
      // at the recorded one.
      const base = dirname(config.repository);
      const repositoryOf = (known: KnownDirectory) =>
        [join(base, repositoryName(known.directory)), known.repository]
          .find((one) => fs.existsSync(one));
      const known = knownDirectories(config).movedTo(
        config.directory,
        (one) => repositoryOf(one) !== undefined,
      );
      const repository = known && repositoryOf(known);
      if (known === undefined || repository === undefined) {
        return await findSame(repositories, config, signal);
      }
      return { directory: known.directory, repository, isMoved: true };
    },

    continueHistory({ config, from }) {
      const { repository } = config;
      const isMovable = dirname(from.repository) === dirname(repository) &&
        !fs.existsSync(repository);
      if (isMovable) repositories.move(from, config);
      return Promise.resolve({ isMoved: isMovable });
    },

    copyHistory: copy,
  };
}

/**
 * Records which repository has the snapshots of a folder, so that they are
 * found after the folder has been moved.
 */
export function rememberFolder(config: FolderConfig): void {
  const { directory, repository } = config;
  if (!isFolder(repository)) return;
  knownDirectories(config).remember(directory, repository);
}

function knownDirectories({ cache }: FolderConfig): KnownDirectories {
  const notes = join(cache, "directories");
  return new KnownDirectories(notes, { truePlace, fileSystemOf });
}

/**
 * Searches the repositories next to the repository of a folder for a directory
 * that no longer exists on this machine and, as `isSame` decides, had the same
 * files as the folder. Repositories of directories with the same name as the
 * folder are searched first, and then the most recently used ones. Repositories
 * that cannot be read are ignored. Returns `undefined` if there is no such
 * directory.
 */
async function findSame(
  repositories: Repositories,
  config: FolderConfig,
  signal: AbortSignal,
): Promise<OldHistory | undefined> {
  const { id: machine } = await thisMachine();
  for (const repository of candidates(config.repository)) {
    signal.throwIfAborted();
    try {
      const opened = await repositories.peek({ ...config, repository });
      const onDamage = () => {};
      const last = await opened.find("latest", { onDamage, signal });
      const { directory } = last;
      const isGone = isOfMachine(last, machine) && isMissing(directory);
      if (isGone && await isSame(opened, last, config.directory, signal)) {
        return { directory, repository, isMoved: false };
      }
    } catch (error) {
      if (codeOf(error) === "aborted") throw error;
    }
  }
  return undefined;
}

function candidates(own: string): string[] {
  const base = dirname(own);
  // The name of a repository ends with `-` and a checksum of the folder's path.
  const stem = (name: string) => name.slice(0, name.lastIndexOf("-"));
  const isAlike = (name: string) => stem(name) === stem(basename(own));
  let names: string[];
  try {
    names = fs.readdirSync(base).filter((name) => name !== basename(own));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      const { mtimeMs } = fs.statSync(join(base, name, "snapshots"));
      return [{ name, time: mtimeMs }];
    } catch {
      return [];
    }
  }).sort((a, b) =>
    Number(isAlike(b.name)) - Number(isAlike(a.name)) || b.time - a.time
  ).slice(0, MAX_OPENED).map(({ name }) => join(base, name));
}

function isMissing(path: string): boolean {
  try {
    fs.lstatSync(path);
    return false;
  } catch (error) {
    return codeOf(error) === "ENOENT";
  }
}

/**
 * Returns whether a folder is probably the directory of a snapshot. At least
 * half of the files directly in the snapshot's root, and at least one, must be
 * in the folder with the same size and time. If the root has no files, its
 * folders are compared instead, by time only.
 */
async function isSame(
  repository: Repository,
  record: SnapshotRecord,
  folder: string,
  signal: AbortSignal,
): Promise<boolean> {
  const all = { file: 0, directory: 0 };
  const same = { file: 0, directory: 0 };
  let compared = 0;
  const some = { isShallow: true, signal };
  for await (const entries of repository.entries(record, some)) {
    for (const { path, kind: rawKind, size, mtime } of entries) {
      const kind = kindOf(rawKind);
      if (path === "" || kind !== "file" && kind !== "directory") continue;
      if (++compared > MAX_COMPARED) break;
      all[kind]++;
      const now = statOf(join(folder, path));
      const isEqual = now?.kind === kind && now.mtime === mtime &&
        (kind === "directory" || now.size === size);
      if (isEqual) same[kind]++;
    }
    if (compared > MAX_COMPARED) break;
  }
  const kind = all.file > 0 ? "file" : "directory";
  return same[kind] > 0 && 2 * same[kind] >= all[kind];
}

function statOf(
  path: string,
): { kind: VersionStat["kind"]; size: number; mtime: bigint } | undefined {
  try {
    const stat = fs.lstatSync(path, { bigint: true });
    return {
      kind: stat.isDirectory()
        ? "directory"
        : stat.isFile()
        ? "file"
        : "special",
      size: Number(stat.size),
      mtime: stat.mtimeNs,
    };
  } catch {
    return undefined;
  }
}
