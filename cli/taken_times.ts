import type { Repository, SnapshotRecord } from "../mod.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import type { Console } from "./console.ts";
import { thisMachine } from "./machine.ts";

/**
 * Returns the snapshots of a directory, by their times in milliseconds since
 * 1970, the oldest first. Ignores safety snapshots and the snapshots of other
 * machines, but not snapshots that record no machine.
 *
 * @param directory The directory, spelled as in the records.
 */
export async function takenTimes(
  out: Console,
  repository: Repository,
  directory: string,
): Promise<Map<number, SnapshotRecord>> {
  const { id } = await thisMachine();
  const records = await repository.snapshots({
    onDamage: (error) => out.warn(`${error.message}; ${DAMAGE_ADVICE}`),
  });
  return new Map(
    records.filter((record) =>
      record.directory === directory && record.safety === undefined &&
      (record.machine === undefined || record.machine.id === id)
    ).map((record) => [record.time, record]),
  );
}
