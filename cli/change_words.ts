import type { SnapshotRecord } from "../mod.ts";
import {
  changedFields,
  type EntryField,
  isTouched,
  nameOfKind,
  type TouchedChange,
  type UpdatedChange,
  type Xattrs,
} from "../lib/tree/mod.ts";
import { plural } from "../shared/text.ts";
import { deviceText, showPath, showText } from "./text.ts";

/** A change to an entry that has the same path in both states. */
export type ChangeOfBoth = UpdatedChange | TouchedChange;

/** The names of owners and groups, as far as they are known. */
export type WithOwners = Pick<SnapshotRecord, "owners">;

/** The maximum number of extended attributes that a line names. */
const MAX_NAMED = 4;

/** The fields that every entry has, even if the entry is a hard link. */
const OF_EVERY_NAME: ReadonlySet<EntryField> = new Set([
  "mode",
  "uid",
  "gid",
  "mtime",
]);

/**
 * Returns the names of the changed fields of an entry. If only hard links
 * changed, returns at most the mode, the owner, the group and the time. The
 * time of the root directory is ignored.
 */
export function fieldsOf(change: ChangeOfBoth): EntryField[] {
  const { entry, before } = change;
  return changedFields(entry, before).filter((field) =>
    isLinkOnly(change)
      ? OF_EVERY_NAME.has(field)
      : field !== "mtime" || entry.path !== ""
  );
}

/**
 * Returns what changed in an entry besides its content, in words such as
 * `mode 0644 -> 0600`. If the kind changed, only the kinds are returned. The
 * time is mentioned only if the content is unchanged.
 *
 * @param old The old state.
 * @param now The new state.
 * @param change The change.
 */
export function changeWords(
  old: WithOwners,
  now: WithOwners,
  change: ChangeOfBoth,
): string[] {
  const { entry, before } = change;
  const fields = fieldsOf(change);
  if (fields.includes("kind")) {
    return [arrow(nameOfKind(before.kind), nameOfKind(entry.kind))];
  }
  const words = fields.flatMap((field): string | string[] => {
    switch (field) {
      case "kind":
      case "content":
        return [];
      case "target":
        return `target ${
          arrow(showPath(before.target ?? ""), showPath(entry.target ?? ""))
        }`;
      case "device":
        return `device ${arrow(deviceText(before), deviceText(entry))}`;
      case "mode":
        return `mode ${arrow(octal(before.mode), octal(entry.mode))}`;
      case "uid": {
        const [users, next] = [old.owners?.users, now.owners?.users];
        return `owner ${owners(users, before.uid, next, entry.uid)}`;
      }
      case "gid": {
        const [groups, next] = [old.owners?.groups, now.owners?.groups];
        return `group ${owners(groups, before.gid, next, entry.gid)}`;
      }
      case "xattrs":
        return `attributes ${xattrWords(before.xattrs, entry.xattrs)}`;
      case "mtime":
        return isTouched(change) ? "time" : [];
    }
  });
  return isLinkOnly(change) ? ["hard links", ...words] : words;
}

function isLinkOnly(change: ChangeOfBoth): boolean {
  return change.change === "updated" && change.isLinkOnly === true;
}

function arrow(before: string, now: string): string {
  return `${before} -> ${now}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/**
 * Returns the old and the new owner or group, each by name, or by number if the
 * name is not known. If both names are equal, returns both numbers.
 */
function owners(
  names: Readonly<Record<number, string>> = {},
  before: number,
  next: Readonly<Record<number, string>> = {},
  now: number,
): string {
  const [one, other] = [names[before] ?? before, next[now] ?? now];
  return one === other
    ? arrow(String(before), String(now))
    : arrow(showText(String(one)), showText(String(other)));
}

/**
 * Returns the names of the first `MAX_NAMED` attributes that were added (`+`),
 * changed (`~`) or removed (`-`), and the number of the others.
 */
function xattrWords(before: Xattrs = {}, now: Xattrs = {}): string {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const changed = names.filter((name) => before[name] !== now[name]).sort();
  const shown = changed.slice(0, MAX_NAMED).map((name) => {
    const sign = !Object.hasOwn(before, name)
      ? "+"
      : Object.hasOwn(now, name)
      ? "~"
      : "-";
    return sign + showText(name);
  });
  const more = changed.length - shown.length;
  return shown.join(" ") + (more > 0 ? ` and ${plural(more, "other")}` : "");
}
