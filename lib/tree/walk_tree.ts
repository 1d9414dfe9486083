import { codeOf } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import { isTemporaryName, STAGE_PREFIX } from "../storage/temporary.ts";
import {
  canHaveLinks,
  isSpecialKind,
  type Skipped,
  type SpecialKind,
  type WalkedEntry,
} from "./entry.ts";
import { faultOf, fileError } from "./file.ts";
import type { Folder, FolderVisitor } from "./folder.ts";
import type { KnownEntries, KnownRun } from "./known_entries.ts";
import {
  IgnoreRules,
  NOT_PICKED,
  OTHER_FILE_SYSTEM,
  type RuleSource,
} from "./ignore_rules.ts";
import { pathsBelow, type PickedNames } from "./picked_paths.ts";
import { canUseRawNames, openFolder } from "./open_folder.ts";
import { OpenFolders } from "./open_folders.ts";
import { isCache, readRuleFile } from "./rule_file.ts";
import {
  ENTRY_FLAG,
  type EntryState,
  FOLDER_FLAG,
  TYPE_MASK,
} from "./state_layout.ts";
import { isTooLong, parentPath, skippedPath } from "./path.ts";
import { decodeName } from "./raw_name.ts";
import { StateWriter } from "./state_writer.ts";
import { systemError } from "./system_error.ts";
import { kindOf } from "./statx.ts";
import {
  nameOfLinked,
  walkedEntry,
  walkedLink,
  walkedSpecial,
} from "./walked_entry.ts";
import type { FolderState, TreeState } from "./tree_state.ts";
import type { Walker, WalkOptions } from "./walker.ts";

/**
 * The state of the previous walk, and the writer of the state for the next
 * walk.
 */
export interface WalkStates {
  /**
   * The previous state. For consecutive entries that are unchanged and in
   * `entries`, the walk yields a `KnownRun`.
   */
  known?: TreeState;
  /** The entries of the previous state. */
  entries?: KnownEntries;
  /**
   * The folders that are unchanged since the previous state and need not be
   * listed. See {@linkcode UnchangedFolders.blocks}.
   */
  unchanged?: ReadonlySet<number>;
  /** The writer of the new state. By default, the new state is discarded. */
  writer?: StateWriter;
  /**
   * A time in nanoseconds since 1970. A file that changed at this time or later
   * is flagged as doubtful.
   */
  newest: bigint;
}

/**
 * A result of a walk: one entry, or a run of known entries that are unchanged.
 */
export type Walked =
  | NewWalked
  | { known: KnownRun; entry?: undefined };

/**
 * An entry that a walk yields on its own. `place` is the number of the first
 * word of the entry's state in the `StateWriter`.
 */
export interface NewWalked {
  entry: WalkedEntry;
  known?: undefined;
  place: number;
}

/** An entry of a folder before the rules are applied. */
interface Found {
  name: string;
  /** The number of the first word of the entry's state in the `StateWriter`. */
  entry: number;
  isKnown: boolean;
  /**
   * The number of the first word of the entry's previous state, or -1 if the
   * entry has no previous state.
   */
  old: number;
  /**
   * The number of the first word of a directory's block in the previous state;
   * `undefined` if the previous state has no such block.
   */
  before: number | undefined;
}

/** A folder whose entries are being yielded. */
interface Level {
  folder: string;
  block: number;
  /**
   * The ignore files that are not applied. The key is the name of the entry of
   * this folder that is the file or contains it, such as `.git` for
   * `.git/info/exclude`.
   */
  unruled?: ReadonlyMap<string, Unruled>;
  rules: IgnoreRules;
  /**
   * Whether the rules of this folder and of the folders above it are the same
   * as in the previous state. Only then can the state of an unchanged folder
   * inside this folder be copied.
   */
  hasSameRules: boolean;
  /**
   * The entries of the folder or, if the folder is unchanged, runs of known
   * entries.
   */
  found: readonly (Found | KnownRun)[];
  next: number;
  /**
   * The last visited name of this folder that contains U+FFFD. If names cannot
   * be read as bytes, several names can be listed as the same text.
   */
  text?: string;
}

/** An ignore file that is not applied. */
interface Unruled {
  path: string;
  fault: string;
  isUnreadable: boolean;
}

/**
 * Opens the root of a directory. The folders below it are opened when they are
 * needed. The caller must call `close` at the end.
 *
 * @param walker The directory.
 * @throws {DeltarError} `not-found` or `io` if the directory cannot be opened.
 */
export function openTree(walker: Walker): OpenFolders {
  try {
    // If a folder is replaced during the walk, the new folder is walked.
    return new OpenFolders(openFolder(walker.path), { remembers: false });
  } catch (error) {
    throw fileError(error, walker.path);
  }
}

/**
 * Yields the entries of a directory that are neither excluded nor skipped, in
 * path order. Each folder is opened from the folder above it, so the walk never
 * leaves the directory.
 *
 * @param walker The directory to walk.
 * @param options The callback for skipped paths, and the signal.
 * @param states The state of the previous walk, and the writer of the new
 * state. Default: none.
 * @param opened The folders of the directory. By default, the function opens
 * them, and closes them when the walk ends.
 * @throws {DeltarError} `not-found` or `io` if the directory itself cannot be
 * read; `aborted` if the signal fired.
 */
export function walkTree(
  walker: Walker,
  options: WalkOptions,
  states?: undefined,
  opened?: OpenFolders,
): Generator<NewWalked>;
export function walkTree(
  walker: Walker,
  options: WalkOptions,
  states: WalkStates,
  opened?: OpenFolders,
): Generator<Walked>;
export function* walkTree(
  walker: Walker,
  options: WalkOptions,
  states?: WalkStates,
  opened?: OpenFolders,
): Generator<Walked> {
  const folders = opened ?? openTree(walker);
  // The loop below is not split into several generators, because `yield*` would
  // make the walk slower.
  try {
    const writer = states?.writer ?? new StateWriter();
    const links = new Map<string, string>();
    const skip: SkipHandler = (path, reason, detail) =>
      options.onSkip?.({
        path: skippedPath(path),
        reason,
        ...(detail && { detail }),
      });
    const enter = (
      folder: Folder,
      path: string,
      above: IgnoreRules,
      known: FolderState | undefined,
    ) => {
      checkAborted(options.signal);
      const { level, found } = enterFolder(folder, path, above, writer, known);
      if (levels.length > 0 && !levels[levels.length - 1].hasSameRules) {
        level.hasSameRules = false;
      }
      const { picked } = level.rules;
      if (picked !== "all") {
        const names = new Set(found.map(({ name }) => name));
        for (const [name, below] of picked) {
          const at = path === "" ? name : `${path}/${name}`;
          if (!names.has(name)) tellMissing(skip, at, below);
        }
        for (const [name, { path, fault }] of level.unruled ?? []) {
          if (!picked.has(name)) skip(path, "unreadable", fault);
        }
      }
      return level;
    };
    const top = IgnoreRules.forRoot(walker.path, walker.options);
    const levels: Level[] = [];
    let device: bigint | undefined;
    /**
     * Adds the level of a folder, if the folder can be entered. With `mayCopy`,
     * an unchanged folder is copied from the previous state.
     */
    const descend = (
      path: string,
      place: number,
      above: IgnoreRules,
      before: number | undefined,
      mayCopy: boolean,
    ) => {
      const identity = writer.identity(place);
      // A copied entry still refers to the folder's block in the previous
      // state.
      writer.link(place, 0);
      if (device !== undefined && identity.device !== device) {
        writer.mark(place, ENTRY_FLAG.mounted);
        skip(path, "excluded", OTHER_FILE_SYSTEM);
        return;
      }
      // If the remembered state cannot be read, the walk fails. The folder is
      // not skipped, because the error is not in the folder.
      const known = before === undefined
        ? undefined
        : states?.known?.folder(before);
      const unchanged = mayCopy && known !== undefined
        ? unchangedLevel(path, above, writer, states, known)
        : undefined;
      if (unchanged !== undefined) {
        checkAborted(options.signal);
        writer.link(place, unchanged.block);
        levels.push(unchanged);
        return;
      }
      let folder: Folder;
      try {
        folder = folders.at(path);
      } catch (error) {
        writer.mark(place, ENTRY_FLAG.doubtful);
        skip(path, ...faultOf(error));
        return;
      }
      try {
        const below = enter(folder, path, above, known);
        writer.link(place, below.block);
        levels.push(below);
        if (!folder.is(identity)) {
          writer.mark(place, ENTRY_FLAG.doubtful);
          skip(path, "changed", "replaced by another folder");
        }
      } catch (error) {
        const [reason, detail] = asFault(error);
        if (reason === "unreadable") {
          writer.link(place, writer.block);
          writer.markFolder(writer.block, FOLDER_FLAG.unreadable);
        } else writer.mark(place, ENTRY_FLAG.doubtful);
        skip(path, reason, detail);
      }
    };
    const known = states?.known?.folder(0);
    try {
      if (walker.options.oneFileSystem) device = folders.root.stat().device;
      levels.push(enter(folders.root, "", top, known));
    } catch (error) {
      throw fileError(error, walker.path);
    }
    for (
      let level = levels.at(-1);
      level !== undefined;
      level = levels.at(-1)
    ) {
      const at = level.next++;
      if (at === level.found.length) {
        levels.pop();
        // If the caller passed no writer, nothing reads the state of a finished
        // folder.
        if (states?.writer === undefined) writer.forget(level.block);
        continue;
      }
      const one = level.found[at];
      if ("shift" in one) {
        yield { known: one };
        const { entries, shift } = one;
        const last = one.first + one.count - 1;
        if (!entries.isDirectory(last)) continue;
        const place = entries.place(last);
        const before = states?.known?.blockOf(place);
        descend(
          entries.path(last),
          place + shift,
          level.rules,
          before,
          level.hasSameRules,
        );
        continue;
      }
      const { name, entry: place, isKnown, old, before } = one;
      const path = level.folder === "" ? name : `${level.folder}/${name}`;
      const leaveOut = (reason: Skipped["reason"], detail?: string) => {
        writer.mark(place, ENTRY_FLAG.skipped);
        skip(path, reason, detail);
      };
      if (name.startsWith(STAGE_PREFIX)) {
        if (isTemporaryName(name)) {
          leaveOut("excluded", "deltar's own temporary file");
        } else {leaveOut(
            "name",
            "the name is reserved for deltar's temporary files",
          );}
        continue;
      }
      if (name.includes("\uFFFD")) {
        // If names cannot be read as bytes, several names can be listed as the
        // same text. Only one of these entries can be opened under this text,
        // so the other entries are skipped.
        if (name === level.text) {
          leaveOut("name", "the name is not valid UTF-8");
          continue;
        }
        level.text = name;
      }
      const mode = writer.mode(place);
      if (mode === 0) {
        writer.mark(place, ENTRY_FLAG.skipped);
        skip(path, ...whyUnknown(folders, path));
        continue;
      }
      const unruled = level.unruled?.get(name);
      if (unruled !== undefined) {
        writer.mark(place, ENTRY_FLAG.doubtful);
        skip(unruled.path, "unreadable", unruled.fault);
        // An unreadable file would be reported again when it is read.
        if (unruled.isUnreadable) continue;
      }
      if (isTooLong(path)) {
        leaveOut("unreadable", "the path is too long");
        continue;
      }
      const kind = kindOf(mode);
      const size = kind === "file" && level.rules.hasSizeLimit
        ? writer.size(place)
        : undefined;
      const rule = level.rules.match(path, kind === "directory", size);
      const identity = kind === "directory"
        ? writer.identity(place)
        : undefined;
      if (rule === NOT_PICKED) {
        // The list of paths contains paths below this path, which is not a
        // folder.
        writer.mark(place, ENTRY_FLAG.skipped);
        const { picked } = level.rules;
        const below = picked === "all" ? undefined : picked.get(name);
        if (below !== undefined) tellMissing(skip, path, below);
      } else if (rule !== undefined) leaveOut("excluded", rule);
      else if (
        walker.neverTouch.size > 0 && walker.neverTouch.has(path) ||
        identity !== undefined && walker.isUntouchedFolder(identity)
      ) leaveOut("excluded", "deltar writes here");
      else if (kind === "special") {
        const isSocket = (mode & TYPE_MASK) === SOCKET_TYPE;
        leaveOut("special", isSocket ? "a socket" : "an unknown kind of entry");
      } else {
        const entries = isKnown && writer.isSingle(place)
          ? states?.entries
          : undefined;
        const first = entries?.numberOf(old) ?? -1;
        if (entries !== undefined && first >= 0) {
          if (entries.states.isPlain(old)) {
            writer.mark(place, ENTRY_FLAG.plain);
          }
          yield { known: { entries, first, count: 1, shift: place - old } };
        } else {
          const state = writer.state(place);
          if (states && kind !== "directory" && isRacy(state, states.newest)) {
            writer.mark(place, ENTRY_FLAG.doubtful);
          }
          const make = () =>
            kind === "symlink"
              ? walkedLink(path, kind, state, folders.readLink(path))
              : isSpecialKind(kind)
              ? specialAt(folders, path, kind, state)
              : walkedEntry(path, kind, state);
          let entry: WalkedEntry;
          try {
            entry = canHaveLinks(kind) && state.links > 1
              ? nameOfLinked(path, state, links, make)
              : make();
          } catch (error) {
            writer.mark(place, ENTRY_FLAG.doubtful);
            skip(path, ...faultOf(error));
            continue;
          }
          if (isKnown) entry.isKnown = true;
          yield { entry, place };
        }
        if (identity !== undefined) {
          // The unchanged folders were determined before the walk. A folder
          // whose entry has changed since then might be a different folder, so
          // its previous state is not copied.
          const mayCopy = isKnown && level.hasSameRules;
          descend(path, place, level.rules, before, mayCopy);
        }
      }
    }
  } finally {
    if (opened === undefined) folders.close();
  }
}

/** The type of a socket in `st_mode` (`sys/stat.h`). */
const SOCKET_TYPE = 0o140000;

/**
 * Returns the entry of a named pipe or a device. `state` does not contain the
 * number of a device, so the number is read from the file system.
 *
 * @throws The error of the system, or `ENOENT` if the entry no longer exists or
 * has another kind.
 */
function specialAt(
  folders: OpenFolders,
  path: string,
  kind: SpecialKind,
  state: EntryState,
): WalkedEntry {
  if (kind === "fifo") return walkedSpecial(path, kind, state);
  const stat = folders.statAt(path);
  if (stat?.kind === kind) return walkedSpecial(path, kind, stat);
  throw systemError("ENOENT", "lstat", path);
}

type SkipHandler = (
  path: string,
  reason: Skipped["reason"],
  detail?: string,
) => void;

/**
 * Reports a picked path, or the picked paths below a path, as vanished, because
 * the path does not exist or is not a folder.
 */
function tellMissing(
  skip: SkipHandler,
  path: string,
  picked: PickedNames | "all",
): void {
  for (const missing of pathsBelow(path, picked)) {
    skip(missing, "vanished", "in the list of paths, but not in the directory");
  }
}

function enterFolder(
  folder: Folder,
  path: string,
  above: IgnoreRules,
  writer: StateWriter,
  known: FolderState | undefined,
): { level: Level; found: readonly Found[] } {
  const found: Found[] = [];
  const block = writer.begin();
  const picked = above.pickedIn(path);
  const visit: FolderVisitor = (bytes, start, end, stat) => {
    const name = decodeName(bytes.subarray(start, end));
    if (picked !== "all" && !picked.has(name)) return true;
    const entry = writer.add(bytes, start, end, stat);
    const old = known?.find(bytes, start, end) ?? -1;
    const isKnown = known !== undefined && old >= 0 && stat !== undefined &&
      known.entryFlags(old) === 0 && known.isSame(old, stat);
    const before = known === undefined || old < 0 ? 0 : known.blockOf(old);
    found.push({
      name,
      entry,
      isKnown,
      old,
      before: before === 0 ? undefined : before,
    });
    return true;
  };
  folder.visit(visit);
  found.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  let unruled: Map<string, Unruled> | undefined;
  const has = (name: string) =>
    found.some((entry) => entry.name === name) ||
    picked !== "all" && folder.statAt(name) !== undefined;
  const rules = above.enter(path, {
    has,
    text: (name) => {
      const { text, fault, isUnreadable = false } = readRuleFile(folder, name);
      if (fault !== undefined) {
        const at = path === "" ? name : `${path}/${name}`;
        unruled ??= new Map();
        unruled.set(name.split("/")[0], { path: at, fault, isUnreadable });
      }
      return text;
    },
    isCache: () => isCache(folder),
  });
  // If only some entries of a folder are picked, the state does not always
  // include the folder's ignore files and tags. The digest of the rules shows
  // whether they have changed.
  const isRuled = path === "" || rules.isOwn || picked !== "all";
  if (isRuled) writer.markFolder(block, FOLDER_FLAG.ruled, rules.digest);
  const hasSameRules = known !== undefined &&
    isRuled === ((known.flags & FOLDER_FLAG.ruled) !== 0) &&
    (!isRuled || known.hasRules(rules.digest));
  const level = {
    folder: path,
    block,
    rules,
    hasSameRules,
    found,
    next: 0,
    unruled,
  };
  return { level, found };
}

/** The maximum number of known entries that are yielded together. */
const MAX_RUN_ENTRIES = 1024;

/** A folder without ignore files and tags. */
const NO_RULE_FILES: RuleSource = {
  has: () => false,
  text: () => undefined,
  isCache: () => false,
};

/**
 * Copies the state of an unchanged folder to `writer`, and returns the level of
 * the folder. Returns `undefined` if the folder must be listed.
 *
 * @param folder The folder in the previous state.
 */
function unchangedLevel(
  path: string,
  rules: IgnoreRules,
  writer: StateWriter,
  states: WalkStates | undefined,
  folder: FolderState,
): Level | undefined {
  const { entries, unchanged } = states ?? {};
  const before = folder.place;
  if (entries === undefined || !unchanged?.has(before)) return undefined;
  const numbers = new Uint32Array(folder.count);
  let used = 0;
  for (const entry of folder.entries()) {
    const number = entries.numberOf(entry);
    if (number < 0) return undefined;
    numbers[used++] = number;
  }
  numbers.sort();
  // In a forged state, several folders can have the same block, so the path is
  // checked.
  if (used > 0 && parentPath(entries.path(numbers[0])) !== path) {
    return undefined;
  }
  const block = writer.copy(folder);
  const found: KnownRun[] = [];
  let run: KnownRun | undefined;
  for (const number of numbers) {
    if (
      run !== undefined && run.first + run.count === number &&
      run.count < MAX_RUN_ENTRIES
    ) run.count++;
    else {
      run = { entries, first: number, count: 1, shift: block - before };
      found.push(run);
    }
    // The entries of a folder come directly after the folder, so the run ends
    // here.
    if (entries.isDirectory(number)) run = undefined;
  }
  return {
    folder: path,
    block,
    rules: rules.enter(path, NO_RULE_FILES),
    hasSameRules: true,
    found,
    next: 0,
  };
}

/**
 * Returns the reason why a folder cannot be walked, and the message of the
 * error. Throws the error again if its code is `aborted`.
 */
function asFault(error: unknown): ["vanished" | "unreadable", string] {
  if (codeOf(error) === "aborted") throw error;
  return faultOf(error);
}

/**
 * Returns the reason for skipping an entry whose state the system did not
 * return, and a description.
 */
function whyUnknown(
  folders: OpenFolders,
  path: string,
): [Skipped["reason"], string] {
  // If names cannot be read as bytes, invalid bytes become U+FFFD.
  if (!canUseRawNames() && path.includes("\uFFFD")) {
    return ["name", "the name is not valid UTF-8"];
  }
  try {
    if (folders.statAt(path) === undefined) {
      return ["vanished", "deleted after being listed"];
    }
  } catch (error) {
    return faultOf(error);
  }
  return ["vanished", "created while the directory was listed"];
}

/**
 * Returns whether a file changed so recently that another change might leave
 * the file's state the same. A modification time that is a day or more after
 * `newest` is ignored: such a time was set explicitly, and every later change
 * replaces it.
 */
function isRacy({ mtime, ctime }: EntryState, newest: bigint): boolean {
  return ctime >= newest || mtime >= newest && mtime < newest + DAY_NS;
}

const DAY_NS = 86_400_000_000_000n;
