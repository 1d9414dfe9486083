import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DeltarError, type FitResult, type Repository } from "../mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import type { Console } from "./console.ts";
import { placeSum, userFolder } from "./location.ts";
import { tell } from "./prune.ts";
import { formatDate } from "./text.ts";

const DAY = 24 * 60 * 60 * 1000;
/** The grace of what a repository's own size limit removes, in milliseconds. */
const GRACE = 7 * DAY;

/**
 * Makes a repository fit into the size that was given or is remembered. What
 * the user set on this machine is kept to at once; what only the repository
 * names, by removing with the usual grace.
 *
 * @returns What it took, `undefined` if any size will do.
 */
export async function keepToSize(
  out: Console,
  repository: Repository,
  options: { maxSize?: number | "none"; remember?: boolean },
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
      ...!isOwn && { grace: GRACE },
      signal,
      onProgress: (progress) => tell(out, progress),
    });
  } catch (error) {
    if (!(error instanceof DeltarError) || error.code !== "exists") throw error;
    // The snapshot is made; another prune is at work, the next one fits it.
    out.warn(`the repository's size is not looked at: ${error.message}`);
    return undefined;
  }
}

/** Notes that this machine's user set a repository's limit, or none. */
function noteLimit(repository: Repository, limit: number | undefined): void {
  const file = noteOf(repository);
  try {
    if (limit === undefined) rmSync(file, { force: true });
    else {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, limitText(repository, limit), { mode: 0o600 });
    }
  } catch {
    // Then it is kept to with grace.
  }
}

/** The limit of a repository that this machine's user set, if any. */
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

/** Whether a repository is larger than it may be, and will stay so. */
export function isTooLarge({ after, maxSize, collected }: FitResult): boolean {
  // What waits for the end of its grace makes room later.
  return after > maxSize && (collected?.removed ?? []).length === 0;
}

/** Says what was removed for the size, and what is too much even so. */
export function printFit(out: Console, fit: FitResult): void {
  const { maxSize, before, after, removed, grace, collected } = fit;
  for (const { id, time } of removed) {
    out.line(`  removed     ${id} of ${formatDate(time)}, to save space`);
  }
  const allowed = `${formatBytes(before)} were more than the ` +
    `${formatBytes(maxSize)} allowed`;
  const waiting = collected?.removed.length ?? 0;
  if (before > maxSize && grace === 0) {
    out.line(
      `  size        ${allowed}; ${plural(removed.length, "snapshot")} and ` +
        `what was removed before are gone for good; now ${formatBytes(after)}`,
    );
  } else if (before > maxSize) {
    out.line(
      `  size        ${allowed} by the repository's own settings; ` +
        `${plural(waiting, "removed snapshot")} can be brought back for ` +
        `${plural(grace / DAY, "day")}, and then make room; now ` +
        formatBytes(after),
    );
  }
  if (isTooLarge(fit)) {
    out.warn(
      `the last snapshots alone take ${formatBytes(after)}, more than the ` +
        `${formatBytes(maxSize)} allowed; they stay`,
    );
  }
}

/** The same for programs. */
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
