import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { faultOf } from "./file.ts";
import { IgnoreRules } from "./ignore_rules.ts";
import type { OpenFolders } from "./open_folders.ts";
import type { PickedNames } from "./picked_paths.ts";
import { decodeName } from "./raw_name.ts";
import { isCache, readRuleFile } from "./rule_file.ts";
import { DIRECTORY, ENTRY_FLAG, FOLDER_FLAG, TYPE } from "./state_layout.ts";
import { deviceIn, sizeIn, STATX } from "./statx.ts";
import type { FolderState, TreeState } from "./tree_state.ts";
import { openTree } from "./walk_tree.ts";
import type { Walker } from "./walker.ts";

/** A folder to compare. */
interface Folder {
  path: string;
  block: number;
  rules: IgnoreRules;
  /** The names in the folder that the walk is limited to. */
  picked: PickedNames | "all";
}

/**
 * Returns whether a directory is unchanged since the previous walk, apart from
 * the paths that its rules exclude. Each folder is listed, and the state of
 * each entry is compared. Only files with exclusion rules are read. The
 * comparison stops at the first entry that differs or is flagged as doubtful.
 *
 * @param walker The directory to compare.
 * @param state The state that the previous walk wrote.
 * @param options `onFolder` is called after each unchanged folder, with its
 * path and the number of entries compared so far. `signal` ends the comparison.
 * @throws {DeltarError} `aborted` if the signal fired; `not-found` or `io` if
 * the directory cannot be opened.
 */
export async function isUnchanged(
  walker: Walker,
  state: TreeState,
  options: {
    onFolder?: (path: string, entries: number) => void;
    signal?: AbortSignal;
  } = {},
): Promise<boolean> {
  const opened = openTree(walker);
  try {
    return await isSameTree(walker, opened, state, options);
  } finally {
    opened.close();
  }
}

async function isSameTree(
  walker: Walker,
  opened: OpenFolders,
  state: TreeState,
  options: Parameters<typeof isUnchanged>[2] & object,
): Promise<boolean> {
  const top = IgnoreRules.forRoot(walker.path, walker.options);
  const folders: Folder[] = [
    { path: "", block: 0, rules: top, picked: top.picked },
  ];
  const device = walker.options.oneFileSystem
    ? opened.root.stat().device
    : undefined;
  let entries = 0;
  for (let next; (next = folders.pop()) !== undefined;) {
    checkAborted(options.signal);
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    const known = state.folder(next.block);
    if (known === undefined) return false;
    if (!isSameFolder(opened, next, known, folders, device)) return false;
    entries += known.count;
    options.onFolder?.(next.path, entries);
  }
  return true;
}

/**
 * Returns whether one folder is unchanged. Adds the folders inside this folder
 * to `folders`, except those on a device other than `device`.
 */
function isSameFolder(
  opened: OpenFolders,
  { path, rules: above, picked }: Folder,
  known: FolderState,
  folders: Folder[],
  device: bigint | undefined,
): boolean {
  if (known.flags & FOLDER_FLAG.unreadable) return isUnreadable(opened, path);
  let seen = 0;
  const below: Folder[] = [];
  let rules = above;
  try {
    const folder = opened.at(path);
    if (known.flags & FOLDER_FLAG.ruled) {
      rules = above.enter(path, {
        has: (name) => folder.statAt(name) !== undefined,
        text: (name) => readRuleFile(folder, name).text,
        isCache: () => isCache(folder),
      });
      if (!isEqual(rules.digest, known.rules)) return false;
    }
    const isToTheEnd = folder.visit((bytes, start, end, stat) => {
      const nameOf = () => decodeName(bytes.subarray(start, end));
      if (picked !== "all" && !picked.has(nameOf())) return true;
      const entry = known.find(bytes, start, end);
      if (entry < 0 || stat === undefined) return false;
      const flags = known.entryFlags(entry);
      if (flags & ENTRY_FLAG.doubtful) return false;
      seen++;
      // Whether the rules exclude an entry depends only on its name, its kind
      // and, for a file, on whether its size is within the limit.
      const isFolder = (stat[STATX.mode] & TYPE) === DIRECTORY;
      if (flags & ENTRY_FLAG.skipped) {
        return known.isSameKind(entry, stat) &&
          (isFolder || !rules.hasSizeLimit ||
            rules.isTooLarge(known.size(entry)) ===
              rules.isTooLarge(sizeIn(stat)));
      }
      if (!known.isSame(entry, stat)) return false;
      if (!isFolder) return true;
      if (device !== undefined) {
        const isMounted = deviceIn(stat) !== device;
        if (isMounted !== ((flags & ENTRY_FLAG.mounted) !== 0)) return false;
        if (isMounted) return true;
      }
      const block = known.blockOf(entry);
      const name = nameOf();
      below.push({
        path: path === "" ? name : `${path}/${name}`,
        block,
        rules,
        picked: picked === "all" ? "all" : picked.get(name) ?? "all",
      });
      return block > 0;
    });
    if (!isToTheEnd || seen !== known.count) return false;
  } catch {
    return false;
  }
  for (const folder of below.reverse()) folders.push(folder);
  return true;
}

/** Returns whether the system refuses to list a folder that exists. */
function isUnreadable(opened: OpenFolders, path: string): boolean {
  try {
    opened.at(path).visit(() => false);
    return false;
  } catch (error) {
    return faultOf(error)[0] === "unreadable";
  }
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, at) => byte === right[at]);
}
