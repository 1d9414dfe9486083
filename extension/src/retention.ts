import * as vscode from "vscode";
import type { Context } from "./context.ts";
import { explain } from "./explain.ts";
import type { Guard } from "./guard.ts";
import { pickGuard } from "./pick.ts";
import type { RetentionPolicy } from "./protocol.ts";
import { type Taker, withProgress } from "./take.ts";
import { formatBytes, plural } from "./text.ts";

const DAY = 86_400_000;

/** Which snapshots stay, as the settings have it. */
export function policy(): RetentionPolicy {
  const settings = vscode.workspace.getConfiguration("deltar.retention");
  const days = (name: string, otherwise: number) =>
    Math.max(0, settings.get(name, otherwise));
  const weekly = days("weeklyDays", 0);
  return {
    within: days("allDays", 1) * DAY,
    withinHourly: days("hourlyDays", 7) * DAY,
    withinDaily: days("dailyDays", 31) * DAY,
    withinWeekly: weekly === 0 ? Infinity : weekly * DAY,
    labels: ["*"],
  };
}

/** Removes old snapshots once a day, after one was taken. */
export class Retention implements vscode.Disposable {
  readonly #context: Context;
  readonly #state: vscode.Memento;
  readonly #watch: vscode.Disposable;

  constructor(context: Context, state: vscode.Memento, taker: Taker) {
    this.#context = context;
    this.#state = state;
    this.#watch = taker.onDidSnapshot(({ guard }) => void this.#tidy(guard));
  }

  dispose(): void {
    this.#watch.dispose();
  }

  async #tidy(guard: Guard): Promise<void> {
    const settings = vscode.workspace.getConfiguration("deltar.retention");
    if (!settings.get("enabled", true) || !vscode.workspace.isTrusted) return;
    const key = `pruned ${guard.folder.uri}`;
    if (Date.now() - this.#state.get(key, 0) < DAY) return;
    await this.#state.update(key, Date.now());
    const { log } = this.#context;
    try {
      const { removed } = await guard.reader.call("prune", {
        place: guard.place,
        policy: policy(),
      });
      log.info(logOf(guard, removed));
      if (removed.length > 0) guard.refresh();
    } catch (error) {
      // Another window may be at it; it is tried again tomorrow.
      log.warn(
        `${guard.folder.name}: removing old snapshots: ${explain(error)}`,
      );
    }
  }
}

/** Removes old snapshots after the user has seen how many. */
export async function pruneByHand({ guards, log }: Context): Promise<void> {
  const guard = await pickGuard(guards);
  if (guard === undefined) return;
  const place = guard.place;
  const plan = await guard.reader.call("planPrune", {
    place,
    policy: policy(),
  });
  if (plan.removed === 0) {
    void vscode.window.showInformationMessage(
      `The rules keep all ${plural(plan.kept, "snapshot")} of ` +
        `${guard.folder.name}; they take ${formatBytes(plan.stored)}.`,
    );
    return;
  }
  const remove = `Remove ${plural(plan.removed, "Snapshot")}`;
  const answer = await vscode.window.showWarningMessage(
    `Remove ${plural(plan.removed, "old snapshot")} of ${guard.folder.name}?`,
    {
      modal: true,
      detail: `${plural(plan.kept, "snapshot")} stay. ` +
        `${formatBytes(plan.freed)} of ${formatBytes(plan.stored)} become ` +
        "free in seven days; until then nothing is deleted.",
    },
    remove,
  );
  if (answer !== remove) return;
  await withProgress("Removing old snapshots", async (signal) => {
    const words = { place, policy: policy() };
    const { removed } = await guard.reader.call("prune", words, { signal });
    log.info(logOf(guard, removed));
  });
  guard.refresh();
}

/** Which snapshots went, for the log. */
function logOf({ folder }: Guard, removed: readonly string[]): string {
  const which = removed.length > 1
    ? `, from ${removed[0]} to ${removed.at(-1)}`
    : removed.length === 1
    ? `, ${removed[0]}`
    : "";
  return `${folder.name}: ${plural(removed.length, "old snapshot")} removed ` +
    `by the rules${which}`;
}
