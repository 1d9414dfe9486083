import { join } from "node:path";
import { Dir, DirSet, type Repository, type SnapshotRecord } from "../mod.ts";
import {
  type AgentTurn,
  endOfTurn,
  isOfMachine,
  lastOfTurn,
  turnsIn,
  undoOfTurn,
} from "../lib/repository/mod.ts";
import { turnNotes } from "./agent_turn.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { cacheFolder, userFolder } from "./location.ts";
import { placeHere } from "./place_here.ts";
import { printPlan, printResult, tellProgress } from "./restore_report.ts";
import { showPath } from "./text.ts";
import { askingForTrust } from "./trust.ts";
import { findTurn } from "./turns.ts";

interface Options extends CommonOptions {
  trustRepository?: boolean;
  all?: boolean;
  dryRun?: boolean;
  force?: boolean;
}

/**
 * Undoes what a turn of an agent changed in a directory or, with `all`, in the
 * whole directory of the turn's snapshots. Returns the exit code.
 */
export async function undoTurn(
  context: Context,
  name: string,
  options: Options,
): Promise<number> {
  const { signal } = context;
  const { dryRun, force = false, trustRepository: trust = false } = options;
  const { out, repository, place } = await begin(context, options);
  const { record: newest, below = "" } = await repository.lastAt(place) ?? {};
  const paths = below === "" || options.all ? undefined : [below];
  const recordsNow = async () =>
    (await repository.snapshots()).filter((record) =>
      record.directory === newest?.directory &&
      isOfMachine(record, newest.machine?.id)
    );
  const records = await recordsNow();
  let turn = findTurn(turnsIn(records), name);
  const target = placeHere(
    lastOfTurn(turn),
    "Undo the turn on the machine on which the agent worked.",
  );
  if (turnNotes(lastOfTurn(turn).directory).isRunning(turn)) {
    const now = "the agent has not finished this turn";
    if (dryRun) {
      out.warn(`${now}; the plan does not include its last changes`);
    } else {
      out.warn(`${now}; all changes until now count as its changes`);
      const last = records.findLast(({ safety }) => safety === undefined);
      await takeEnd(repository, target, turn, last, signal);
      // Meanwhile, another session might have begun a turn, which is now the
      // last.
      const [{ id }] = turn.snapshots;
      turn = turnsIn(await recordsNow()).find(({ snapshots }) =>
        snapshots[0].id === id
      ) ?? turn;
    }
  }
  const { spans, label } = undoOfTurn(turn);
  const fields = { way: "undo", turn: turn.turn, session: turn.session };
  const work = { force, paths, label, signal };
  if (dryRun) {
    const plan = await repository.planUndoChanges(spans, target, {
      ...work,
      trust,
    });
    return printPlan(out, plan, fields);
  }
  const started = performance.now();
  const result = await askingForTrust(
    out,
    trust,
    signal,
    (answer) =>
      repository.undoChanges(spans, target, {
        ...work,
        ...answer,
        onProgress: tellProgress(out),
      }),
  );
  return printResult(
    out,
    result,
    { ...fields, target },
    (done) => `Undone turn ${turn.turn} in ${showPath(target)}: wrote ${done}`,
    started,
  );
}

/**
 * Takes a snapshot of the state in which a turn has left its directories. `last`
 * is their last snapshot.
 */
async function takeEnd(
  repository: Repository,
  target: string,
  turn: AgentTurn,
  last: SnapshotRecord | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { localPath } = repository.storage;
  const { common, rules } = lastOfTurn(turn);
  const options = {
    ...rules,
    neverTouch: [
      ...localPath === undefined ? [] : [localPath],
      cacheFolder(),
      userFolder("state"),
    ],
  };
  const dir = common === undefined ? new Dir(target, options) : new DirSet(
    (rules?.paths ?? []).map((path) => join(target, path)),
    options,
  );
  await repository.snapshot(dir, {
    ...endOfTurn(turn, last),
    cache: cacheFolder(),
    signal,
  });
}
