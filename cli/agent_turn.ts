import { createHash } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { repositoryName, type TurnRecord } from "../lib/repository/mod.ts";
import { truePlace } from "../lib/tree/mod.ts";
import type { AgentEvent } from "./agent_event.ts";
import { userFolder } from "./location.ts";

/** The last turn of a session of an agent in a directory. */
interface SessionTurn {
  turn: number;
  prompt?: string;
  /** The id of the snapshot with the state before the turn, if it is known. */
  since?: string;
  /** Whether the agent has finished the turn. */
  isOver: boolean;
}

/** The time after which the note of a session is deleted, in milliseconds. */
const MAX_AGE_MS = 30 * 24 * 60 * 60 * 1000;

/** An event of an agent, as one step of a turn. */
export interface TurnStep {
  /** The turn for the record of the snapshot, if a turn is running. */
  turn?: TurnRecord;
  /**
   * Called after the snapshot was taken. Writes the state of the session for
   * the next call of the hook.
   *
   * @param id The id of the last snapshot. If nothing has changed, this is the
   * snapshot before the call.
   * @throws The error of the file system if the note cannot be written.
   */
  note(id: string): void;
}

/**
 * Returns the turn for the record of a snapshot that a hook is about to take.
 * Each session has its own note, so several sessions can run at once.
 *
 * A prompt begins a turn. If the agent did not finish the previous turn, for
 * example because it was interrupted, the state at the prompt is the end of
 * that turn. The use of a tool without a prompt before it also begins a turn.
 * An end without a beginning belongs to no turn.
 *
 * @param event The event that the agent passed to the hook.
 * @param directory The directory of the snapshot.
 * @param last The turn of the last snapshot of the directory.
 */
export function advanceTurn(
  event: AgentEvent,
  directory: string,
  last: TurnRecord | undefined,
): TurnStep {
  const { agent, session, kind, tool } = event;
  const notes = new TurnNotes(directory);
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
    turn: notes.next(last),
    ...event.prompt !== undefined && { prompt: event.prompt },
    isOver: false,
  };
  return running === undefined
    ? step(begun, "start", begun)
    : step(running, "end", begun);
}

/**
 * Returns whether, according to the notes on this machine, a turn is the last
 * one of its session and the agent has not finished it.
 */
export function isRunning(
  directory: string,
  { agent, session, turn }: TurnRecord,
): boolean {
  const noted = new TurnNotes(directory).read(agent, session);
  return noted?.turn === turn && !noted.isOver;
}

/** The notes of the last turns of all sessions in a directory. */
class TurnNotes {
  readonly #folder: string;

  constructor(directory: string) {
    this.#folder = join(
      userFolder("state"),
      "turns",
      repositoryName(truePlace(directory)),
    );
  }

  read(agent: string, session: string | undefined): SessionTurn | undefined {
    return readNote(this.#file(agent, session));
  }

  /** Writes the note of a session, and deletes old notes. */
  write(agent: string, session: string | undefined, note: SessionTurn): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#file(agent, session);
    // A hook that reads the note at the same time must not see an incomplete
    // note.
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify(note), { mode: 0o600 });
    renameSync(temporary, file);
    this.#deleteOld();
  }

  /**
   * Returns the number of the next turn, which is greater than the numbers of
   * all recorded turns.
   *
   * @param last The turn of the last snapshot of the directory.
   */
  next(last: TurnRecord | undefined): number {
    let highest = last?.turn ?? 0;
    for (const name of this.#names()) {
      const note = readNote(join(this.#folder, name));
      highest = Math.max(highest, note?.turn ?? 0);
    }
    return highest + 1;
  }

  #deleteOld(): void {
    for (const name of this.#names()) {
      const file = join(this.#folder, name);
      const stat = statSync(file, { throwIfNoEntry: false });
      const isOld = stat && stat.mtimeMs < Date.now() - MAX_AGE_MS;
      if (isOld) rmSync(file, { force: true });
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch {
      // There are no notes yet.
      return [];
    }
  }

  #file(agent: string, session = ""): string {
    const name = createHash("sha256").update(`${agent}\n${session}`)
      .digest("hex").slice(0, 32);
    return join(this.#folder, `${name}.json`);
  }
}

/** Reads the note of a session. A missing or invalid note is ignored. */
function readNote(file: string): SessionTurn | undefined {
  try {
    const { turn, prompt, since, isOver } = JSON.parse(
      readFileSync(file, "utf8"),
    );
    if (!Number.isSafeInteger(turn) || turn < 1) return undefined;
    return {
      turn,
      ...typeof prompt === "string" && { prompt },
      ...typeof since === "string" && { since },
      isOver: isOver === true,
    };
  } catch {
    return undefined;
  }
}
