import type {
  ChangedFolder,
  ChangesBelow,
  FileChange,
} from "../shared/protocol.ts";
import { named } from "./change_summary.ts";

/**
 * Returns the changed folders and files directly below a folder. Files with
 * changed metadata but unchanged content are left out if `changes` has other
 * changes.
 *
 * @param changes All changes between two snapshots.
 * @param path The path of the folder; empty for the workspace folder.
 */
export function changesBelow(
  changes: readonly FileChange[],
  path: string,
): ChangesBelow {
  const shown = changes.filter(({ change }) => change !== "touched");
  const prefix = path === "" ? "" : `${path}/`;
  const folders = new Map<string, FileChange[]>();
  const files: FileChange[] = [];
  for (const change of shown.length > 0 ? shown : changes) {
    if (!change.path.startsWith(prefix)) continue;
    const rest = change.path.slice(prefix.length);
    const slash = rest.indexOf("/");
    if (slash < 0) {
      files.push(change);
      continue;
    }
    const name = rest.slice(0, slash);
    const list = folders.get(name);
    if (list === undefined) folders.set(name, [change]);
    else list.push(change);
  }
  return {
    changed: shown.length,
    first: named(shown),
    folders: [...folders].map(([name, changes]): ChangedFolder => {
      const title = compact(changes, prefix.length, name);
      const isGone = changes.every(({ change }) => change === "deleted");
      return { path: prefix + title, title, isGone };
    }),
    files,
  };
}

/**
 * Returns a folder's name, joined with the names of the folders below it, down
 * to the deepest folder that contains all changes.
 *
 * @param changes The changes in the folder.
 * @param start The offset of the folder's name in the paths of the changes.
 * @param name The name of the folder.
 */
function compact(
  changes: readonly FileChange[],
  start: number,
  name: string,
): string {
  const [{ path }] = changes;
  for (let title = name;;) {
    const slash = path.indexOf("/", start + title.length + 1);
    if (slash < 0) return title;
    const next = path.slice(start, slash);
    const prefix = path.slice(0, slash + 1);
    if (!changes.every((change) => change.path.startsWith(prefix))) {
      return title;
    }
    title = next;
  }
}
