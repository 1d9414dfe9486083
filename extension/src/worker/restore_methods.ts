import type { RestorePlan, RestoreResult } from "../../../mod.ts";
import type { RestoreFailure } from "../../../lib/repository/mod.ts";
import { NothingToRevertError } from "../../../lib/repository/restore/undo.ts";
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
import { editedSince } from "./edited_since.ts";
import { untouchedFolders } from "./folder_dir.ts";
import type { Handler, Work } from "./handler.ts";
import type { Repositories } from "./repositories.ts";

type Methods =
  | "previewRestore"
  | "restore"
  | "previewRevert"
  | "undo"
  | "redo";

/** Returns the methods of the worker for restores, undo and redo. */
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

    async previewRevert({ config, direction }, { signal }) {
      const { directory, isOwnStorage, former } = config;
      // A repository outside the extension's storage can be on a disk that is
      // not mounted, so it is an error if this repository is missing.
      const repository = isOwnStorage
        ? await repositories.tryOpen(config)
        : await repositories.open(config);
      if (repository === undefined) return undefined;
      let plan: RestorePlan;
      try {
        plan = await repository.planRevert(directory, {
          direction,
          former,
          signal,
        });
      } catch (error) {
        if (error instanceof NothingToRevertError) return undefined;
        throw error;
      }
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
        await repository.revert(config.directory, {
          ...workOptions(work),
          former: config.former,
        }),
      );
    },

    async redo({ config }, work) {
      const repository = await repositories.open(config);
      return reportOf(
        await repository.revert(config.directory, {
          ...workOptions(work),
          former: config.former,
          direction: "redo",
        }),
      );
    },
  };
}

/**
 * Returns a preview of a restore: the paths to overwrite, create and delete,
 * the number of paths to touch, and the failures. Folders are left out, except
 * from the failures.
 */
export function previewOf({ steps, failed }: RestorePlan): RestorePreview {
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
 * Returns the failure of a path. If it was caused by a system error with a
 * known remedy, adds the remedy as advice.
 */
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
  config: FolderConfig,
  { paths, deleteOthers }: RestoreRequest,
) {
  return {
    ...(paths !== undefined && { paths }),
    delete: deleteOthers,
    neverTouch: untouchedFolders(config),
  };
}

/** Returns options with the signal and the progress callback of a request. */
export function workOptions(
  { signal, progress }: Work,
): { signal: AbortSignal; onProgress: Work["progress"] } {
  return { signal, onProgress: progress };
}

/** Returns the result of a restore as a report for the extension host. */
export function reportOf(
  { files, links, touched, deleted, failed }: RestoreResult,
): RestoreReport {
  return {
    written: files + links,
    touched,
    deleted,
    failed: failed.map(failureOf),
  };
}
