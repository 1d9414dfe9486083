import { DeltarError, type Repository, type SnapshotRecord } from "../mod.ts";
import {
  type AgentTurn,
  dirOfRecord,
  endOfTurn,
  isOfMachine,
  lastOfTurn,
  turnsIn,
  undoOfTurn,
} from "../lib/repository/mod.ts";
import type { RunningTurn } from "../shared/turn_notes.ts";
import { turnNotes } from "./agent_turn.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { cacheFolder, userFolder } from "./location.ts";
import { placeHere } from "./place_here.ts";
import { carryOutOrPlan, type RestoreWorkOptions } from "./restore_work.ts";
import { showPath } from "./text.ts";
import { findTurn } from "./turns.ts";

interface Options extends CommonOptions, RestoreWorkOptions {
  all?: boolean;
  force?: boolean;
}

/**
 * Undoes the changes of a turn of an agent in one directory, by default the
 * current one. With `all`, undoes them in the whole directory of the turn's
 * snapshots. Returns the exit code.
 */
export async function undoTurn(
  context: Context,
  name: string,
  options: Options,
): Promise<number> {
  const { signal } = context;
  const { dryRun, force = false } = options;
  const { out, repository, place: here } = await begin(context, options);
  const { record: newest, below = "" } = await repository.lastAt(here) ?? {};
  const paths = below === "" || options.all ? undefined : [below];
  const recordsNow = async () =>
    (await repository.snapshots()).filter((record) =>
      record.directory === newest?.directory &&
      isOfMachine(record, newest.machine?.id)
    );
  const target = (record: SnapshotRecord) =>
    placeHere(
      record,
      "Undo the turn on the machine where the agent worked.",
    );
  let turns = turnsIn(await recordsNow());
  const begun = newest && begunTurn(newest.directory, turns, name);
  if (newest && begun) {
    if (dryRun) {
      throw new DeltarError(
        "not-found",
        `turn ${begun.turn} has no snapshot yet, because ${UNFINISHED}; ` +
          "to undo all changes made so far, run the command without `--dry-run`",
      );
    }
    // Before a snapshot is taken, this call throws an error if the directory is
    // a path of another operating system, such as `C:\work` on Linux.
    target(newest);
    out.warn(
      `${UNFINISHED}; all changes made so far count as changes of the turn`,
    );
    await takeEnd(repository, newest, begun, signal);
    turns = turnsIn(await recordsNow());
  }
  let turn = (begun && turns.findLast((one) => isSameTurn(one, begun))) ??
    findTurn(turns, name);
  const last = lastOfTurn(turn);
  const place = target(last);
  if (begun === undefined && turnNotes(last.directory).isRunning(turn)) {
    if (dryRun) {
      out.warn(`${UNFINISHED}; the plan does not include its last changes`);
    } else {
      out.warn(
        `${UNFINISHED}; all changes made so far count as changes of the turn`,
      );
      await takeEnd(repository, last, turn, signal);
      // Another session might have begun a turn meanwhile, and `last` would now
      // name that turn. So the turn is found by its first snapshot.
      const [{ id }] = turn.snapshots;
      turn = turnsIn(await recordsNow()).find(({ snapshots }) =>
        snapshots[0].id === id
      ) ?? turn;
    }
  }
  const { spans, label } = undoOfTurn(turn);
  const work = { force, paths, label };
  return await carryOutOrPlan(context, out, options, {
    target: place,
    fields: { way: "undo", turn: turn.turn, session: turn.session },
    plan: (more) =>
      repository.planUndoChanges(spans, place, { ...work, ...more }),
    carryOut: (more) =>
      repository.undoChanges(spans, place, { ...work, ...more }),
    sentence: (done) =>
      `Undid turn ${turn.turn} in ${showPath(place)}: wrote ${done}`,
  });
}

/** The reason why a turn has no last snapshot yet. */
const UNFINISHED = "the agent has not finished this turn";

type NamedTurn = Pick<AgentTurn, "agent" | "session" | "turn">;

function isSameTurn(one: NamedTurn, two: NamedTurn): boolean {
  return one.agent === two.agent && one.session === two.session &&
    one.turn === two.turn;
}

/**
 * Returns the turn that the user names if an agent has begun the turn but no
 * snapshot of it exists, because the hook has found no change so far. In all
 * other cases, returns `undefined`. `last` names such a turn only if its number
 * is higher than the numbers of all turns that have snapshots.
 *
 * @param directory The directory of the snapshots.
 * @param turns The turns that have snapshots.
 * @param name The name of the turn, as `findTurn` takes it.
 */
function begunTurn(
  directory: string,
  turns: readonly AgentTurn[],
  name: string,
): RunningTurn | undefined {
  const begun = turnNotes(directory).running()
    .filter((note) => !turns.some((turn) => isSameTurn(turn, note)))
    .sort((one, two) => one.turn - two.turn);
  if (name !== "last") {
    return begun.findLast(({ turn, session, agent }) =>
      name === `${turn}` && !turns.some((one) => one.turn === turn) ||
      name.startsWith(`${turn}@`) &&
        (session ?? agent).startsWith(name.slice(`${turn}@`.length))
    );
  }
  const highest = Math.max(0, ...turns.map(({ turn }) => turn));
  return begun.findLast(({ turn }) => turn > highest);
}

/**
 * Takes the last snapshot of a turn.
 *
 * @param like The snapshot that has the directories and rules for the new
 * snapshot.
 */
async function takeEnd(
  repository: Repository,
  like: SnapshotRecord,
  turn: Parameters<typeof endOfTurn>[0],
  signal: AbortSignal,
): Promise<void> {
  const { localPath } = repository.storage;
  const dir = dirOfRecord(like, [
    ...localPath === undefined ? [] : [localPath],
    cacheFolder(),
    userFolder("state"),
  ]);
  await repository.snapshot(dir, {
    ...endOfTurn(turn),
    cache: cacheFolder(),
    signal,
  });
}
