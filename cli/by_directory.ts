import type { SnapshotRecord } from "../mod.ts";
import { showPath, showText } from "./text.ts";

/** Items about the snapshots of one directory of one machine. */
export interface DirectoryGroup<Item> {
  /**
   * The directory, formatted for a terminal. If snapshots of several machines
   * have this directory, the name of the machine follows.
   */
  name: string;
  /** The items, in the order in which they were given. */
  items: Item[];
}

/**
 * Groups items by the directory and the machine of their snapshots. The groups
 * are sorted by the path of the directory.
 *
 * @param items The items.
 * @param recordOf Called with each item. Returns the record of the item's
 * snapshot.
 */
export function byDirectory<Item>(
  items: readonly Item[],
  recordOf: (item: Item) => SnapshotRecord,
): DirectoryGroup<Item>[] {
  const directories = Map.groupBy(items, (item) => recordOf(item).directory);
  return [...directories].sort(([a], [b]) => a < b ? -1 : 1).flatMap(
    ([directory, all]) => {
      const machines = [
        ...Map.groupBy(all, (item) => recordOf(item).machine?.id).values(),
      ];
      return machines.map((items) => ({
        name: showPath(directory) +
          (machines.length > 1 ? ` ${machineOf(recordOf(items[0]))}` : ""),
        items,
      }));
    },
  );
}

function machineOf({ machine }: SnapshotRecord): string {
  if (machine === undefined) return "(machine not recorded)";
  return showText(`on ${machine.host || machine.id}`);
}
