import { DeltarError } from "../mod.ts";
import {
  type AgentTurn,
  changedPaths,
  lastOfTurn,
} from "../lib/repository/mod.ts";
import { plural } from "../shared/text.ts";
import type { Console } from "./console.ts";
import { formatDate, showText } from "./text.ts";

/** Returns the fields of a turn for JSON. */
export function turnFields(turn: AgentTurn): Record<string, unknown> {
  const { agent, session, turn: number, prompt, snapshots, spans } = turn;
  const [first] = snapshots;
  return {
    turn: number,
    agent,
    session,
    prompt,
    directory: first.directory,
    time: new Date(first.time).toISOString(),
    changed: changedPaths(turn),
    changes: turn.changes,
    snapshots: snapshots.map(({ id }) => id),
    spans: spans.map(({ before, after }) => ({
      before: before.id,
      after: after.id,
    })),
  };
}

/** Prints a table of turns. */
export function printTurns(out: Console, turns: readonly AgentTurn[]): void {
  if (turns.length === 0) {
    out.line(
      "No turns of AI agents are recorded. `deltar hook` records them.",
    );
    return;
  }
  const agents = Math.max(5, ...turns.map(({ agent }) => agent.length));
  out.line(
    `Turn  Time              ${"Agent".padEnd(agents)}  Session   Changed  ` +
      "Prompt",
  );
  for (const turn of turns) {
    const { agent, session = "", prompt = "", snapshots } = turn;
    out.line(
      [
        String(turn.turn).padStart(4),
        formatDate(snapshots[0].time).slice(0, -3),
        agent.padEnd(agents),
        showText(session).slice(0, 8).padEnd(8),
        String(changedPaths(turn)).padStart(7),
        showText(prompt),
      ].join("  ").trimEnd(),
    );
  }
  out.line(
    `${plural(turns.length, "turn")}. \`deltar undo --turn last\` undoes the ` +
      "last one.",
  );
}

/**
 * Returns the turn that the user names: `last`, the number of the turn, or the
 * number, `@` and the beginning of the session's id, such as `3@SESSION`. If
 * the agent gave no session, the agent's name takes the place of the id. If a
 * session has used a number twice, the number stands for the newer turn.
 *
 * @throws {DeltarError} `not-found` if no turn has this name, or if turns of
 * several sessions have it.
 */
export function findTurn(turns: readonly AgentTurn[], name: string): AgentTurn {
  const fail = (what: string) =>
    new DeltarError(
      "not-found",
      `${what}; \`deltar list --turns\` lists the turns`,
    );
  if (name === "last") {
    const last = turns.toSorted((a, b) =>
      lastOfTurn(a).id < lastOfTurn(b).id ? -1 : 1
    ).at(-1);
    if (last !== undefined) return last;
    throw fail("no turns of AI agents are recorded for this directory");
  }
  const [, number, session] = /^(\d+)(?:@(.+))?$/.exec(name) ?? [];
  const found = turns.filter((turn) =>
    turn.turn === Number(number) &&
    (session === undefined || sessionOf(turn).startsWith(session))
  );
  const newest = found.at(-1);
  const sessions = new Set(
    found.map(({ agent, session }) => JSON.stringify([agent, session])),
  );
  if (newest !== undefined && sessions.size === 1) return newest;
  throw fail(
    found.length === 0
      ? `no turn ${JSON.stringify(name)} is recorded for this directory`
      : `${sessions.size} sessions have a turn ${number}; add "@" and the ` +
        `beginning of the session's id, as in ${number}@${sessionOf(found[0])}`,
  );
}

/** Returns the session's id or, if the agent gave none, the agent's name. */
function sessionOf({ session, agent }: AgentTurn): string {
  return session ?? agent;
}
