import { z } from "zod";
import { DeltarError } from "../../mod.ts";
import { cacheFolder } from "../location.ts";
import { placeHere } from "../place_here.ts";
import { suggesting } from "../suggest.ts";
import { showPath } from "../text.ts";
import { inTwoSteps, tokenInput } from "./planned_work.ts";
import { inputOf, pathName, snapshotName, type Tool } from "./tool.ts";

const input = inputOf({
  ...tokenInput,
  snapshot: snapshotName.optional()
    .describe("The snapshot to restore. Required to make a plan."),
  paths: z.array(pathName).max(1000).optional().describe(
    "Only these files and folders, relative to the directory. Default: all.",
  ),
  delete: z.boolean().optional().describe(
    "Whether to delete files that are not in the snapshot, except excluded " +
      "files. Default: false.",
  ),
});

/** The tool that restores a snapshot in place. */
export const restoreTool: Tool<z.infer<typeof input>> = inTwoSteps({
  name: "deltar_restore",
  title: "Restore files from a snapshot",
  description:
    "Restores the directory, or some paths of it, from a snapshot. " +
    "Works in two steps: a call with `snapshot` changes nothing and returns " +
    "a plan and a token, and a call with the `token` carries out exactly " +
    "this plan. Restore only the paths that you need. Files that change are " +
    "saved first, and deltar_undo brings them back.",
  input,
  async plan(call, { snapshot, paths, delete: deletes = false }) {
    if (snapshot === undefined) {
      throw new DeltarError(
        "unsupported",
        "the input has neither `snapshot` nor `token`. Name the snapshot to " +
          "get a plan; deltar_list shows the snapshots.",
      );
    }
    const begun = await call.open();
    const { repository } = begun;
    const named = await call.find(begun, snapshot);
    const { record, below } = named;
    const target = placeHere(record, "Name another snapshot.");
    const chosen = call.pathsIn(named, paths);
    const { signal } = call;
    const work = {
      ...!chosen.includes("") && { paths: chosen },
      delete: deletes,
      neverTouch: [cacheFolder()],
    };
    return {
      plan: await suggesting(
        repository,
        record,
        () => repository.planRestore(record, target, { ...work, signal }),
        below,
      ),
      title: `Restore ${record.id} into ${showPath(call.place)}`,
      below,
      carryOut: (more) =>
        repository.restore(record, target, { ...work, ...more }),
    };
  },
});
