import { isOwnerName, type SystemOwners } from "./owner_names.ts";

/**
 * The names of the owner and the group of an archive's member, if they are
 * known.
 */
export interface OwnerFields {
  /** The owner's name. */
  uname?: string;
  /** The group's name. */
  gname?: string;
}

/**
 * Returns the names of an owner and a group, without invalid names.
 *
 * @param fields The names, which can be values of any type.
 */
export function ownersIn(
  { uname, gname }: { uname?: unknown; gname?: unknown },
): OwnerFields {
  return {
    ...(isOwnerName(uname) && { uname }),
    ...(isOwnerName(gname) && { gname }),
  };
}

/**
 * Returns a member with the user ID and group ID that the names of its owner
 * and group have on this system. A name that does not exist on this system is
 * ignored.
 *
 * @param member The member, with the names if they are known.
 * @param system The owners of this system.
 */
export function withOwnersHere<
  Of extends OwnerFields & { uid: number; gid: number },
>(member: Of, system: SystemOwners): Of {
  const { uname, gname } = member;
  if (uname === undefined && gname === undefined) return member;
  const number = (
    kind: "users" | "groups",
    name: string | undefined,
    id: number,
  ) =>
    name === undefined || system.nameOf(kind, id) === name
      ? id
      : system.numberOf(kind, name) ?? id;
  const uid = number("users", uname, member.uid);
  const gid = number("groups", gname, member.gid);
  return uid === member.uid && gid === member.gid
    ? member
    : { ...member, uid, gid };
}
