/**
 * Coordination of processes that change the keys of a repository at the same
 * time.
 *
 * A storage cannot change several objects in one step. So each change first
 * stores a note that announces it, and then lists the notes of other changes.
 * Of two changes that must not run at the same time, at least one finds the
 * note of the other, deletes its own note, and fails with `conflict`.
 *
 * A process that is killed leaves its note behind. Other processes ignore the
 * note ten minutes after it was stored (`MAX_CHANGE_MS`). Processes on the same
 * machine ignore it as soon as the killed process has ended. There is one
 * exception: if a note announces the removal of a key, a process that removes
 * another key treats the announced key as already removed, however old the note
 * is. So two removals cannot together remove the last full key (`keys.ts`).
 *
 * @module
 */
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import type { Storage } from "../../storage/storage.ts";
import { isRunning, owner, processOf } from "../../storage/temporary.ts";
import { CHANGES } from "../format/names.ts";
import { namesUnder, timeOf } from "../format/note.ts";
import { putSigned, readSigned } from "./signed_object.ts";

const FORMAT = "deltar-key-change";
/**
 * The pattern of the name of a note, without its folder: the kind of change, 16
 * random hexadecimal digits and, for `add` and `remove`, the name of the key.
 */
const NOTE_NAME =
  /^(add|remove|rotate|rekey|revoke)\.[0-9a-f]{16}(?:\.(.+))?\.json$/;

/** The age at which a change is considered interrupted, in milliseconds. */
const MAX_CHANGE_MS = 10 * 60_000;

/** A change to the keys or signers of a repository. */
export interface KeyChange {
  /**
   * The kind of change. `rotate` and `rekey` change all keys. `rekey` is the
   * last step of a rekey, which retires the older identities. `revoke` revokes
   * a signing key.
   */
  kind: "add" | "remove" | "rotate" | "rekey" | "revoke";
  /** The name of the key, if the kind is `add` or `remove`. */
  key?: string;
}

/** A change that a process has announced in a note. */
interface AnnouncedChange extends KeyChange {
  /** The name of the note. */
  object: string;
}

/**
 * The coordinator of the changes to the keys of a repository. It announces each
 * change to other processes, and refuses a change while another process makes a
 * change that must not run at the same time.
 */
export class KeyChanges {
  readonly #storage: Storage;
  readonly #admin: SigningKey;

  /**
   * Creates a view of the changes without reading anything.
   *
   * @param storage The repository's storage, which returns decrypted objects.
   * @param admin The admin key, which signs the notes.
   */
  constructor(storage: Storage, admin: SigningKey) {
    this.#storage = storage;
    this.#admin = admin;
  }

  /**
   * Stores a note that announces a change, makes the change, and deletes the
   * note.
   *
   * @param change The change.
   * @param work Called to make the change, with the names of the keys whose
   * removal other processes have announced, even if the removal was
   * interrupted.
   * @throws {DeltarError} `conflict` if another process is making, or may still
   * be making, a change that must not run at the same time; also any error that
   * `work` throws.
   */
  async run(
    change: KeyChange,
    work: (leaving: ReadonlySet<string>) => Promise<void>,
  ): Promise<void> {
    const { kind, key } = change;
    const random = toHex(crypto.getRandomValues(new Uint8Array(8)));
    const words = [kind, random, ...key === undefined ? [] : [key], "json"];
    const own = `${CHANGES}${words.join(".")}`;
    const time = new Date().toISOString();
    const done = [own];
    try {
      const fields = { time, process: owner() };
      await putSigned(this.#storage, own, FORMAT, fields, this.#admin);
      const all = await this.#announced();
      const others = all.filter(({ object }) => object !== own);
      const over: string[] = [];
      for (const other of others) {
        const isExcluded = excludes(change, other);
        if (!isExcluded && other.key !== key) continue;
        const end = await this.#endOf(other.object);
        if (end === undefined) {
          // The note of an interrupted removal of another key is kept, so that
          // later removals treat that key as already removed. A later change to
          // that key deletes the note.
          const isFinished = other.kind !== "remove" || other.key === key;
          if (isFinished) over.push(other.object);
        } else if (isExcluded) throw busyError(end);
      }
      const leaving = others.filter(({ kind }) => kind === "remove")
        .flatMap(({ key = [] }) => key);
      await work(new Set(leaving));
      done.push(...over);
    } finally {
      for (const object of done) {
        await this.#storage.delete(object).catch(() => {});
      }
    }
  }

  async #announced(): Promise<AnnouncedChange[]> {
    return (await namesUnder(this.#storage, CHANGES)).flatMap((object) => {
      const [, kind, key] = NOTE_NAME.exec(object.slice(CHANGES.length)) ?? [];
      return kind === undefined
        ? []
        : [{ kind: kind as KeyChange["kind"], key, object }];
    });
  }

  /**
   * Returns the time after which a change is considered interrupted, in
   * milliseconds since 1970. Returns `undefined` if this time has passed, if
   * the process that made the change was on this machine and has ended, or if
   * the note is damaged or missing.
   *
   * @param object The name of the note that announces the change.
   */
  async #endOf(object: string): Promise<number | undefined> {
    const { publicKey } = this.#admin;
    try {
      const line = await readSigned(this.#storage, object, FORMAT, publicKey);
      const begun = timeOf(line.time, object);
      const process = processOf(String(line.process));
      if (process !== undefined && isRunning(process) === false) {
        return undefined;
      }
      const age = Math.abs(Date.now() - begun);
      return age > MAX_CHANGE_MS ? undefined : begun + MAX_CHANGE_MS;
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }
}

/** Returns whether two changes must not run at the same time. */
function excludes(one: KeyChange, other: KeyChange): boolean {
  const changesAll = ({ kind }: KeyChange) =>
    kind === "rotate" || kind === "rekey";
  if (changesAll(one) || changesAll(other)) return true;
  return one.key === other.key && one.kind !== other.kind;
}

function busyError(end: number): DeltarError {
  return new DeltarError(
    "conflict",
    "another process is changing the keys of the repository, or was " +
      "interrupted while changing them. Try again in a minute. If this error " +
      `occurs again, wait until ${new Date(end).toISOString()}.`,
  );
}
