import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Repository, RestorePlan, RestoreResult } from "../../../mod.ts";
import type { RestoreFailure } from "../../../lib/repository/mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import {
  SYSTEM_ERRORS,
  type SystemErrorText,
} from "../../../shared/system_errors.ts";
import type {
  FolderConfig,
  Method,
  PathFailure,
  RestorePreview,
  RestoreReport,
  RestoreRequest,
} from "../shared/protocol.ts";
import type { Handler, Work } from "./handler.ts";
import type { Repositories } from "./repositories.ts";

type Methods =
  | "previewRestore"
  | "restore"
  | "previewRevert"
  | "undo"
  | "redo";

/** Returns the methods of the worker for restores. */
export function restoreMethods(
  repositories: Repositories,
): { [M in Methods & Method]: Handler<M> } {
  return {
    async previewRestore({ config, request }, { signal }) {
      const repository = await repositories.open(config);
      const plan = await repository.planRestore(
        await repository.find(request.id),
        config.directory,
        { ...optionsOf(config, request), signal },
      );
      return previewOf(plan);
    },

    async previewRevert({ config: { directory }, config, direction }, work) {
      const { signal } = work;
      const repository = await repositories.open(config);
      const options = { direction, signal };
      const plan = await repository.planRevert(directory, options);
      const preview = previewOf(plan);
      const edited = await editedSince(repository, plan, [
        ...preview.overwritten,
        ...preview.deleted,
      ], signal);
      return { ...preview, edited };
    },

    async restore({ config, request }, work) {
      const repository = await repositories.open(config);
      const record = await repository.find(request.id);
      return reportOf(
        await repository.restore(record, config.directory, {
          ...optionsOf(config, request),
          ...workOptions(work),
        }),
      );
    },

    async undo({ config }, work) {
      const repository = await repositories.open(config);
      return reportOf(
        await repository.revert(config.directory, workOptions(work)),
      );
    },

    async redo({ config }, work) {
      const repository = await repositories.open(config);
      return reportOf(
        await repository.revert(config.directory, {
          ...workOptions(work),
          direction: "redo",
        }),
      );
    },
  };
}

/** Returns the files of a plan by what happens to them. */
function previewOf({ steps, failed }: RestorePlan): RestorePreview {
  const files = steps.filter(({ entry, was }) =>
    entry?.kind !== "directory" &&
    (entry !== undefined || was !== "directory")
  );
  const of = (...actions: string[]) =>
    files.filter(({ action }) => actions.includes(action))
      .map(({ path }) => path);
  return {
    overwritten: of("replace"),
    created: of("create"),
    deleted: of("delete"),
    touched: of("touch").length,
    failed: failed.map(failureOf),
  };
}

/**
 * Returns those of the paths whose files or links differ from the entries that
 * the reverted work wrote.
 */
async function editedSince(
  repository: Repository,
  { reverts, target }: RestorePlan,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (reverts === undefined || paths.length === 0) return [];
  let written: ReadonlyMap<string, Written>;
  try {
    const record = await repository.find(reverts);
    written = (await repository.tree(record)).byPath;
  } catch (error) {
    // If the snapshot was removed, the edited files are not known.
    if (codeOf(error) === "not-found") return [];
    throw error;
  }
  const edited: string[] = [];
  for (const path of paths) {
    signal.throwIfAborted();
    const entry = written.get(path);
    const file = entry?.kind === "hardlink" && entry.target !== undefined
      ? written.get(entry.target)
      : entry;
    if (!await isAsWritten(join(target, path), file)) edited.push(path);
  }
  return edited;
}

/** The fields of an entry that are compared with the disk. */
interface Written {
  kind: string;
  size: number;
  mtime: bigint;
  target?: string;
  sha256?: string;
  sparse?: number;
}

/** Returns whether a file or link on the disk is as an entry describes it. */
async function isAsWritten(
  place: string,
  entry: Written | undefined,
): Promise<boolean> {
  const stat = await fs.promises.lstat(place, { bigint: true });
  if (entry === undefined) return false;
  if (entry.kind === "symlink") {
    return stat.isSymbolicLink() &&
      await fs.promises.readlink(place) === entry.target;
  }
  if (entry.kind !== "file") return true;
  if (!stat.isFile() || Number(stat.size) !== entry.size) return false;
  if (stat.mtimeNs === entry.mtime) return true;
  // The checksum of a sparse file is that of its condensed form.
  if (entry.sparse !== undefined) return false;
  const sum = createHash("sha256");
  for await (const piece of fs.createReadStream(place)) sum.update(piece);
  return sum.digest("hex") === entry.sha256;
}

/** Returns a failure of a path, with advice if the system gave the reason. */
function failureOf({ path, error }: RestoreFailure): PathFailure {
  const prefix = `${path}: `;
  const said = error.message;
  const message = said.startsWith(prefix) ? said.slice(prefix.length) : said;
  const known: Readonly<Record<string, SystemErrorText>> = SYSTEM_ERRORS;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = codeOf(at) ?? "";
    const advice = Object.hasOwn(known, code) ? known[code].remedy : undefined;
    if (advice !== undefined) return { path, message, advice };
  }
  return { path, message };
}

function optionsOf(
  { cache }: FolderConfig,
  { paths, deleteOthers }: RestoreRequest,
) {
  return {
    ...(paths !== undefined && { paths }),
    delete: deleteOthers,
    neverTouch: [cache],
  };
}

function workOptions({ signal, progress }: Work) {
  return { signal, onProgress: progress };
}

function reportOf(
  { files, links, touched, deleted, failed }: RestoreResult,
): RestoreReport {
  return {
    written: files + links,
    touched,
    deleted,
    failed: failed.map(failureOf),
  };
}
