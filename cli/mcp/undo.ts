import { z } from "zod";
import { truePlace } from "../../lib/tree/mod.ts";
import { formerPaths } from "../former_paths.ts";
import { showPath } from "../text.ts";
import { targetAt } from "../undo.ts";
import { inTwoSteps, tokenInput } from "./planned_work.ts";
import { inputOf, type Tool } from "./tool.ts";

const input = inputOf({
  ...tokenInput,
  direction: z.enum(["undo", "redo"]).optional().describe(
    "`undo` reverts the last restore, `redo` the last undo. Default: undo.",
  ),
});

/** The tool that reverts the last restore or undo. */
export const undoTool: Tool<z.infer<typeof input>> = inTwoSteps({
  name: "deltar_undo",
  title: "Undo the last restore",
  description:
    "Reverts the last restore in the directory, or the last undo. It does " +
    "not revert other changes: use deltar_restore for these. Works in two " +
    "steps: a call without a token changes nothing and returns a plan and a " +
    "token, and a call with the `token` carries out exactly this plan.",
  input,
  async plan(call, { direction = "undo" }) {
    const { repository } = await call.open();
    const { target, below } = await targetAt(repository, call.place);
    const { signal } = call;
    const former = await formerPaths(repository, truePlace(target));
    const work = { direction, former, ...below !== "" && { paths: [below] } };
    const plan = await repository.planRevert(target, { ...work, signal });
    const verb = direction === "undo"
      ? "Undo the last restore"
      : "Redo the last undo";
    // `reverts` is absent if the directory was new or empty before the restore.
    const note = plan.reverts === undefined
      ? "If the restore created the directory itself, the directory is " +
        "deleted too, unless it has other files."
      : undefined;
    return {
      plan,
      title: `${verb} in ${showPath(call.place)}`,
      below,
      note,
      carryOut: (more) => repository.revert(target, { ...work, ...more }),
    };
  },
});
