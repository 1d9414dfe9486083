import type { Repository, RestorePlan } from "../../../mod.ts";
import { checkAborted } from "../../../lib/bytes/abort.ts";
import { inTurns, turnIfDue } from "../../../lib/bytes/turns.ts";
import { TargetDirectory } from "../../../lib/tree/target_directory.ts";
import { codeOf } from "../../../shared/error_code.ts";

/**
 * Returns the paths among `paths` that were edited after the restore or undo
 * that the plan reverts. A path counts as edited if its file or link cannot be
 * read, or differs from the entry in the restored snapshot. If that snapshot is
 * not known or no longer exists, returns an empty list.
 */
export async function editedSince(
  repository: Repository,
  { reverts, target }: RestorePlan,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (reverts === undefined || paths.length === 0) return [];
  let written: ReadonlyMap<string, Written>;
  try {
    const record = await repository.find(reverts);
    written = (await repository.tree(record)).byPath;
  } catch (error) {
    // Without the restored snapshot, edited files cannot be recognized.
    if (codeOf(error) === "not-found") return [];
    throw error;
  }
  const onDisk = new TargetDirectory(target);
  try {
    const edited: string[] = [];
    for (const path of paths) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      const entry = written.get(path);
      const file = entry?.kind === "hardlink" && entry.target !== undefined
        ? written.get(entry.target)
        : entry;
      const isSame = await isAsWritten(onDisk, path, file, signal)
        .catch(() => false);
      if (!isSame) edited.push(path);
    }
    // An abort during the last comparison counts as a difference, so the signal
    // is checked again.
    checkAborted(signal);
    return edited;
  } finally {
    onDisk.close();
  }
}

/** The fields of an entry that are compared with the path on the disk. */
interface Written {
  kind: string;
  size: number;
  mtime: bigint;
  target?: string;
  sha256?: string;
  sparse?: number;
}

/** Returns whether a file or link on the disk matches an entry. */
async function isAsWritten(
  onDisk: TargetDirectory,
  path: string,
  entry: Written | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const stat = onDisk.at(path);
  if (entry === undefined || stat?.kind !== entry.kind) return false;
  if (entry.kind === "symlink") return onDisk.target(path) === entry.target;
  if (entry.kind !== "file") return true;
  const { size, sha256, sparse } = entry;
  if (stat.size !== size || sha256 === undefined) return false;
  if (stat.mtime === entry.mtime) return true;
  return await inTurns(
    onDisk.hasContent(path, { size, sha256, sparse }),
    signal,
  );
}
