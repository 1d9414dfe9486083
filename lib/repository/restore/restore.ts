/**
 * Restoring, undoing and redoing.
 *
 * Each of these operations begins with a plan. `restore.ts` determines the
 * wanted state of the target: the snapshot's tree for a restore, the state
 * before the last restore for an undo, and the state before the last undo for a
 * redo. `undo.ts` finds these earlier states, `undo_fresh.ts` plans the undo of
 * a restore into a new or empty directory, and `undo_changes.ts` finds the
 * wanted state for an undo of the changes between snapshots. `plan.ts` compares
 * the wanted state with the present state and lists the steps. `removal.ts`
 * decides which paths may be deleted.
 *
 * `session.ts` carries out a plan. First, `safety_snapshot.ts` stores the
 * entries that the plan would overwrite or delete. Then the session writes a
 * journal into the target, `apply.ts` carries out the steps and flushes them to
 * the disk, and the journal is deleted. After a crash, the journal is still in
 * the target, and repeating the call continues the work.
 *
 * @module
 */
import { DeltarError } from "../../bytes/errors.ts";
import { together } from "../../bytes/together.ts";
import { inTurns } from "../../bytes/turns.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { Metadata } from "../../tree/entry.ts";
import { checkPath } from "../../tree/path.ts";
import { matcherOf } from "../../tree/pattern.ts";
import { realTarget } from "../../tree/real_target.ts";
import { TargetDirectory } from "../../tree/target_directory.ts";
import { isSuperuser } from "../../tree/this_system.ts";
import { withJson } from "../../tree/to_json.ts";
import { asOfWindows, isOfWindows } from "../../tree/windows_modes.ts";
import { type LeftJournal, WorkJournal } from "../../tree/work_journal.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { readPart } from "../layers/tree_reader.ts";
import type { Store } from "../store/store.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import {
  carryOut,
  isSameWork,
  type RestoreHooks,
  type RestoreJob,
  type RestoreOptions,
  type RestoreResult,
  type RevertOptions,
  type UndoChangesOptions,
} from "./session.ts";
import { freshRestoresInto } from "../store/fresh_restore.ts";
import { type FreshUndo, planFreshUndo } from "./undo_fresh.ts";
import {
  planSteps,
  type RestoreLeft,
  type RestorePlan,
  type TargetState,
  targetStateOf,
} from "./plan.ts";
import { ownerMatters } from "../../tree/tree_writer.ts";
import { useOwnersHere } from "./owners_here.ts";
import { notTrusted, withoutPrivileges } from "./privileges.ts";
import { removalFor, removalOf } from "./removal.ts";
import {
  groupOf,
  groupToRevert,
  isFresh,
  NothingToRevertError,
  type PastWork,
  stateBefore,
} from "./undo.ts";
import type { ChangeSpan } from "../search/agent_turns.ts";
import { ChangesToUndo } from "./undo_changes.ts";

/**
 * Returns the steps that a restore would take. See `Repository.planRestore`.
 */
export async function planRestore(
  store: Store,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
): Promise<RestorePlan> {
  return await withTarget(target, async (onDisk) => {
    const left = leftUnlessBusy(onDisk);
    return (await prepare(store, record, onDisk, left, options)).plan;
  });
}

/**
 * Restores a snapshot. The SHA-256 of each file is checked before the file is
 * renamed into place. See `Repository.restore`.
 */
export async function restoreTree(
  store: Store,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  return await withTarget(target, async (onDisk) => {
    const left = leftIn(onDisk);
    const job = await prepare(store, record, onDisk, left, options);
    return await carryOut(store, job, options, hooks);
  });
}

/**
 * Returns the steps that an undo of the last restore, or a redo of the last
 * undo, would take. See `Repository.planRevert`.
 */
export async function planRevert(
  store: Store,
  target: string,
  options: RevertOptions,
): Promise<RestorePlan> {
  return await withTarget(
    target,
    async (onDisk) => (await prepareRevert(store, onDisk, options)).plan,
  );
}

/**
 * Undoes the last restore or redo, or redoes the last undo. See
 * `Repository.revert`.
 */
export async function revertRestore(
  store: Store,
  target: string,
  options: RevertOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  return await withTarget(target, async (onDisk) => {
    const job = await prepareRevert(store, onDisk, options);
    return await carryOut(store, job, options, hooks);
  });
}

/**
 * Returns the steps that an undo of the changes between snapshots would take.
 * See `Repository.planUndoChanges`.
 */
export async function planUndoChanges(
  store: Store,
  spans: readonly ChangeSpan[],
  target: string,
  options: UndoChangesOptions,
): Promise<RestorePlan> {
  return await withTarget(target, async (onDisk) => {
    const left = leftUnlessBusy(onDisk);
    return (await prepareUndo(store, spans, onDisk, left, options)).plan;
  });
}

/** Undoes the changes between snapshots. See `Repository.undoChanges`. */
export async function undoChanges(
  store: Store,
  spans: readonly ChangeSpan[],
  target: string,
  options: UndoChangesOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  return await withTarget(target, async (onDisk) => {
    const left = leftIn(onDisk);
    const job = await prepareUndo(store, spans, onDisk, left, options);
    return await carryOut(store, job, options, hooks);
  });
}

async function prepare(
  store: Store,
  record: SnapshotRecord,
  onDisk: TargetDirectory,
  left: LeftJournal[],
  options: RestoreOptions,
): Promise<RestoreJob> {
  const { from = "", paths, signal } = options;
  if (from !== "" && options.delete) {
    throw new DeltarError(
      "unsupported",
      "`delete` cannot be combined with `from`, because the exclude rules of a " +
        "snapshot are relative to its root; restore without `delete`",
      { object: record.id, path: from },
    );
  }
  const { storage } = store;
  // The recorded restores are needed only if a safety snapshot is taken.
  const needsHistory = !onDisk.isVacant && options.safety !== false;
  const [whole, history] = await together([
    // If the target is empty, only the entries of `paths` are needed.
    paths !== undefined && onDisk.isVacant && from === ""
      ? readPart(storage, record, paths, signal)
      : store.tree(record, { signal }),
    needsHistory ? historyOf(store, onDisk.root, signal) : [],
  ]);
  const tree = whole.below(from);
  const request = {
    work: "restore",
    of: record.id,
    paths: briefly(paths),
    delete: options.delete ?? false,
    from: options.from ?? null,
    ...options.numericOwner && { numericOwner: true },
  };
  const cut = left.at(-1)?.data;
  // An interrupted restore might have created the target directory without
  // setting its attributes, so the restore that continues it sets them.
  const getsRoot = onDisk.at("") === undefined || options.rootAttributes ||
    cut !== undefined && isSameWork(cut, request) && cut.root === true;
  const { root = record.root } = tree;
  const wanted = targetStateOf(tree, { ...record, root }, paths);
  if (!options.numericOwner && ownerMatters()) {
    useOwnersHere(wanted, record.owners);
  }
  if (!getsRoot) wanted.root = undefined;
  selectWanted(wanted, options.xattrs);
  checkTrust(wanted, store, onDisk, options);
  refuseOverRepository(storage, onDisk, wanted);
  const spared: RestoreLeft[] = [];
  const removal = await removalFor(store, onDisk, tree, record, {
    delete: options.delete ?? false,
    paths,
    neverTouch: [
      ...options.neverTouch ?? [],
      ...storage.localPath === undefined ? [] : [storage.localPath],
    ],
    onLeft: (one) => spared.push(one),
  });
  const plan = await planSteps(onDisk, wanted, removal, signal);
  plan.left.push(...spared);
  return {
    onDisk,
    plan,
    work: "restore",
    of: record.id,
    label: `before restoring ${record.id}`,
    root: plan.touchesRoot ? wanted.root : undefined,
    rootBefore: rootOf(onDisk) ?? record.root,
    selectsXattr: wanted.selectsXattr,
    isUnsaved: options.safety === false,
    fresh: { ...from !== "" && { from }, paths },
    request,
    left,
    history,
  };
}

/**
 * Returns the attributes of the target, or `undefined` if it does not exist.
 */
function rootOf(onDisk: TargetDirectory): Metadata | undefined {
  const stat = onDisk.at("");
  return stat && { ...stat, xattrs: onDisk.rootXattrs() };
}

/**
 * Limits the extended attributes of a state to those that the options select.
 */
function selectWanted(
  wanted: TargetState,
  options: RestoreOptions["xattrs"],
): void {
  if (options === undefined) return;
  if (options === false) {
    const bare = <Of extends Metadata>(entry: Of) =>
      withJson({ ...entry, xattrs: undefined });
    wanted.entries = wanted.entries.map(bare);
    wanted.root = wanted.root && bare(wanted.root);
    return;
  }
  const include = options.include?.map((pattern) => matcherOf(pattern));
  const exclude = options.exclude?.map((pattern) => matcherOf(pattern));
  wanted.selectsXattr = (name) =>
    include?.some((matches) => matches(name, false)) !== false &&
    exclude?.some((matches) => matches(name, false)) !== true;
}

/**
 * Opens the target to read its state, calls `work` with the opened target, and
 * then closes the target.
 */
async function withTarget<Result>(
  target: string,
  work: (onDisk: TargetDirectory) => Promise<Result>,
): Promise<Result> {
  const place = realTarget(target);
  const onDisk = new TargetDirectory(place);
  try {
    if (isSuperuser() && onDisk.root !== place) {
      throw new DeltarError(
        "unsafe",
        "the target was replaced by a symlink while it was being opened; " +
          "check who can write to the folder above the target, and restore again",
        {
          object: place,
        },
      );
    }
    return await work(onDisk);
  } finally {
    onDisk.close();
  }
}

/**
 * Returns a list of paths as a journal stores it: the list or, if its JSON has
 * 8,192 characters or more, the SHA-256 of the JSON. Returns `null` if there is
 * no list.
 */
function briefly(
  paths: readonly string[] | undefined,
): readonly string[] | string | null {
  const text = JSON.stringify(paths ?? null);
  if (paths === undefined || text.length < 1 << 13) return paths ?? null;
  return `sha256:${toHex(sha256(new TextEncoder().encode(text)))}`;
}

/**
 * If the repository belongs to another user and the caller does not trust it,
 * sets `isForeign` of `wanted`, and removes what gives privileges from the root
 * folder in `wanted`, such as the set-user-ID bit; see `withoutPrivileges`.
 */
function checkTrust(
  wanted: TargetState,
  { storage }: Store,
  onDisk: TargetDirectory,
  { trust }: RevertOptions,
): void {
  if (trust || !storage.belongsToOthers?.()) return;
  wanted.isForeign = true;
  if (wanted.root === undefined) return;
  const { entry, dropped } = withoutPrivileges(wanted.root, onDisk.at(""));
  if (dropped.length === 0) return;
  wanted.root = entry;
  wanted.rootFault = notTrusted(".", dropped);
}

/**
 * Refuses to restore into the repository, because a restore that overwrites the
 * repository cannot be undone.
 */
function refuseOverRepository(
  storage: Storage,
  onDisk: TargetDirectory,
  { entries }: TargetState,
): void {
  if (storage.localPath === undefined) return;
  const way = onDisk.wayTo(storage.localPath);
  if (way === "" || /^\.\.(\/\.\.)*$/.test(way)) {
    throw new DeltarError(
      "unsafe",
      "the target is the repository, or is inside the repository; restore into " +
        "another directory",
      { object: onDisk.root },
    );
  }
  const over = entries.find(({ path }) => path.startsWith(`${way}/`));
  if (over === undefined) return;
  throw new DeltarError(
    "unsafe",
    "the entry would be written into the repository; restore into another " +
      "directory, or only the paths that you need",
    { object: onDisk.root, path: over.path },
  );
}

async function prepareRevert(
  store: Store,
  onDisk: TargetDirectory,
  options: RevertOptions,
): Promise<RestoreJob> {
  const { direction: way = "undo", former = [], paths, signal } = options;
  const histories = [...new Set([onDisk.root, ...former])]
    .map((directory) => historyOf(store, directory, signal));
  let history = newestFirst((await together(histories)).flat());
  const left = leftIn(onDisk);
  const cut = left.at(-1)?.data;
  // An interrupted undo is finished before another undo begins. The same
  // applies to a redo.
  let group = cut?.work === way && typeof cut.of === "string"
    ? groupOf(history, cut.of)
    : groupToRevert(history, way, paths);
  const part = { onDisk, work: way, paths, left };
  const request = { work: way, paths: briefly(paths), delete: true };
  while (group !== undefined && isFresh(group)) {
    const { id, safety } = group;
    const rootBefore = rootOf(onDisk);
    const undo = rootBefore &&
      await planFreshUndo(store, onDisk, group, options);
    if (
      rootBefore !== undefined && undo !== undefined &&
      !isEmptyUndo(undo, left)
    ) {
      return {
        ...part,
        ...undo,
        of: id,
        basis: safety.of,
        label: `before undoing the restore of ${safety.of}`,
        root: undefined,
        rootBefore,
        request: { ...request, of: id },
        history,
      };
    }
    // Everything that this restore wrote is already deleted, so the restore
    // before this one is undone instead.
    history = history.filter((one) => one.id !== id);
    group = groupToRevert(history, way, paths);
  }
  if (group === undefined) {
    throw new NothingToRevertError(way, onDisk.root);
  }
  const { wanted, gone } = await stateBefore(store, group, paths);
  checkTrust(wanted, store, onDisk, options);
  refuseOverRepository(store.storage, onDisk, wanted);
  const removal = removalOf(onDisk, gone);
  const plan = await planSteps(onDisk, wanted, removal, signal);
  plan.reverts = group[0].safety?.of;
  const of = group[0].id;
  return {
    ...part,
    plan,
    of,
    label: way === "undo"
      ? `before undoing the restore of ${group[0].safety?.of}`
      : "before redoing a restore",
    root: plan.touchesRoot ? wanted.root : undefined,
    rootBefore: rootOf(onDisk) ?? group[0].root,
    request: { ...request, of },
    history,
  };
}

async function prepareUndo(
  store: Store,
  spans: readonly ChangeSpan[],
  onDisk: TargetDirectory,
  left: LeftJournal[],
  options: UndoChangesOptions,
): Promise<RestoreJob> {
  const { signal, paths } = options;
  for (const path of paths ?? []) checkPath(path);
  const record = spans[0].before;
  const changes = new ChangesToUndo();
  for (const { before, after } of spans) {
    const [old, now] = await together([
      store.tree(before, { signal }),
      store.tree(after, { signal }),
    ]);
    await inTurns(changes.add(old, now), signal);
  }
  const part = await inTurns(changes.against(onDisk, options), signal);
  const wanted: TargetState = {
    entries: isOfWindows(record.directory)
      ? part.entries.map(asOfWindows)
      : part.entries,
    above: part.above,
    root: undefined,
  };
  if (ownerMatters()) useOwnersHere(wanted, record.owners);
  checkTrust(wanted, store, onDisk, options);
  refuseOverRepository(store.storage, onDisk, wanted);
  const removal = removalOf(onDisk, part.gone);
  const plan = await planSteps(onDisk, wanted, removal, signal);
  plan.left.push(...part.left);
  plan.failed.push(...part.conflicts);
  return {
    onDisk,
    plan,
    work: "restore",
    of: record.id,
    label: options.label ?? `before undoing the changes since ${record.id}`,
    root: undefined,
    rootBefore: rootOf(onDisk) ?? record.root,
    fresh: {},
    request: {
      work: "restore",
      of: record.id,
      until: spans[spans.length - 1].after.id,
      paths: briefly(paths),
      delete: true,
    },
    left,
    history: onDisk.isVacant ? [] : await historyOf(store, onDisk.root, signal),
  };
}

/**
 * Returns whether an undo would change nothing, because everything that the
 * restore wrote is already deleted.
 */
function isEmptyUndo(
  { plan, removesRoot }: FreshUndo,
  left: readonly LeftJournal[],
): boolean {
  const isGone = plan.steps.length === 0 && plan.failed.length === 0;
  return isGone && !removesRoot && left.length === 0;
}

/**
 * Returns the recorded restores, undos and redos of a directory, newest first.
 */
async function historyOf(
  store: Store,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<PastWork[]> {
  const storage = untilAborted(store.storage, signal);
  const [saved, fresh] = await together([
    store.safetySnapshots(directory, { signal }),
    freshRestoresInto(storage, directory),
  ]);
  return newestFirst([...saved, ...fresh]);
}

function newestFirst(history: readonly PastWork[]): PastWork[] {
  return history.toSorted((a, b) => a.id < b.id ? 1 : -1);
}

/**
 * Returns whether a repository has a record of a restore into a directory, even
 * if the restore was undone.
 */
export async function isRestored(
  store: Store,
  directory: string,
  signal?: AbortSignal,
): Promise<boolean> {
  return (await historyOf(store, directory, signal)).length > 0;
}

function leftIn(onDisk: TargetDirectory): LeftJournal[] {
  return onDisk.at("") === undefined ? [] : WorkJournal.left(onDisk.root);
}

/**
 * Returns the journals that interrupted processes left in the target. If
 * another process is restoring into the target, returns an empty list, so that
 * a plan can still be made.
 */
function leftUnlessBusy(onDisk: TargetDirectory): LeftJournal[] {
  try {
    return leftIn(onDisk);
  } catch (error) {
    if (error instanceof DeltarError && error.code === "exists") return [];
    throw error;
  }
}
