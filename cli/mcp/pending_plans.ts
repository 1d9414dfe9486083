import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { lstatSync } from "node:fs";
import { DeltarError, type RestorePlan } from "../../mod.ts";
import type { RestoreResult } from "../../lib/repository/mod.ts";
import { encodeName } from "../../lib/tree/mod.ts";
import type { Call } from "./call.ts";

/** The maximum age of a plan that can be carried out, in milliseconds. */
export const MAX_AGE_MS: number = 10 * 60_000;

/** The maximum number of pending plans. A further plan replaces the oldest. */
const MAX_PLANS = 64;

/**
 * A restore or undo that was shown to a model and has not been carried out yet.
 */
export interface PendingPlan {
  /** The name of the tool that made the plan. */
  tool: string;
  /** The path of the served directory. */
  place: string;
  /** The path of the served directory relative to the plan's directory. */
  below: string;
  /** The question that asks the user to confirm the plan. */
  question: string;
  /** The checksum that `sumOf` returned when the plan was made. */
  sum: string;
  /**
   * Called to carry out the plan, with the signal that stops the work, and with
   * the callback `onPlan`. This callback gets the steps that are about to be
   * taken, and throws an error if they differ from the plan.
   */
  carryOut(
    options: { signal: AbortSignal; onPlan: (plan: RestorePlan) => void },
  ): Promise<RestoreResult>;
}

/** The pending plans, by token. Each token can be used once. */
export class PendingPlans {
  readonly #plans = new Map<string, PendingPlan & { until: number }>();

  /** Adds a plan, and returns its token. */
  add(plan: PendingPlan): string {
    const token = randomBytes(16).toString("hex");
    this.#plans.set(token, { ...plan, until: Date.now() + MAX_AGE_MS });
    for (const old of this.#plans.keys()) {
      if (this.#plans.size <= MAX_PLANS) break;
      this.#plans.delete(old);
    }
    return token;
  }

  /**
   * Returns the plan of a token.
   *
   * @throws {DeltarError} `not-found` if the tool has no plan with this token
   * for the directory, or if the plan is too old.
   */
  get(
    token: string,
    { tool, place }: { tool: string; place: string },
  ): PendingPlan {
    const plan = this.#plans.get(token);
    const isValid = plan?.tool === tool && plan.place === place &&
      plan.until > Date.now();
    if (isValid) return plan;
    throw new DeltarError(
      "not-found",
      "this token names no plan. A token is valid for one use, for 10 " +
        `minutes, and only for ${tool} in the directory that it was made ` +
        "for. Nothing was changed. Call the tool without a token to get a " +
        "new plan.",
    );
  }

  /**
   * Removes a plan and carries it out.
   *
   * @throws {DeltarError} `not-found` if the plan no longer exists; `conflict`
   * if files or snapshots that the plan depends on have changed; and the errors
   * of the restore or undo.
   */
  async carryOut(
    token: string,
    plan: PendingPlan,
    { signal }: Call,
  ): Promise<RestoreResult> {
    if (!this.#plans.delete(token)) this.get(token, plan);
    const onPlan = (now: RestorePlan) => {
      if (sumOf(now) === plan.sum) return;
      throw new DeltarError(
        "conflict",
        "files or snapshots changed after the plan was made, so the plan was " +
          "not carried out. Nothing was changed by this call. Call the tool " +
          "without a token to get a new plan, and check that plan.",
      );
    };
    return await plan.carryOut({ signal, onPlan });
  }
}

/**
 * Returns a hexadecimal SHA-256 that covers a plan and the current state of the
 * paths that the plan changes.
 */
export function sumOf({ target, steps, touchesRoot }: RestorePlan): string {
  const hash = createHash("sha256");
  const add = (value: unknown) =>
    hash.update(
      `${
        JSON.stringify(
          value,
          (_, one) => typeof one === "bigint" ? String(one) : one,
        )
      }\n`,
    );
  add([target, touchesRoot]);
  for (const { path, action, entry, was, from } of steps) {
    add([path, action, entry, was, from, stateOf(`${target}/${from ?? path}`)]);
  }
  return hash.digest("hex");
}

/**
 * Returns the inode number, the size and the times of a path as text, or `null`
 * if the system does not return them.
 */
function stateOf(path: string): string | null {
  const place = path.isWellFormed() ? path : Buffer.from(encodeName(path));
  try {
    const stat = lstatSync(place, { bigint: true });
    return `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
  } catch {
    return null;
  }
}
