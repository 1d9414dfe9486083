import type { DeltarError } from "../../bytes/errors.ts";
import type { Line } from "../../bytes/listing.ts";
import { isId } from "./names.ts";

/**
 * A turn of an AI agent, from the user's prompt to the agent's answer, and the
 * position of a snapshot in the turn.
 */
export interface TurnRecord {
  /**
   * The name of the agent, such as `claude-code`: 1 to 64 ASCII letters,
   * digits, `.`, `_` and `-`.
   */
  agent: string;
  /**
   * The id that the agent gave to the session, at most 200 characters. Absent
   * if the agent gave none.
   */
  session?: string;
  /**
   * The number of the turn, counted from 1. Turns of one directory usually have
   * different numbers, even in different sessions.
   */
  turn: number;
  /**
   * The position of the snapshot: `start` before the turn, `end` after the
   * turn. Absent if the snapshot was taken during the turn.
   */
  at?: "start" | "end";
  /**
   * The id of the snapshot with the state before the turn. Absent if this
   * snapshot itself has that state (`at` is `start`), or if the id is not
   * known.
   */
  since?: string;
  /** The first line of the prompt, at most 200 characters. */
  prompt?: string;
  /**
   * The name of the tool that the agent was about to use, at most 100
   * characters.
   */
  tool?: string;
}

/** The maximum lengths of the texts of a turn, in UTF-16 code units. */
export const MAX_TURN_TEXT = { session: 200, prompt: 200, tool: 100 } as const;

/** Returns whether a value is a valid turn of a record. */
export function isTurn(value: unknown): value is TurnRecord {
  if (typeof value !== "object" || value === null) return false;
  const { agent, turn, at, since, ...rest } = value as Line;
  return typeof agent === "string" && /^[\w.-]{1,64}$/.test(agent) &&
    Number.isSafeInteger(turn) && (turn as number) >= 1 &&
    (at === undefined || at === "start" || at === "end") &&
    (since === undefined || isId(since)) &&
    Object.entries(MAX_TURN_TEXT).every(([name, most]) => {
      const text = rest[name];
      return text === undefined ||
        typeof text === "string" && text.length <= most;
    });
}

/**
 * Reads the turn of a commit record.
 *
 * @param turn The field `turn`.
 * @param fail Called with the description of an invalid field. Returns the
 * error that is then thrown.
 */
export function decodeTurn(
  turn: unknown,
  fail: (what: string) => DeltarError,
): { turn?: TurnRecord } {
  if (turn === undefined) return {};
  if (!isTurn(turn)) throw fail("invalid `turn`");
  const { agent, session, turn: number, at, since, prompt, tool } = turn;
  return {
    turn: {
      agent,
      ...session !== undefined && { session },
      turn: number,
      ...at !== undefined && { at },
      ...since !== undefined && { since },
      ...prompt !== undefined && { prompt },
      ...tool !== undefined && { tool },
    },
  };
}
