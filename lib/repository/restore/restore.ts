import { DeltarError } from "../../bytes/errors.ts";
import { Survey } from "../../tree/survey.ts";
import { type LeftJournal, WorkJournal } from "../../tree/work_journal.ts";
import { LocalStorage } from "../../storage/local.ts";
import type { Storage } from "../../storage/storage.ts";
import { readPart } from "../layers/tree_reader.ts";
import type { Repository } from "../repository.ts";
import type { SnapshotRecord } from "../snapshot_record.ts";
import { carryOut, type RestoreHooks, type RestoreJob } from "./carry_out.ts";
import { planSteps } from "./plan_steps.ts";
import type { RestoreOptions, RevertOptions } from "./restore_options.ts";
import type { RestoreLeft, RestorePlan } from "./restore_plan.ts";
import { removalFor, removalOf } from "./restore_removal.ts";
import type { RestoreResult } from "./restore_result.ts";
import {
  groupOf,
  groupToRevert,
  nothingTo,
  stateBefore,
} from "./restore_undo.ts";
import { type Wanted, wantedOf } from "./restore_wanted.ts";

/** What a restore would do; nothing is changed. */
export async function planRestore(
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
): Promise<RestorePlan> {
  const survey = new Survey(target);
  try {
    return (await prepare(repository, record, survey, options)).plan;
  } finally {
    survey.close();
  }
}

/** Restores a snapshot; each file is checked before it gets its name. */
export async function restoreTree(
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  const survey = new Survey(target);
  try {
    return await restoreInto(survey, repository, record, options, hooks);
  } finally {
    survey.close();
  }
}

async function restoreInto(
  survey: Survey,
  repository: Repository,
  record: SnapshotRecord,
  options: RestoreOptions,
  hooks: RestoreHooks,
): Promise<RestoreResult> {
  const { plan, root } = await prepare(repository, record, survey, options);
  const left = leftIn(survey);
  const request = {
    work: "restore",
    of: record.id,
    paths: options.paths ?? null,
    delete: options.delete ?? false,
  };
  return await carryOut(
    repository,
    {
      survey,
      plan,
      work: "restore",
      of: record.id,
      label: `before restoring ${record.id}`,
      root,
      request,
      left,
      history: survey.isVacant
        ? []
        : await repository.safetySnapshots(survey.root),
    },
    options,
    hooks,
  );
}

/** What undoing or redoing the last restore would do. */
export async function planRevert(
  repository: Repository,
  target: string,
  way: "undo" | "redo",
  { signal }: RevertOptions,
): Promise<RestorePlan> {
  const survey = new Survey(target);
  try {
    return (await prepareRevert(repository, survey, way, signal)).plan;
  } finally {
    survey.close();
  }
}

/** Brings back what was there before the last restore, or undo of it. */
export async function revertRestore(
  repository: Repository,
  target: string,
  way: "undo" | "redo",
  options: RevertOptions,
  hooks: RestoreHooks = {},
): Promise<RestoreResult> {
  const survey = new Survey(target);
  try {
    const { signal } = options;
    const job = await prepareRevert(repository, survey, way, signal);
    return await carryOut(repository, job, options, hooks);
  } finally {
    survey.close();
  }
}

async function prepare(
  repository: Repository,
  record: SnapshotRecord,
  survey: Survey,
  options: RestoreOptions,
): Promise<Pick<RestoreJob, "plan" | "root">> {
  const { paths, signal } = options;
  const { storage } = repository;
  // Where nothing is, nobody asks what else the snapshot has.
  const tree = paths !== undefined && survey.isVacant
    ? await readPart(storage, record, paths, signal)
    : await repository.tree(record);
  const wanted = wantedOf(tree, record, paths);
  refuseOverRepository(storage, survey, wanted);
  const left: RestoreLeft[] = [];
  const removal = await removalFor(repository, survey, tree, record, {
    delete: options.delete ?? false,
    paths,
    apart: [
      ...options.apart ?? [],
      ...storage instanceof LocalStorage ? [storage.location] : [],
    ],
    onLeft: (one) => left.push(one),
  });
  const plan = planSteps(survey, wanted, removal, signal);
  plan.left.push(...left);
  return { plan, root: wanted.root };
}

/** A repository that is written over cannot bring back what was there. */
function refuseOverRepository(
  storage: Storage,
  survey: Survey,
  { entries }: Wanted,
): void {
  if (!(storage instanceof LocalStorage)) return;
  const way = survey.wayTo(storage.location);
  if (way === "" || /^\.\.(\/\.\.)*$/.test(way)) {
    throw new DeltarError(
      "unsafe",
      "this is the repository itself; restore into another directory",
      { object: survey.root },
    );
  }
  const over = entries.find(({ path }) => path.startsWith(`${way}/`));
  if (over === undefined) return;
  throw new DeltarError(
    "unsafe",
    "it would be written into the repository itself; restore into another " +
      "directory, or only the paths that you need",
    { object: survey.root, path: over.path },
  );
}

async function prepareRevert(
  repository: Repository,
  survey: Survey,
  way: "undo" | "redo",
  signal: AbortSignal | undefined,
): Promise<RestoreJob> {
  const history = await repository.safetySnapshots(survey.root);
  const left = leftIn(survey);
  const cut = left.at(-1)?.data;
  // The same that was cut short is finished first.
  const group = cut?.work === way && typeof cut.of === "string"
    ? groupOf(history, cut.of)
    : groupToRevert(history, way);
  if (group === undefined) throw nothingTo(way, survey.root);
  const { wanted, gone } = await stateBefore(repository, group);
  refuseOverRepository(repository.storage, survey, wanted);
  const plan = planSteps(survey, wanted, removalOf(survey, gone), signal);
  const of = group[0].id;
  return {
    survey,
    plan,
    work: way,
    of,
    label: way === "undo"
      ? `before undoing the restore of ${group[0].safety?.of}`
      : "before redoing a restore",
    root: wanted.root,
    request: { work: way, of, paths: null, delete: true },
    left,
    history,
  };
}

function leftIn(survey: Survey): LeftJournal[] {
  return survey.at("") === undefined ? [] : WorkJournal.left(survey.root);
}
