import { Option } from "commander";
import { DeltarError, type RestorePlan } from "../mod.ts";
import { plural } from "../shared/text.ts";
import { ask, canAsk } from "./ask.ts";
import type { Console } from "./console.ts";

/** The option by which somebody else's repository is believed. */
export function trustOption(): Option {
  return new Option(
    "--trust-repository",
    "restore owners and set-user-ID bits from somebody else's repository too",
  );
}

/** Thrown to end work that has not begun, as somebody has to be asked. */
class Doubt extends Error {}

/**
 * Runs work that restores something. If that comes from somebody else's
 * repository, with owners or set-user-ID bits, who sits at the terminal is
 * asked whether to restore these.
 *
 * @param out Whether anybody can be asked is its matter.
 * @param trust Whether the option says so.
 * @param signal Ends the waiting for an answer.
 * @param work Called with whether to believe it, and with what to be told of
 * the plan; it is called again once the question is answered.
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
  const question =
    "This repository belongs to somebody else. Restore the owners and " +
    `set-user-ID bits that it has for ${plural(count, "path")}?`;
  return await work({ trust: await ask(out, question, signal) });
}

/**
 * Returns the number of paths without owners or bits of an untrusted
 * repository.
 */
export function untrustedIn({ failed }: Pick<RestorePlan, "failed">): number {
  return failed.filter(({ error, restored }) =>
    restored && error instanceof DeltarError && error.code === "unsafe"
  ).length;
}
