import type { RestorePlan, RestoreResult } from "../mod.ts";
import type { RestoreProgress } from "../lib/repository/mod.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { printPlan, printResult, tellProgress } from "./restore_report.ts";
import { askingForTrust } from "./trust.ts";

/** Options for the commands that restore, undo or redo. */
export interface RestoreWorkOptions {
  trustRepository?: boolean;
  dryRun?: boolean;
}

/** A restore, undo or redo that a command plans or carries out. */
export interface RestoreWork {
  /** The directory to restore into. */
  target: string;
  /** Fields for the output as JSON. */
  fields: Record<string, unknown>;
  /** Returns the plan of the work, without changing anything. */
  plan(options: { trust: boolean; signal: AbortSignal }): Promise<RestorePlan>;
  /** Carries out the work. See `askingForTrust` for `trust` and `onPlan`. */
  carryOut(options: {
    trust: boolean;
    onPlan?: (plan: RestorePlan) => void;
    onProgress: (progress: RestoreProgress) => void;
    signal: AbortSignal;
  }): Promise<RestoreResult>;
  /**
   * Called with the numbers of restored files, directories, links and bytes, in
   * words. Returns the beginning of the printed sentence. The duration of the
   * work follows it.
   */
  sentence(done: string): string;
}

/**
 * Carries out work and prints the result or, with `--dry-run`, prints the plan
 * of the work. Returns the exit code.
 */
export async function carryOutOrPlan(
  { signal }: Context,
  out: Console,
  { trustRepository: trust = false, dryRun }: RestoreWorkOptions,
  { target, fields, plan, carryOut, sentence }: RestoreWork,
): Promise<number> {
  if (dryRun) return printPlan(out, await plan({ trust, signal }), fields);
  const started = performance.now();
  const onProgress = tellProgress(out);
  const result = await askingForTrust(
    out,
    trust,
    signal,
    (answer) => carryOut({ ...answer, onProgress, signal }),
  );
  return printResult(out, result, { ...fields, target }, sentence, started);
}
