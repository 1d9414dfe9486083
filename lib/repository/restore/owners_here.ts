import type { Metadata } from "../../tree/entry.ts";
import {
  numbersHere,
  type OwnerNames,
  SystemOwners,
} from "../../tree/owner_names.ts";
import { withJson } from "../../tree/to_json.ts";
import type { TargetState } from "./plan.ts";

/**
 * Replaces the numbers of owners and groups with the numbers that the same
 * names have on this system. If an owner or group has no name, or a name that
 * does not exist on this system, its number is kept.
 *
 * @param wanted The wanted state of the target. It is modified.
 * @param names The names of the owners and groups, from the record of the
 * snapshot.
 * @param system The owners and groups of this system.
 */
export function useOwnersHere(
  wanted: TargetState,
  names: OwnerNames | undefined,
  system: SystemOwners = new SystemOwners(),
): void {
  if (names === undefined) return;
  const users = numbersHere("users", names.users, system);
  const groups = numbersHere("groups", names.groups, system);
  if (users.size + groups.size === 0) return;
  const here = <Of extends Metadata>(entry: Of): Of => {
    const uid = users.get(entry.uid) ?? entry.uid;
    const gid = groups.get(entry.gid) ?? entry.gid;
    if (uid === entry.uid && gid === entry.gid) return entry;
    return withJson({ ...entry, uid, gid });
  };
  wanted.entries = wanted.entries.map(here);
  wanted.root &&= here(wanted.root);
}
