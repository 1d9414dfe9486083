import { timeOfId } from "../format/names.ts";
import type {
  SnapshotCounts,
  SnapshotRecord,
} from "../format/snapshot_record.ts";
import type { TurnRecord } from "../format/turn_record.ts";

/** The changes between two snapshots of a directory. */
export interface ChangeSpan {
  /** The snapshot before the changes. */
  before: SnapshotRecord;
  /** The snapshot after the changes. */
  after: SnapshotRecord;
}

/**
 * A turn of an AI agent, with the snapshots that were taken during the turn.
 */
export interface AgentTurn extends Omit<TurnRecord, "at" | "since" | "tool"> {
  /** The snapshots of the turn, oldest first. */
  snapshots: SnapshotRecord[];
  /**
   * The snapshots before and after the changes of the turn, in chronological
   * order. There are several spans if the turn was interleaved with other
   * turns, and none if no snapshot has changes of the turn.
   */
  spans: ChangeSpan[];
  /** The total numbers of changes in the spans, by the kind of change. */
  changes: Pick<
    SnapshotCounts,
    "created" | "updated" | "deleted" | "renamed" | "copied" | "touched"
  >;
}

/**
 * Returns the turns of agents in one directory, oldest first.
 *
 * Each snapshot has the changes since the snapshot before it. The field `since`
 * of a turn names the snapshot of the state before the turn. The turn extends
 * from the snapshot after this one to the last snapshot of the turn. If the
 * snapshot that `since` names no longer exists, the turn begins one snapshot
 * later, because the first snapshot after it might have older changes, too. If
 * `since` is absent, the turn begins with its own first snapshot. Within a
 * turn, the changes in these snapshots are changes of the turn:
 *
 * - snapshots of the turn, except for a snapshot of the state before the turn;
 * - snapshots that belong to no turn;
 * - snapshots of the state before another turn.
 *
 * A snapshot of the state before a turn always begins a new turn, even if an
 * earlier turn has the same session and turn number.
 *
 * @param records The snapshots of the directory that one machine took, oldest
 * first. Safety snapshots are ignored.
 * @returns The turns, each with its snapshots and changes.
 *
 * @example
 * ```ts
 * import { agentTurns } from "@deltar/deltar/repository";
 * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const repository = await Repository.create(new MemoryStorage());
 * const turn = { agent: "mine", turn: 1, prompt: "Sort the imports" };
 * await repository.snapshot(new Dir("docs"), { turn: { ...turn, at: "start" } });
 * const [found] = agentTurns(await repository.snapshots());
 * assert.equal(found.prompt, "Sort the imports");
 * assert.deepEqual(found.spans, []);
 * ```
 */
export function agentTurns(records: readonly SnapshotRecord[]): AgentTurn[] {
  const ordinary = records.filter(({ safety }) => safety === undefined);
  const all: FoundTurn[] = [];
  /**
   * The last turn found so far for each agent, session and turn number, by the
   * result of `keyOf`.
   */
  const newest = new Map<string, FoundTurn>();
  /**
   * The turn that each snapshot of `ordinary` belongs to, by the snapshot's
   * position. A snapshot without a turn has no element.
   */
  const owners: (FoundTurn | undefined)[] = [];
  const places = new Map(ordinary.map(({ id }, at) => [id, at]));
  /**
   * The position of each record that replaced another one, by the time in its
   * id. A replacement has the time of the original snapshot in its id, so it
   * can be found by the id of the original.
   */
  const replacements = new Map(
    ordinary.flatMap(({ id, repairs }, at) =>
      repairs === undefined ? [] : [[timeOfId(id), at]]
    ),
  );
  /**
   * Returns the position of the first snapshot that can have changes of a turn.
   * `since` is the id of the snapshot with the state before the turn, and `at`
   * is the position of a snapshot of the turn. If the snapshot `since` no
   * longer exists, the first snapshot after it is left out, because some of its
   * changes might be older than the turn. The result is at most `at`, or one
   * more than `at` if the snapshot at `at` is left out.
   */
  const firstAfter = (since: string, at: number): number => {
    const place = places.get(since) ?? replacements.get(timeOfId(since));
    if (place !== undefined) return Math.min(at, place + 1);
    const next = ordinary.findIndex(({ id }) => id > since);
    return next < 0 || next > at ? at : next + 1;
  };
  for (const [at, { turn: of }] of ordinary.entries()) {
    if (of === undefined) continue;
    const begin = of.since === undefined ? at : firstAfter(of.since, at);
    const same = of.at === "start" ? undefined : newest.get(keyOf(of));
    // An agent that has lost its notes may use the number of an earlier turn
    // again, so equal numbers do not always mean the same turn.
    const isSame = same !== undefined &&
      (of.since === undefined || begin <= same.last + 1);
    const found = isSame
      ? same
      : { turn: emptyTurn(of), first: begin, last: at };
    if (!isSame) {
      all.push(found);
      newest.set(keyOf(of), found);
    }
    found.turn.snapshots.push(ordinary[at]);
    if (of.prompt !== undefined) found.turn.prompt ??= of.prompt;
    found.last = at;
    owners[at] = found;
  }
  for (const found of all) {
    for (let at = Math.max(found.first, 1); at <= found.last; at++) {
      const after = ordinary[at];
      const { turn: of } = after;
      const isOwn = of === undefined ||
        (owners[at] === found) !== (of.at === "start");
      if (isOwn) addStep(found.turn, ordinary[at - 1], after);
    }
  }
  return all.map(({ turn }) => turn);
}

/**
 * Returns the turns of agents in snapshots of any directories and machines, in
 * the order of the first snapshots of the turns.
 *
 * @param records The snapshots, oldest first.
 */
export function turnsIn(records: readonly SnapshotRecord[]): AgentTurn[] {
  const groups = Map.groupBy(
    records,
    ({ directory, machine }) => JSON.stringify([directory, machine?.id]),
  );
  return [...groups.values()].flatMap(agentTurns)
    .sort((a, b) => a.snapshots[0].id < b.snapshots[0].id ? -1 : 1);
}

/** Returns the last snapshot of a turn. */
export function lastOfTurn({ snapshots }: AgentTurn): SnapshotRecord {
  return snapshots[snapshots.length - 1];
}

/** Returns the number of changes of a turn, not counting touched paths. */
export function changedPaths({ changes }: AgentTurn): number {
  const { touched: _, ...rest } = changes;
  return Object.values(rest).reduce((sum, count) => sum + count, 0);
}

/**
 * Returns the spans to undo for a turn, and the label of the safety snapshot.
 */
export function undoOfTurn(
  turn: AgentTurn,
): { spans: ChangeSpan[]; label: string } {
  const last = lastOfTurn(turn);
  return {
    // An undo needs at least one span, even if the turn has no changes.
    spans: turn.spans.length > 0 ? turn.spans : [{ before: last, after: last }],
    label: labelOfUndo(turn.turn),
  };
}

/**
 * Returns the options for a snapshot of the state after an unfinished turn. The
 * snapshot is taken before the turn is undone.
 *
 * @param turn The turn. `since` is the id of the snapshot with the state before
 * the turn. This id is needed only if the turn has no snapshot yet.
 */
export function endOfTurn(
  { agent, session, turn, prompt, since }:
    & Pick<AgentTurn, "agent" | "session" | "turn" | "prompt">
    & { since?: string },
): { label: string; turn: TurnRecord } {
  return {
    label: `agent: ${labelOfUndo(turn)}`,
    turn: {
      agent,
      ...session !== undefined && { session },
      turn,
      at: "end",
      ...since !== undefined && { since },
      ...prompt !== undefined && { prompt },
    },
  };
}

/** Returns the label of a snapshot that is taken before a turn is undone. */
function labelOfUndo(turn: number): string {
  return `before undoing turn ${turn}`;
}

/**
 * Returns whether a turn ends and the last snapshot was taken during the turn,
 * but belongs to another agent or session, or to no turn. That snapshot might
 * already have the last changes of the turn, so the end of the turn is stored
 * even if nothing has changed since that snapshot.
 *
 * @param turn The turn of the snapshot that is about to be taken.
 * @param last The last snapshot of the directory.
 */
export function endsAfterOther(
  turn: TurnRecord | undefined,
  last: SnapshotRecord | undefined,
): boolean {
  return turn?.at === "end" && turn.since !== last?.id &&
    (turn.agent !== last?.turn?.agent || turn.session !== last.turn.session);
}

/**
 * A turn, with the position of the first snapshot that can have changes of the
 * turn, and the position of the last snapshot of the turn.
 */
interface FoundTurn {
  turn: AgentTurn;
  first: number;
  last: number;
}

/** Returns the turn that a record names, without any snapshots. */
function emptyTurn({ agent, session, turn, prompt }: TurnRecord): AgentTurn {
  return {
    agent,
    ...session !== undefined && { session },
    turn,
    ...prompt !== undefined && { prompt },
    snapshots: [],
    spans: [],
    changes: {
      created: 0,
      updated: 0,
      deleted: 0,
      renamed: 0,
      copied: 0,
      touched: 0,
    },
  };
}

/** Adds the changes of one snapshot to a turn. */
function addStep(
  { spans, changes }: AgentTurn,
  before: SnapshotRecord,
  after: SnapshotRecord,
): void {
  const span = spans.at(-1);
  if (span?.after === before) span.after = after;
  else spans.push({ before, after });
  for (const name of Object.keys(changes) as (keyof typeof changes)[]) {
    changes[name] += after.counts[name];
  }
}

function keyOf({ agent, session, turn }: TurnRecord): string {
  return JSON.stringify([agent, session, turn]);
}
