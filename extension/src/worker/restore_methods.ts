import type { RestoreResult } from "../../../mod.ts";
import type {
  FolderConfig,
  Method,
  RestoreReport,
  RestoreRequest,
} from "../shared/protocol.ts";
import type { Handler, Work } from "./handler.ts";
import type { Repositories } from "./repositories.ts";

type Methods = "previewRestore" | "restore" | "undo" | "redo";

/** Returns the methods of the worker for restores. */
export function restoreMethods(
  repositories: Repositories,
): { [M in Methods & Method]: Handler<M> } {
  return {
    async previewRestore({ config, request }, { signal }) {
      const repository = await repositories.open(config);
      const { steps } = await repository.planRestore(
        await repository.find(request.id),
        config.directory,
        { ...optionsOf(config, request), signal },
      );
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
      };
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
    failed: failed.map(({ path, error }) => ({ path, message: error.message })),
  };
}
