import { Option } from "commander";
import type { RestorePlan } from "../mod.ts";
import { plural } from "../shared/text.ts";
import { ask, canAsk } from "./ask.ts";
import type { Console } from "./console.ts";

/** Makes the option `--trust-repository`. */
export function trustOption(): Option {
  return new Option(
    "--trust-repository",
    "Restore owners, set-user-ID and set-group-ID bits, devices, and " +
      "trusted.* and security.* attributes from another user's repository too",
  );
}

/**
 * An error that stops a restore before anything is changed, so that the user
 * can be asked.
 */
class Doubt extends Error {}

/**
 * Runs a restore, undo or redo. If the repository belongs to another user and
 * has owners, set-user-ID or set-group-ID bits, devices, or `trusted.*` or
 * `security.*` attributes to restore, asks on the terminal whether to restore
 * them.
 *
 * @param out The output. If the output is JSON, no question is asked.
 * @param trust Whether `--trust-repository` was given. If so, no question is
 * asked.
 * @param signal Stops the wait for an answer.
 * @param work Carries out the restore. Called with `trust` and, if a question
 * might be asked, with `onPlan`. `work` must pass the plan to `onPlan` before
 * it changes anything. If a question has to be asked, `onPlan` throws an error.
 * After the question, `work` is called again, with the answer as `trust`.
 */
export async function askingForTrust<Result>(
  out: Console,
  trust: boolean,
  signal: AbortSignal,
  work: (
    options: { trust: boolean; onPlan?: (plan: RestorePlan) => void },
  ) => Promise<Result>,
): Promise<Result> {
  if (trust || out.json) return await work({ trust });
  let count = 0;
  const onPlan = (plan: RestorePlan) => {
    count = untrustedIn(plan);
    if (count > 0 && canAsk()) throw new Doubt();
  };
  try {
    return await work({ trust, onPlan });
  } catch (error) {
    if (!(error instanceof Doubt)) throw error;
  }
  const question = "This repository belongs to another user. Restore owners, " +
    "set-user-ID and set-group-ID bits, devices, and trusted.* and " +
    `security.* attributes for ${plural(count, "path")}?`;
  return await work({ trust: await ask(out, question, signal) });
}

/**
 * Returns the number of paths that are not completely restored because the
 * repository is not trusted.
 */
export function untrustedIn({ failed }: Pick<RestorePlan, "failed">): number {
  return failed.filter(({ untrusted }) => untrusted).length;
}
