import type { Repository } from "../mod.ts";
import type { RekeyPlan, RekeyProgress } from "../lib/repository/mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { ask, canAsk, declined } from "./ask.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";

/** Options for `deltar key rekey`. */
export interface RekeyFlags {
  /** Whether to show what would be stored without storing anything. */
  dryRun?: boolean;
  /** Whether to begin without asking. */
  yes?: boolean;
}

/** Carries out `deltar key rekey`, and returns the exit code. */
export async function runRekey(
  context: Context,
  out: Console,
  repository: Repository,
  { dryRun = false, yes = false }: RekeyFlags,
): Promise<number> {
  const { signal } = context;
  context.interrupted = "nothing was changed";
  let allBytes: number | undefined;
  const onProgress = (progress: RekeyProgress) => tell(out, progress, allBytes);
  if (dryRun) {
    const plan = await repository.planRekey({ onProgress, signal });
    if (out.json) out.object("key", { dryRun, ...plan });
    else out.line(`${describe("Would store", plan)}.`);
    warn(out, plan);
    return codeOf(plan);
  }
  const result = await repository.rekey({
    onProgress,
    signal,
    onPlan: async (plan) => {
      allBytes = plan.bytes;
      if (plan.objects > 0 && !yes && canAsk()) {
        const question = `${describe("Store", plan)}?`;
        if (!await ask(out, question, signal)) {
          throw declined("nothing was changed");
        }
      }
      context.interrupted =
        "finished work is kept; run the same command again to continue";
      return true;
    },
  });
  if (out.json) out.object("key", { dryRun, ...result });
  else out.line(`${describe("Stored", result)}.`);
  warn(out, result);
  if (result.retired > 0) {
    out.note(
      "recovery sheets that were printed before the last rotation can no " +
        "longer decrypt the repository. Print a new one with `deltar key " +
        "recovery-sheet`. Anyone who copied objects and has an older " +
        "identity can still read these copies.",
    );
  }
  return codeOf(result);
}

/**
 * Returns a sentence about the objects that a rekey stores, without its full
 * stop.
 *
 * @param verb The beginning of the sentence, such as `Stored`.
 */
function describe(verb: string, { objects, bytes }: RekeyPlan): string {
  return objects === 0
    ? "No objects need to be stored again for the newest identity"
    : `${verb} ${plural(objects, "object")} (${
      formatBytes(bytes)
    }) again for ` +
      "the newest identity";
}

/**
 * Warns about the objects that a rekey does not store again for the newest
 * identity.
 */
function warn(out: Console, { atWork, damage }: RekeyPlan): void {
  if (atWork.length > 0) {
    out.warn(
      `${plural(atWork.length, "object")} of active or interrupted runs can ` +
        "still be decrypted with an older identity. Run `deltar key rekey` " +
        "again when these runs have ended, or after a prune has deleted the " +
        "objects that interrupted runs left behind.",
    );
  }
  for (const { message } of damage) {
    out.warn(
      `${message}, so this object is not stored again; \`deltar repair\` ` +
        "repairs damaged objects or replaces the snapshots that need them",
    );
  }
}

function codeOf({ atWork, damage }: RekeyPlan): number {
  return atWork.length + damage.length > 0 ? EXIT.partial : EXIT.done;
}

function tell(
  out: Console,
  { phase, done, all, bytes }: RekeyProgress,
  allBytes: number | undefined,
): void {
  if (phase === "reading") {
    out.progress(() => "reading the headers of objects", `${done}`);
  } else {
    out.progress(
      () => "storing objects for the newest identity",
      `${done} of ${all}`,
      { bytes, allBytes },
    );
  }
}
