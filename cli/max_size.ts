import { DeltarError, type FitResult, type Repository } from "../mod.ts";
import type { Console } from "./console.ts";
import { tell } from "./prune.ts";
import { formatBytes, formatDate, plural } from "./text.ts";

/**
 * Makes a repository fit into the size that was given or is remembered.
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
    await repository.setMaxSize(maxSize === "none" ? undefined : maxSize);
  }
  if (maxSize === undefined || maxSize === "none") return undefined;
  try {
    return await repository.fit(maxSize, {
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

/** Says what was removed for the size, and what is too much even so. */
export function printFit(
  out: Console,
  { maxSize, before, after, removed }: FitResult,
): void {
  for (const { id, time } of removed) {
    out.line(`  removed     ${id} of ${formatDate(time)}, to save space`);
  }
  if (before > maxSize) {
    out.line(
      `  size        ${formatBytes(before)} were more than the ` +
        `${formatBytes(maxSize)} allowed; ${
          plural(removed.length, "snapshot")
        } ` +
        `and what was removed before are gone for good; now ` +
        formatBytes(after),
    );
  }
  if (after > maxSize) {
    out.warn(
      `the last snapshots alone take ${formatBytes(after)}, more than the ` +
        `${formatBytes(maxSize)} allowed; they stay`,
    );
  }
}

/** The same for programs. */
export function fitFields(fit: FitResult): Record<string, unknown> {
  const { maxSize, before, after, removed } = fit;
  return { maxSize, before, after, removed: removed.map(({ id }) => id) };
}
