import { Command } from "commander";
import { DeltarError } from "../mod.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { findSnapshot, SNAPSHOT_HELP } from "./suggest.ts";

/**
 * The pattern of a whole id. A damaged snapshot can be removed only by its
 * whole id.
 */
const ID = /^\d{8}T\d{6}Z-[0-9a-f]{6}(?:-safety)?$/;

/** Makes the command `deltar forget`. */
export function forgetCommand(context: Context): Command {
  return new Command("forget")
    .description(
      "Remove snapshots. `deltar undelete` can bring them back until their " +
        "space is freed, by `deltar prune` after the grace period or by a " +
        "size limit",
    )
    .argument("<snapshots...>", SNAPSHOT_HELP)
    .action(async (snapshots: string[], options: CommonOptions) => {
      context.code = await run(context, snapshots, options);
    });
}

async function run(
  context: Context,
  names: string[],
  options: CommonOptions,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  // All snapshots are found before any is removed, because a removal can change
  // which snapshot `latest` is.
  const ids = new Set<string>();
  for (const name of names) {
    try {
      ids.add((await findSnapshot(begun, name)).id);
    } catch (error) {
      const isDamaged = error instanceof DeltarError && ID.test(name) &&
        (error.code === "corrupt" || error.code === "truncated");
      if (!isDamaged) throw error;
      ids.add(name);
    }
  }
  for (const id of ids) {
    await repository.forget(id);
    if (!out.json) {
      out.line(`Removed ${id}; \`deltar undelete ${id}\` brings it back.`);
    }
  }
  if (out.json) out.object("forget", { removed: [...ids] });
  return EXIT.done;
}
