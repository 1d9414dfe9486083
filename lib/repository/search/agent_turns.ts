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
  /** The snapshots of the turn, oldest first. */
  snapshots: SnapshotRecord[];
  /**
   * The snapshots before and after the changes of the turn, in the order of
   * their times. There are several spans if the turn was interleaved with other
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
 * Each snapshot has the changes since the snapshot before it. From the first to
 * the last snapshot of a turn, the changes in these snapshots are changes of
 * the turn:
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

/** A turn, and the positions of its first and last snapshot in the list. */
interface FoundTurn {
  turn: AgentTurn;
  first: number;
  last: number;
}

/** Returns the turn of a record, without any snapshots. */
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
