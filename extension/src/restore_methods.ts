import type { RestoreResult } from "../../mod.ts";
import type { Method, Place, RestoreReport, RestoreWish } from "./protocol.ts";
import { openRepository } from "./repositories.ts";
import type { Handler, Work } from "./worker.ts";

type Methods = "plan" | "restore" | "undo" | "redo";

/** The methods of the worker that change the workspace. */
export const restoreMethods: { [M in Methods & Method]: Handler<M> } = {
  async plan({ place, wish }, { signal }) {
    const repository = await openRepository(place);
    const { steps } = await repository.planRestore(
      await repository.find(wish.id),
      place.directory,
      { ...optionsOf(place, wish), signal },
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

  async restore({ place, wish }, work) {
    const repository = await openRepository(place);
    const record = await repository.find(wish.id);
    return reportOf(
      await repository.restore(record, place.directory, {
        ...optionsOf(place, wish),
        ...during(work),
      }),
    );
  },

  async undo({ place }, work) {
    const repository = await openRepository(place);
    return reportOf(
      await repository.undoRestore(place.directory, during(work)),
    );
  },

  async redo({ place }, work) {
    const repository = await openRepository(place);
    return reportOf(
      await repository.redoRestore(place.directory, during(work)),
    );
  },
};

function optionsOf({ cache }: Place, { paths, deleteOthers }: RestoreWish) {
  return {
    ...(paths !== undefined && { paths }),
    delete: deleteOthers,
    apart: [cache],
  };
}

function during({ signal, progress }: Work) {
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
