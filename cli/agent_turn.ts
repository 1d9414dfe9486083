import { repositoryName, type TurnRecord } from "../lib/repository/mod.ts";
import { truePlace } from "../lib/tree/mod.ts";
import { type SessionTurn, TurnNotes } from "../shared/turn_notes.ts";
import type { AgentEvent } from "./agent_event.ts";

/** The turn and the note that follow from one event of an agent. */
export interface TurnStep {
  /** The turn for the record of the snapshot. Absent if no turn is running. */
  turn?: TurnRecord;
  /**
   * Called after the snapshot was taken. If the event begins or ends a turn,
   * writes the note of the session, which the next call of the hook reads.
   *
   * @param id The id of the new snapshot or, if nothing has changed, of the
   * previous snapshot.
   * @throws The error of the file system if the note cannot be written.
   */
  note(id: string): void;
}

/**
 * Returns the turn for the record of the snapshot that a hook is about to take,
 * and the function that writes the note of the session. Each session has its
 * own note, so several sessions can run at the same time.
 *
 * A prompt begins a turn. If the agent did not finish the previous turn, for
 * example because it was interrupted, the state at the prompt is the end of
 * that turn. The use of a tool without a prompt before it also begins a turn.
 * If no turn is running, an event of the kind `end` or `other` belongs to no
 * turn.
 *
 * @param event The event that the agent passed to the hook.
 * @param directory The directory of the snapshot.
 * @param last The turn of the last snapshot of the directory; `undefined` if
 * that snapshot was not taken in a turn.
 */
export function advanceTurn(
  event: AgentEvent,
  directory: string,
  last: TurnRecord | undefined,
): TurnStep {
  const { agent, session, kind, tool } = event;
  const notes = turnNotes(directory);
  const before = notes.read(agent, session);
  const running = before?.isOver === false ? before : undefined;
  const step = (
    of: SessionTurn | undefined,
    at?: "start" | "end",
    now?: SessionTurn,
  ): TurnStep => ({
    ...of !== undefined && {
      turn: {
        agent,
        ...session !== undefined && { session },
        turn: of.turn,
        ...at !== undefined && { at },
        ...of.since !== undefined && { since: of.since },
        ...of.prompt !== undefined && { prompt: of.prompt },
        ...tool !== undefined && { tool },
      },
    },
    note: (id) => {
      if (now === undefined) return;
      notes.write(agent, session, now.isOver ? now : { ...now, since: id });
    },
  });
  if (kind === "other" || running !== undefined && kind === "tool") {
    return step(running);
  }
  if (kind === "end") {
    return step(running, "end", running && { ...running, isOver: true });
  }
  const begun = {
    turn: notes.next(last?.turn),
    ...event.prompt !== undefined && { prompt: event.prompt },
    isOver: false,
  };
  return running === undefined
    ? step(begun, "start", begun)
    : step(running, "end", begun);
}

/** Returns the notes of the last turns of all sessions in a directory. */
export function turnNotes(directory: string): TurnNotes {
  return new TurnNotes(repositoryName(truePlace(directory)));
}
