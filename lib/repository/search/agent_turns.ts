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

/** A turn of an AI agent, with the snapshots that were taken during the turn. */
export interface AgentTurn extends Omit<TurnRecord, "at" | "tool"> {
  /** The snapshots of the turn, the oldest first. */
  snapshots: SnapshotRecord[];
  /**
   * The snapshots before and after the changes of the turn, in the order of
   * their times. Several spans if snapshots of other turns lie between them.
   * Empty if no snapshot shows a change.
   */
  spans: ChangeSpan[];
  /** The numbers of changes, over all snapshots of the spans. */
  changes: Pick<
    SnapshotCounts,
    "created" | "updated" | "deleted" | "renamed" | "copied" | "touched"
  >;
}

/**
 * Returns the turns of agents in one directory, the oldest first.
 *
 * A snapshot shows the changes since the snapshot before it. These are changes
 * of the turn of the snapshot, unless the snapshot has the state before its
 * turn. Between the first and the last snapshot of a turn, the changes in
 * snapshots that belong to no turn also count, and so do the changes before the
 * beginning of another turn. A snapshot with the state before its turn always
 * begins a turn, even if an earlier turn has the same session and number.
 *
 * @param records The snapshots of the directory that one machine took, the
 * oldest first. Safety snapshots are ignored.
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
  /** The last turn of each session and number. */
  const newest = new Map<string, FoundTurn>();
  /** The turn of each record. */
  const owners: (FoundTurn | undefined)[] = [];
  for (const [at, { turn: of }] of ordinary.entries()) {
    if (of === undefined) continue;
    const known = of.at === "start" ? undefined : newest.get(keyOf(of));
    const found = known ?? { turn: emptyTurn(of), first: at, last: at };
    if (known === undefined) {
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

/** A turn, and the positions of its first and last snapshot. */
interface FoundTurn {
  turn: AgentTurn;
  first: number;
  last: number;
}

/** Returns the turn of a record without snapshots. */
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
