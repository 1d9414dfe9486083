import { Dir } from "../../archive/dir.ts";
import { DirSet } from "../../archive/dir_set.ts";
import { placeOf } from "../format/place_of.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";

/**
 * Opens the directory or directories of a snapshot with the snapshot's rules,
 * so that another snapshot can be taken.
 *
 * @param record The snapshot, which this machine took.
 * @param neverTouch The paths on this machine that a snapshot never reads, such
 * as the repository and the caches of deltar.
 * @throws {DeltarError} `not-found` if a directory no longer exists, `io` if
 * the system refuses access.
 *
 * @example
 * ```ts
 * import { dirOfRecord } from "@deltar/deltar/repository";
 * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const repository = await Repository.create(new MemoryStorage());
 * const docs = new Dir("docs", { excludes: ["*.svg"] });
 * const { record } = await repository.snapshot(docs);
 * assert.deepEqual(dirOfRecord(record, []).files(), docs.files());
 * ```
 */
export function dirOfRecord(
  record: Pick<SnapshotRecord, "directory" | "common" | "rules">,
  neverTouch: readonly string[],
): Dir {
  const { common, rules } = record;
  const options = { ...rules, neverTouch };
  if (common === undefined) return new Dir(placeOf(record), options);
  const paths = rules?.paths ?? [];
  return new DirSet(paths.map((path) => `${common}/${path}`), options);
}
