import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DeltarError, type Repository } from "../mod.ts";
import { DEFAULT_GRACE_MS, type FitResult } from "../lib/repository/mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import type { Console } from "./console.ts";
import { placeSum, userFolder } from "./location.ts";
import { tell } from "./prune.ts";
import { formatDate } from "./text.ts";

/** A day, in milliseconds. */
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Removes old snapshots if a repository is larger than `maxSize`, in bytes.
 * Without `maxSize`, the limit in the repository's settings applies. `"none"`
 * stands for no limit. With `remember`, first stores the limit in the settings.
 *
 * If `maxSize` is given, or if this machine stored the limit in the settings,
 * the snapshots are removed without a grace period, and cannot be brought back.
 * With any other limit in the settings, they are removed with a grace period.
 *
 * @returns The removed snapshots, and the sizes of the repository before and
 *   after. `undefined` if there is no limit, if another prune, a rekey or a
 *   purge is running, or if new snapshots are unusual and `acceptUnusual` is
 *   not set.
 */
export async function keepToSize(
  out: Console,
  repository: Repository,
  options: {
    maxSize?: number | "none";
    remember?: boolean;
    acceptUnusual?: boolean;
  },
  signal: AbortSignal,
): Promise<FitResult | undefined> {
  const { maxSize = await repository.maxSize(), remember } = options;
  if (remember) {
    const limit = maxSize === "none" ? undefined : maxSize;
    await repository.setMaxSize(limit);
    noteLimit(repository, limit);
  }
  if (maxSize === undefined || maxSize === "none") return undefined;
  const isOwn = options.maxSize !== undefined ||
    notedLimit(repository) === maxSize;
  try {
    return await repository.fit(maxSize, {
      ...!isOwn && { grace: DEFAULT_GRACE_MS },
      signal,
      onProgress: (progress) => tell(out, progress),
      onUnusual: () => options.acceptUnusual === true,
    });
  } catch (error) {
    if (!(error instanceof DeltarError)) throw error;
    // The snapshot has already been taken. A warning is therefore enough if new
    // snapshots are unusual (`unsafe`), or if another prune, a rekey or a purge
    // is running (`exists`).
    if (error.code === "unsafe") {
      out.warn(`the size limit was not applied: ${error.message}.`);
      return undefined;
    }
    if (error.code !== "exists") throw error;
    out.warn(
      `the size limit was not applied: ${error.message}. To apply the limit, ` +
        "run the same command again.",
    );
    return undefined;
  }
}

/**
 * Writes a note on this machine with the limit in bytes that the user set for a
 * repository. Deletes the note if the limit is `undefined`.
 */
function noteLimit(repository: Repository, limit: number | undefined): void {
  const file = noteOf(repository);
  try {
    if (limit === undefined) rmSync(file, { force: true });
    else {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, limitText(repository, limit), { mode: 0o600 });
    }
  } catch {
    // The note is optional. Without it, the limit applies with a grace period.
  }
}

/**
 * Returns the limit in bytes that `noteLimit` wrote for a repository, or
 * `undefined` if there is no valid note.
 */
function notedLimit(repository: Repository): number | undefined {
  try {
    const text = readFileSync(noteOf(repository), "utf8");
    const limit = Number(text.split(" ")[0]);
    return text === limitText(repository, limit) ? limit : undefined;
  } catch {
    return undefined;
  }
}

function limitText({ id }: Repository, limit: number): string {
  return `${limit} ${id}\n`;
}

function noteOf({ storage }: Repository): string {
  return join(userFolder("data"), "limits", placeSum(storage.location));
}

/**
 * Returns whether a repository is larger than its limit, and has no removed
 * snapshots whose space will be freed later.
 */
export function isTooLarge({ after, maxSize, collected }: FitResult): boolean {
  return after > maxSize && (collected?.removed ?? []).length === 0;
}

/**
 * Prints the removed snapshots, and the sizes of the repository before and
 * after. Warns if `isTooLarge` returns `true`.
 */
export function printFit(out: Console, fit: FitResult): void {
  const { maxSize, before, after, removed, grace, collected } = fit;
  for (const { id, time } of removed) {
    out.line(`  removed     ${id} of ${formatDate(time)}, to free space`);
  }
  const allowed = `${formatBytes(before)} exceeded the limit of ` +
    formatBytes(maxSize);
  const waiting = collected?.removed.length ?? 0;
  if (before > maxSize && grace === 0) {
    out.line(
      `  size        ${allowed}; the size is now ${formatBytes(after)}. ` +
        `${plural(removed.length, "snapshot")} and all snapshots that were ` +
        "removed earlier cannot be brought back",
    );
  } else if (before > maxSize) {
    out.line(
      `  size        ${allowed} in the repository's settings; the size is now ` +
        formatBytes(after) +
        (waiting > 0
          ? `. The space of ${plural(waiting, "removed snapshot")} is freed ` +
            `after a grace period of ${plural(grace / DAY_MS, "day")}; until ` +
            "then, `deltar undelete` lists what can be brought back"
          : ""),
    );
  }
  if (isTooLarge(fit)) {
    out.warn(
      `the repository uses ${formatBytes(after)}, more than the limit of ` +
        `${formatBytes(maxSize)}, but the last snapshot of each directory is ` +
        "never removed; raise the limit with `--max-size`",
    );
  }
}

/** Returns the fields of the result for JSON. */
export function fitFields(fit: FitResult): Record<string, unknown> {
  const { maxSize, before, after, removed, grace } = fit;
  return {
    maxSize,
    before,
    after,
    removed: removed.map(({ id }) => id),
    grace,
  };
}
