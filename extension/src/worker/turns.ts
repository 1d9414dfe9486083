import {
  DeltarError,
  type Repository,
  type RestorePlan,
  type SnapshotRecord,
} from "../../../mod.ts";
import {
  type AgentTurn,
  changedPaths,
  dirOfRecord,
  endOfTurn,
  isOfMachine,
  lastOfTurn,
  repositoryName,
  turnsIn,
  undoOfTurn,
} from "../../../lib/repository/mod.ts";
import { truePlace } from "../../../lib/tree/mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import { TurnNotes } from "../../../shared/turn_notes.ts";
import type {
  FolderConfig,
  Method,
  TurnInfo,
  TurnPreview,
} from "../shared/protocol.ts";
import { untouchedFolders } from "./folder_dir.ts";
import type { Handler } from "./handler.ts";
import { thisMachine } from "./machine.ts";
import { recordsOf } from "./folder_records.ts";
import type { Repositories } from "./repositories.ts";
import { previewOf, reportOf, workOptions } from "./restore_methods.ts";

type Methods = "endTurn" | "previewUndoTurn" | "undoTurn";

/** Returns the methods of the worker for turns of agents. */
export function turnMethods(
  repositories: Repositories,
): { [M in Methods & Method]: Handler<M> } {
  return {
    async endTurn({ config, turn: id }, { signal }) {
      const repository = await repositories.open(config);
      const { directory, cache } = config;
      const turn = await findTurn(repository, config, id);
      const notes = new TurnNotes(repositoryName(truePlace(directory)));
      if (!notes.isRunning(turn)) return false;
      const { localPath } = repository.storage;
      // The rules of the turn's last snapshot apply, because the rules of the
      // extension might exclude paths that the agent changed.
      const dir = dirOfRecord(lastOfTurn(turn), [
        ...localPath === undefined ? [] : [localPath],
        ...untouchedFolders(config),
      ]);
      await repository.snapshot(dir, {
        ...endOfTurn(turn),
        cache,
        signal,
        onDamage: () => {},
      });
      return true;
    },

    async previewUndoTurn({ config, turn: id }, { signal }) {
      const repository = await repositories.open(config);
      const turn = await findTurn(repository, config, id);
      const { spans } = undoOfTurn(turn);
      const { directory } = config;
      const plan = await repository.planUndoChanges(spans, directory, {
        signal,
      });
      return turnPreview(plan, lastOfTurn(turn).id);
    },

    async undoTurn({ config, turn: id, last, force }, work) {
      const repository = await repositories.open(config);
      const turn = await findTurn(repository, config, id);
      if (lastOfTurn(turn).id !== last) {
        throw new DeltarError(
          "changed",
          "nothing was undone, because the turn got a new snapshot after the " +
            "question was shown; try again",
        );
      }
      const { spans, label } = undoOfTurn(turn);
      return reportOf(
        await repository.undoChanges(spans, config.directory, {
          force,
          label,
          ...workOptions(work),
        }),
      );
    },
  };
}

/** The turns of agents that snapshots belong to, by snapshot id. */
interface TurnsOfSnapshots {
  /**
   * The turn during which each snapshot was taken. A snapshot is absent if it
   * was not taken during a turn.
   */
  during: ReadonlyMap<string, TurnInfo>;
  /**
   * The turn that made the changes in each snapshot. A snapshot is absent if
   * no turn made its changes, or if several turns could have made them and the
   * snapshot was not taken during one of these turns.
   */
  madeBy: ReadonlyMap<string, TurnInfo>;
}

/**
 * Returns the turns of agents that the snapshots of a folder belong to.
 *
 * @param records The snapshots, the oldest first, without safety snapshots.
 */
export function turnsBySnapshot(
  records: readonly SnapshotRecord[],
): TurnsOfSnapshots {
  const during = new Map<string, TurnInfo>();
  /** The turns that could have made each snapshot's changes, by snapshot id. */
  const makers = new Map<string, TurnInfo[]>();
  for (const turn of turnsIn(records)) {
    const info = infoOf(turn);
    for (const { id } of turn.snapshots) during.set(id, info);
    for (const { before, after } of turn.spans) {
      const begin = records.indexOf(before) + 1;
      const end = records.indexOf(after) + 1;
      for (const record of records.slice(begin, end)) {
        const { id, directory, machine } = record;
        const isSame = directory === after.directory &&
          machine?.id === after.machine?.id;
        if (isSame) makers.set(id, [...makers.get(id) ?? [], info]);
      }
    }
  }
  const madeBy = new Map<string, TurnInfo>();
  for (const [id, infos] of makers) {
    const own = during.get(id);
    const one = infos.find((info) => info === own) ??
      (infos.length === 1 ? infos[0] : undefined);
    if (one !== undefined) madeBy.set(id, one);
  }
  return { during, madeBy };
}

/**
 * Returns the turn that begins with the given snapshot.
 *
 * @param id The id of the snapshot.
 * @throws {DeltarError} `not-found` if there is no such turn; `unsafe` if the
 * turn ran on another machine, because its files are on that machine.
 */
async function findTurn(
  repository: Repository,
  config: FolderConfig,
  id: string,
): Promise<AgentTurn> {
  const own = await recordsOf(repository, config);
  const turn = turnsIn(own).find(({ snapshots }) => snapshots[0].id === id);
  if (turn === undefined) {
    throw new DeltarError(
      "not-found",
      "the first snapshot of the turn no longer exists",
      { object: id },
    );
  }
  const [first] = turn.snapshots;
  const { id: here } = await thisMachine();
  if (isOfMachine(first, here)) return turn;
  throw new DeltarError(
    "unsafe",
    `turn ${turn.turn} ran on another machine: ${first.machine?.host}. Undo ` +
      "the turn there",
  );
}

function turnPreview(plan: RestorePlan, last: string): TurnPreview {
  const isConflict = ({ error }: { error: Error }) =>
    codeOf(error) === "changed";
  return {
    ...previewOf({
      ...plan,
      failed: plan.failed.filter((failure) => !isConflict(failure)),
    }),
    conflicts: plan.failed.filter(isConflict).map(({ path }) => path),
    folders:
      plan.steps.filter(({ entry, was }) =>
        entry?.kind === "directory" ||
        entry === undefined && was === "directory"
      ).length,
    last,
    left: plan.left.map(({ path }) => path),
  };
}

function infoOf(turn: AgentTurn): TurnInfo {
  const { agent, session, turn: number, prompt, snapshots: [first] } = turn;
  return {
    id: first.id,
    agent,
    ...session !== undefined && { session },
    number,
    ...prompt !== undefined && { prompt },
    start: first.time,
    end: lastOfTurn(turn).time,
    changed: changedPaths(turn),
  };
}
