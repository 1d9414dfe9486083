import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { faultOf } from "./file.ts";
import { IgnoreRules } from "./ignore_rules.ts";
import type { OpenFolders } from "./open_folders.ts";
import type { PickedNames } from "./picked_paths.ts";
import { decodeName } from "./raw_name.ts";
import { isCache, readRuleFile } from "./rule_file.ts";
import {
  DIRECTORY_TYPE,
  ENTRY_FLAG,
  FOLDER_FLAG,
  TYPE_MASK,
} from "./state_layout.ts";
import { deviceIn, sizeIn, STATX } from "./statx.ts";
import type { FolderState, TreeState } from "./tree_state.ts";
import { openTree } from "./walk_tree.ts";
import type { Walker } from "./walker.ts";

/** A folder to compare. */
interface Folder {
  path: string;
  block: number;
  rules: IgnoreRules;
  /** The names that the walk visits in the folder. */
  picked: PickedNames | "all";
}

/** Options for comparing a directory with its remembered state. */
export interface CompareOptions {
  /**
   * Called for each folder whose entries are unchanged, with its path and the
   * number of unchanged entries so far. The folders are in the order in which
   * the last walk visited them: each folder before the folders inside it.
   */
  onFolder?: (path: string, entries: number) => void;
  /** The signal that ends the comparison. */
  signal?: AbortSignal;
}

/** The result of comparing a directory with its remembered state. */
export interface UnchangedFolders {
  /** Whether all entries that are not excluded are unchanged. */
  isAll: boolean;
  /**
   * The folders whose own entries are all unchanged. Changes in the folders
   * inside them do not count. Each folder is given as the number of the first
   * word of its block. A folder is left out if it has rules of its own, or if
   * one of its entries is excluded, has several names or is a folder whose
   * device has changed. With `oneFileSystem`, the set is empty.
   */
  blocks: Set<number>;
}

/**
 * Compares a directory with its remembered state. Lists each folder and
 * compares the state of each of its entries, up to the first one that differs
 * or is flagged as doubtful. The only files that the function reads are ignore
 * files and `CACHEDIR.TAG`.
 *
 * @param walker The directory to compare.
 * @param state The state that the last walk wrote.
 * @param options The callback and the signal.
 * @throws {DeltarError} `aborted` if the signal fired; `not-found` or `io` if
 * the directory cannot be opened; the errors of `FileRange.read` if the
 * remembered state cannot be read.
 */
export async function findUnchangedFolders(
  walker: Walker,
  state: TreeState,
  options: CompareOptions = {},
): Promise<UnchangedFolders> {
  const opened = openTree(walker);
  try {
    return await compareFolders(walker, opened, state, options);
  } finally {
    opened.close();
  }
}

async function compareFolders(
  walker: Walker,
  opened: OpenFolders,
  state: TreeState,
  options: CompareOptions,
): Promise<UnchangedFolders> {
  const found: UnchangedFolders = { isAll: true, blocks: new Set() };
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
    if (known === undefined) {
      found.isAll = false;
      continue;
    }
    const { isSame, isPlain, below } = compareFolder(
      opened,
      next,
      state,
      known,
      device,
    );
    if (isSame) {
      entries += known.count;
      options.onFolder?.(next.path, entries);
      if (isPlain) found.blocks.add(next.block);
    } else {
      found.isAll = false;
      // With `oneFileSystem`, `blocks` stays empty. `isAll` is now `false`, so
      // comparing more folders cannot change the result.
      if (device !== undefined) return found;
    }
    // The last folder of the stack is compared next. Blocks are compared in the
    // order in which they are stored, so that each page of a large state is
    // read only once or a few times.
    below.sort((one, other) => other.block - one.block);
    for (const folder of below) folders.push(folder);
  }
  return found;
}

/** The result of comparing one folder. */
interface ComparedFolder {
  /** Whether the folder's entries are unchanged. */
  isSame: boolean;
  /** Whether {@linkcode UnchangedFolders.blocks} can contain the folder. */
  isPlain: boolean;
  /** The folders inside the folder that have yet to be compared. */
  below: Folder[];
}

const DIFFERENT: ComparedFolder = { isSame: false, isPlain: false, below: [] };

/**
 * Compares one folder. `below` of the result leaves out the folders that are on
 * a device other than `device`, and those whose rules might have changed.
 */
function compareFolder(
  opened: OpenFolders,
  at: Folder,
  state: TreeState,
  known: FolderState,
  device: bigint | undefined,
): ComparedFolder {
  const { path, rules: above, picked } = at;
  if (known.flags & FOLDER_FLAG.unreadable) {
    return { ...DIFFERENT, isSame: isUnreadable(opened, path) };
  }
  const isRuled = (known.flags & FOLDER_FLAG.ruled) !== 0;
  let seen = 0;
  let isPlain = !isRuled && device === undefined;
  const below: Folder[] = [];
  let rules = above;
  const add = (name: string, block: number) => {
    below.push({
      path: path === "" ? name : `${path}/${name}`,
      block,
      rules,
      picked: picked === "all" ? "all" : picked.get(name) ?? "all",
    });
  };
  try {
    const folder = opened.at(path);
    const enter = () =>
      above.enter(path, {
        has: (name) => folder.statAt(name) !== undefined,
        text: (name) => readRuleFile(folder, name).text,
        isCache: () => isCache(folder),
      });
    if (isRuled) {
      rules = enter();
      if (!known.hasRules(rules.digest)) return DIFFERENT;
    }
    const isToTheEnd = folder.visit((bytes, start, end, stat) => {
      if (
        picked !== "all" && !picked.has(decodeName(bytes.subarray(start, end)))
      ) return true;
      const entry = known.find(bytes, start, end);
      if (entry < 0 || stat === undefined) return false;
      const flags = known.entryFlags(entry);
      if (flags & ENTRY_FLAG.doubtful) return false;
      if (flags !== 0) isPlain = false;
      seen++;
      // Whether the rules exclude an entry depends only on its name, its kind
      // and, for a file, on whether its size is within the limit.
      const isFolder = (stat[STATX.mode] & TYPE_MASK) === DIRECTORY_TYPE;
      if (flags & ENTRY_FLAG.skipped) {
        return known.isSameKind(entry, stat) &&
          (isFolder || !rules.hasSizeLimit ||
            rules.isTooLarge(known.size(entry)) ===
              rules.isTooLarge(sizeIn(stat)));
      }
      if (!known.isSame(entry, stat)) return false;
      if (!isFolder) {
        if (stat[STATX.links] !== 1) isPlain = false;
        return true;
      }
      if (device !== undefined) {
        const isMounted = deviceIn(stat) !== device;
        if (isMounted !== ((flags & ENTRY_FLAG.mounted) !== 0)) return false;
        if (isMounted) return true;
      }
      // `isSame` does not compare devices. If a device differs, the walk must
      // list the folder.
      if (known.identity(entry).device !== deviceIn(stat)) isPlain = false;
      const block = known.blockOf(entry);
      add(decodeName(bytes.subarray(start, end)), block);
      return block > 0;
    });
    if (isToTheEnd && seen === known.count) {
      return { isSame: true, isPlain, below };
    }
    // If this folder has a new ignore file, the file can exclude entries of the
    // folders inside this folder, so these are not compared.
    if (device !== undefined || !isRuled && enter().isOwn) return DIFFERENT;
  } catch {
    return DIFFERENT;
  }
  below.length = 0;
  for (const entry of known.entries()) {
    const block = known.blockOf(entry);
    if (block > 0 && known.entryFlags(entry) === 0) {
      add(state.name(entry), block);
    }
  }
  return { ...DIFFERENT, below };
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
