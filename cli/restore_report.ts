import { existsSync } from "node:fs";
import type { RestorePlan, RestoreResult } from "../mod.ts";
import type { RestoreFailure, RestoreProgress } from "../lib/repository/mod.ts";
import {
  formatBytes,
  formatCount,
  pipesAndDevices,
  plural,
} from "../shared/text.ts";
import { DAMAGE_ADVICE, isOfObject } from "./advice.ts";
import type { Console } from "./console.ts";
import { EXIT } from "./exit.ts";
import { formatDuration, showPath } from "./text.ts";
import { untrustedIn } from "./trust.ts";

/** The sign of each action in a plan. */
export const MARKS = { create: "+", replace: "~", touch: ".", delete: "-" };

/** Prints a plan, one line for each step, and returns the exit code. */
export function printPlan(
  out: Console,
  plan: RestorePlan,
  fields: Record<string, unknown>,
): number {
  const { steps, kept, ownersUnset, left, failed, bytes, target } = plan;
  const touchesThere = plan.touchesRoot && existsSync(target);
  if (out.json) {
    out.object("restore-plan", {
      ...fields,
      target,
      steps: steps.map(({ path, action, entry, was, from }) => ({
        path,
        action,
        kind: entry?.kind,
        size: entry?.size,
        was,
        from,
      })),
      touchesRoot: touchesThere,
      kept,
      ownersUnset,
      left,
      failed: failed.map(asFields),
      bytes,
    });
    return failed.length > 0 ? EXIT.partial : EXIT.done;
  }
  if (touchesThere) out.line(`${MARKS.touch} ./`);
  for (const { path, action, entry, was, from } of steps) {
    const kind = entry?.kind ?? was;
    const name = showPath(path) + (kind === "directory" ? "/" : "");
    const now = from === undefined ? "" : ` (now ${showPath(from)})`;
    out.line(`${MARKS[action]} ${name}${now}`);
  }
  for (const { path, why } of left) {
    out.line(`  ${showPath(path)} is kept: ${showPath(why)}`);
  }
  warnOfFailures(out, plan, "would not be restored");
  const count = (action: string) =>
    steps.filter((step) => step.action === action).length;
  out.line(
    `Would create ${count("create")}, replace ${count("replace")}, touch ` +
      `${count("touch") + (touchesThere ? 1 : 0)} and delete ${
        plural(count("delete"), "path")
      } in ${showPath(target)}, and write ` +
      `${formatBytes(bytes)}. ${plural(kept, "path")} already ` +
      `${kept === 1 ? "matches" : "match"}. Nothing was changed.`,
  );
  if (ownersUnset > 0) out.line(unsetWords(ownersUnset, "would not be"));
  return failed.length > 0 ? EXIT.partial : EXIT.done;
}

/**
 * Prints the result of a restore, and returns the exit code.
 *
 * @param sentence Called with the numbers of restored files, directories, links
 * and bytes, in words. Returns the beginning of the printed sentence. The
 * duration of the restore follows it.
 * @param started The time when the restore began, in milliseconds, from
 * `performance.now`.
 */
export function printResult(
  out: Console,
  result: RestoreResult,
  fields: Record<string, unknown>,
  sentence: (done: string) => string,
  started: number,
): number {
  const { failed, safety, left, ...counts } = result;
  warnOfFailures(out, result, "was not restored");
  if (out.json) {
    out.object("restore", {
      ...fields,
      ...counts,
      left,
      failed: failed.map(asFields),
      ...safety && { safety: safety.id },
    });
  } else {
    const { files, directories, links, bytes, touched, deleted, kept } = result;
    const { special, ownersUnset } = result;
    const more = [
      ...special > 0 ? [`${pipesAndDevices(special)} created`] : [],
      ...deleted > 0 ? [`${plural(deleted, "path")} deleted`] : [],
      ...touched > 0 ? [`${plural(touched, "path")} touched`] : [],
      ...kept > 0 ? [`${plural(kept, "path")} unchanged`] : [],
    ];
    out.line(
      sentence(
        `${plural(files, "file")}, ` +
          `${plural(directories, "directory", "directories")} and ` +
          `${plural(links, "link")}, ${formatBytes(bytes)}`,
      ) + ` in ${formatDuration(performance.now() - started)}`,
    );
    if (more.length > 0) out.line(`  ${more.join(", ")}`);
    if (ownersUnset > 0) out.line(`  ${unsetWords(ownersUnset, "were not")}`);
    if (safety !== undefined) {
      out.line(`  The previous files are in safety snapshot ${safety.id}.`);
    }
  }
  return failed.length > 0 ? EXIT.partial : EXIT.done;
}

/** Returns a callback that shows the progress of a restore. */
export function tellProgress(
  out: Console,
): (progress: RestoreProgress) => void {
  return ({ entries, allEntries, bytes, allBytes, path }) =>
    out.progress(
      () =>
        `${formatCount(entries)} of ${formatCount(allEntries)} entries, ` +
        `${formatBytes(bytes)} of ${formatBytes(allBytes)}`,
      path,
      { bytes, allBytes },
    );
}

function unsetWords(count: number, verb: string): string {
  return `The owners of ${plural(count, "path")} ${verb} restored, because ` +
    "only root can set them.";
}

function asFields(
  { path, error, restored }: RestoreFailure,
): Record<string, unknown> {
  return { path, error: error.message, restored };
}

const TRUST_ADVICE = "`--trust-repository` also restores owners, set-user-ID " +
  "and set-group-ID bits, devices, and trusted.* and security.* attributes. " +
  "Use this option only if you trust everyone who can write to this " +
  "repository.";

function warnOfFailures(
  out: Console,
  { failed }: Pick<RestoreResult, "failed">,
  what: string,
): void {
  for (const { path, error, restored } of failed) {
    const { message } = error;
    const isNamed = message.startsWith(`${path}: `);
    const why = isNamed ? message.slice(path.length + 2) : message;
    out.warn(`${showPath(path)}${restored ? "" : ` ${what}`}: ${why}`);
  }
  if (untrustedIn({ failed }) > 0) out.warn(TRUST_ADVICE);
  if (failed.some(({ error }) => isOfObject(error))) out.warn(DAMAGE_ADVICE);
}
