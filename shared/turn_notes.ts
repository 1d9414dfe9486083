import { createHash } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { replaceFile } from "./replace_file.ts";
import { userFolder } from "./user_folder.ts";

/** The last turn of a session of an agent in a directory. */
export interface SessionTurn {
  turn: number;
  prompt?: string;
  /** The id of the snapshot with the state before the turn, if it is known. */
  since?: string;
  /** Whether the agent has finished the turn. */
  isOver: boolean;
}

/** A turn that an agent has begun and not finished. */
export interface RunningTurn extends SessionTurn {
  agent: string;
  session?: string;
}

/** The age above which the note of a session is deleted, in milliseconds. */
const MAX_AGE_MS = 30 * 24 * 60 * 60 * 1000;

/** The notes of the last turns of all sessions in a directory. */
export class TurnNotes {
  readonly #folder: string;

  /**
   * Makes an instance for a directory. Reads no notes.
   *
   * @param name The name of the default repository of the directory.
   */
  constructor(name: string) {
    this.#folder = join(userFolder("state"), "turns", name);
  }

  read(agent: string, session: string | undefined): SessionTurn | undefined {
    return readNote(this.#file(agent, session));
  }

  /**
   * Returns whether a turn is the last turn of its session and is not finished.
   */
  isRunning(
    { agent, session, turn }: { agent: string; session?: string; turn: number },
  ): boolean {
    const noted = this.read(agent, session);
    return noted?.turn === turn && !noted.isOver;
  }

  /** Writes the note of a session, and deletes old notes. */
  write(agent: string, session: string | undefined, note: SessionTurn): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#file(agent, session);
    // A hook that reads the note at the same time must not see an incomplete
    // note.
    const text = JSON.stringify({ ...note, agent, session });
    replaceFile(file, text, { mode: 0o600 });
    this.#deleteOld();
  }

  /** Returns the turns that agents have begun and not finished. */
  running(): RunningTurn[] {
    return this.#names().flatMap((name) => {
      const note = readNote(join(this.#folder, name));
      // Notes of earlier versions do not contain the name of the agent.
      return note === undefined || note.isOver || note.agent === undefined
        ? []
        : [{ ...note, agent: note.agent }];
    });
  }

  /**
   * Returns the number of the next turn, which is greater than `last` and the
   * numbers of all turns in the notes.
   *
   * @param last The number of the turn in which the last snapshot of the
   * directory was taken. Default: 0.
   */
  next(last = 0): number {
    let highest = last;
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

/**
 * Reads the note of a session. Returns `undefined` if the note is missing or
 * invalid.
 */
function readNote(
  file: string,
): SessionTurn & { agent?: string; session?: string } | undefined {
  try {
    const { agent, session, turn, prompt, since, isOver } = JSON.parse(
      readFileSync(file, "utf8"),
    );
    if (!Number.isSafeInteger(turn) || turn < 1) return undefined;
    return {
      ...typeof agent === "string" && { agent },
      ...typeof session === "string" && { session },
      turn,
      ...typeof prompt === "string" && { prompt },
      ...typeof since === "string" && { since },
      isOver: isOver === true,
    };
  } catch {
    return undefined;
  }
}
