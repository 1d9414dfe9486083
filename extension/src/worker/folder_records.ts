import type { Repository, SnapshotRecord } from "../../../mod.ts";
import type { Machine } from "../../../lib/repository/mod.ts";
import type { FolderConfig } from "../shared/protocol.ts";
import { thisMachine } from "./machine.ts";

/**
 * Returns the snapshots of a folder and of its former paths, the oldest first,
 * without safety snapshots.
 */
export async function recordsOf(
  repository: Repository,
  config: FolderConfig,
): Promise<SnapshotRecord[]> {
  const records = await repository.snapshots({ onDamage: () => {} });
  return ownAmong(records, config, await thisMachine());
}

/**
 * Returns the snapshots of a folder among all snapshots of its repository,
 * without safety snapshots.
 *
 * A repository has the snapshots of one folder. If the folder was moved, its
 * snapshots are under several paths. A path is a former path of the folder if
 * all snapshots of the path are older than those of the current path. If the
 * folder was moved back, a path with newer snapshots is also a former path if
 * one of its snapshots is the parent or the child of a snapshot of the current
 * path or of another former path.
 *
 * Several machines can use a repository if their folders have the same path. A
 * move on another machine says nothing about this folder. At a former path,
 * snapshots that another machine took after the last one of this machine belong
 * to the folder of the other machine.
 *
 * @param records The snapshots of the repository, the oldest first.
 * @param config The configuration of the folder.
 * @param machine This machine.
 */
export function ownAmong(
  records: readonly SnapshotRecord[],
  { directory }: FolderConfig,
  machine: Machine,
): SnapshotRecord[] {
  const taken = records.filter(({ safety }) => safety === undefined);
  const first = taken.findIndex((record) => record.directory === directory);
  if (first < 0) return taken;
  const others = otherMachines(records, machine);
  const isHere = ({ machine }: SnapshotRecord) => !others.has(machine?.id);
  const later = new Set(taken.slice(first).map((record) => record.directory));
  later.delete(directory);
  if (later.size === 0) return taken;
  const directories = new Map(taken.map((one) => [one.id, one.directory]));
  const moves = taken.filter(isHere).flatMap(
    ({ parent = "", directory: to }) => {
      const from = directories.get(parent);
      return from === undefined || from === to ? [] : [[from, to]];
    },
  );
  for (let left = later.size + 1; left > later.size;) {
    left = later.size;
    for (const [from, to] of moves) {
      if (!later.has(from)) later.delete(to);
      else if (!later.has(to)) later.delete(from);
    }
  }
  const last = new Map<string, number>();
  for (const [at, record] of taken.entries()) {
    if (at < first || isHere(record)) last.set(record.directory, at);
  }
  return taken.filter((record, at) =>
    record.directory === directory ||
    !later.has(record.directory) && at <= (last.get(record.directory) ?? -1)
  );
}

/**
 * Returns the safety snapshots of a folder, including those of its former
 * paths, among all snapshots of its repository. As in `ownAmong`, those of
 * another machine at a former path do not count after the last snapshot of this
 * machine there.
 *
 * @param records The snapshots of the repository, the oldest first.
 * @param own The snapshots of the folder, as `ownAmong` returns them.
 * @param config The configuration of the folder.
 * @param machine This machine.
 */
export function safetyAmong(
  records: readonly SnapshotRecord[],
  own: readonly SnapshotRecord[],
  { directory }: FolderConfig,
  machine: Machine,
): SnapshotRecord[] {
  const others = otherMachines(records, machine);
  const last = new Map(own.map((record) => [record.directory, record.id]));
  return records.filter(({ id, directory: path, safety, machine }) => {
    if (safety === undefined) return false;
    const newest = last.get(path);
    return path === directory ||
      newest !== undefined && (!others.has(machine?.id) || id < newest);
  });
}

/**
 * Returns the ids of the machines that are certainly not this one. A machine can
 * lose its id and get a new one. An id is from another machine if its snapshots
 * have another host or user, or if one of them is newer than the first snapshot
 * with this machine's id.
 *
 * @param records The snapshots of a repository, the oldest first.
 * @param own This machine.
 */
function otherMachines(
  records: readonly SnapshotRecord[],
  own: Machine,
): ReadonlySet<string | undefined> {
  const others = new Set<string | undefined>();
  let isKnown = false;
  for (const { machine } of records) {
    if (machine?.id === own.id) isKnown = true;
    else if (machine !== undefined && (isKnown || isElsewhere(machine, own))) {
      others.add(machine.id);
    }
  }
  return others;
}

/** Returns whether two machines are known to have different names or users. */
function isElsewhere(one: Machine, own: Machine): boolean {
  const differs = (a: string | undefined, b: string | undefined) =>
    a !== undefined && b !== undefined && a !== b;
  return differs(one.host, own.host) || differs(one.user, own.user);
}
