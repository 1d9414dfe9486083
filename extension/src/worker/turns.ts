import {
  DeltarError,
  type Repository,
  type RestorePlan,
  type SnapshotRecord,
} from "../../../mod.ts";
import {
  type AgentTurn,
  agentTurns,
  isOfMachine,
} from "../../../lib/repository/mod.ts";
import { codeOf } from "../../../shared/error_code.ts";
import type {
  FolderConfig,
  Method,
  TurnInfo,
  TurnPreview,
} from "../shared/protocol.ts";
import type { Handler } from "./handler.ts";
import { thisMachine } from "./machine.ts";
import type { Repositories } from "./repositories.ts";
import { previewOf, reportOf, workOptions } from "./restore_methods.ts";

type Methods = "previewUndoTurn" | "undoTurn";

/** Returns the methods of the worker for turns of agents. */
export function turnMethods(
  repositories: Repositories,
): { [M in Methods & Method]: Handler<M> } {
  return {
    async previewUndoTurn({ config, turn: id }, { signal }) {
      const repository = await repositories.open(config);
      const turn = await findTurn(repository, config, id);
      const { directory } = config;
      return turnPreview(
        await repository.planUndoChanges(spansOf(turn), directory, { signal }),
      );
    },

    async undoTurn({ config, turn: id, force }, work) {
      const repository = await repositories.open(config);
      const turn = await findTurn(repository, config, id);
      return reportOf(
        await repository.undoChanges(spansOf(turn), config.directory, {
          force,
          label: `before undoing turn ${turn.turn}`,
          ...workOptions(work),
        }),
      );
    },
  };
}

/**
 * Returns the turns of agents in the snapshots of a folder, by the ids of their
 * snapshots.
 */
export function turnsBySnapshot(
  records: readonly SnapshotRecord[],
): Map<string, TurnInfo> {
  return new Map(
    turnsIn(records).flatMap((turn) => {
      const info = infoOf(turn);
      return turn.snapshots.map(({ id }): [string, TurnInfo] => [id, info]);
    }),
  );
}

/** Returns the turns of agents in one folder, separately for each machine. */
function turnsIn(records: readonly SnapshotRecord[]): AgentTurn[] {
  return [...Map.groupBy(records, ({ machine }) => machine?.id).values()]
    .flatMap(agentTurns);
}

/**
 * Returns the turn whose first snapshot has the id.
 *
 * @throws {DeltarError} `not-found` if there is no such turn; `unsafe` if
 * another machine took its snapshots, because the files are on that machine.
 */
async function findTurn(
  repository: Repository,
  { directory }: FolderConfig,
  id: string,
): Promise<AgentTurn> {
  const records = await repository.snapshots({ onDamage: () => {} });
  const own = records.filter((record) => record.directory === directory);
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

/** Returns the snapshots before and after the changes of a turn. */
function spansOf({ spans, snapshots }: AgentTurn): AgentTurn["spans"] {
  const last = snapshots[snapshots.length - 1];
  return spans.length > 0 ? spans : [{ before: last, after: last }];
}

function turnPreview(plan: RestorePlan): TurnPreview {
  const isConflict = ({ error }: { error: Error }) =>
    codeOf(error) === "changed";
  return {
    ...previewOf({
      ...plan,
      failed: plan.failed.filter((failure) => !isConflict(failure)),
    }),
    conflicts: plan.failed.filter(isConflict).map(({ path }) => path),
    left: plan.left.map(({ path }) => path),
  };
}

function infoOf(
  { agent, session, turn: number, prompt, snapshots, changes }: AgentTurn,
): TurnInfo {
  const [first] = snapshots;
  const last = snapshots[snapshots.length - 1];
  const { touched: _, ...counts } = changes;
  return {
    id: first.id,
    agent,
    ...session !== undefined && { session },
    number,
    ...prompt !== undefined && { prompt },
    start: first.time,
    end: last.time,
    isOver: last.turn?.at === "end",
    changed: Object.values(counts).reduce((sum, count) => sum + count, 0),
  };
}
