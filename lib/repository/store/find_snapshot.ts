/**
 * Finding the snapshot that a text names.
 *
 * If the option `directory` is set, the name `latest`, labels and dates refer
 * to the snapshots of one directory: the innermost directory that contains the
 * path in this option. An id can name a snapshot of any directory.
 *
 * @module
 */
import type { SignalOptions } from "../../bytes/abort.ts";
import {
  codeOf,
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import { outcomeOf } from "../../bytes/outcome.ts";
import { together } from "../../bytes/together.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Storage } from "../../storage/storage.ts";
import { isWithin } from "../../tree/path.ts";
import { namesUnder } from "../format/note.ts";
import { LABELS } from "../format/snapshot_note.ts";
import { withLabels } from "./label.ts";
import { idOfRecord, isSafety, recordName, timeOfId } from "../format/names.ts";
import { belowOf } from "../format/place_of.ts";
import { namedTime } from "./named_time.ts";
import {
  isOfMachine,
  type ReadRecord,
  readRecord,
  type Signed,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";

/** Options for finding a snapshot by its name. */
export interface FindOptions extends SignalOptions {
  /**
   * Whether to return the record with the label that the snapshot had when it
   * was taken. Later changes of the label are not read, which saves a request.
   * Default: `false`.
   */
  asMade?: boolean;
  /**
   * A directory, or a path in it. `latest`, labels and dates name only
   * snapshots of this directory. If the directory has no snapshots, and the
   * repository has snapshots of only one other directory, they name the
   * snapshots of that other directory. By default, they name the snapshots of
   * all directories.
   */
  directory?: string;
  /**
   * The id of a machine. `latest`, labels and dates name only snapshots that
   * this machine took or that record no machine. If `directory` has no such
   * snapshots, and the repository has snapshots of only one directory of one
   * machine, they name these snapshots. Without `directory`, this option has no
   * effect. Default: the machine with which the repository was opened, or else
   * all machines.
   */
  machine?: string;
  /**
   * The time to which `yesterday`, `3 days ago` and similar times are relative,
   * in milliseconds since 1970. Default: the current time.
   */
  now?: number;
  /**
   * Called with the error of each record that cannot be read during a search.
   * The record is then ignored. By default, the error is thrown.
   */
  onDamage?: DamageHandler;
  /**
   * Called with the record of each snapshot that is considered. Returns whether
   * the record is trusted. A snapshot that is not trusted is found only by its
   * id. By default, all records are trusted.
   */
  isTrusted?: (record: SnapshotRecord) => Promise<boolean>;
  /**
   * Called with the public key of the signer of each changed label, and the
   * machine of the snapshot. Returns whether the label is trusted. By default,
   * all labels are trusted.
   */
  isTrustedLabel?: (label: Signed) => Promise<boolean>;
}

/** A snapshot and a folder in it. */
export interface FoundFolder {
  /** The record of the snapshot. */
  record: SnapshotRecord;
  /** The folder's path below the root, `""` for the root. */
  folder: string;
}

/**
 * The last snapshot of the directory that contains a path, and the path in the
 * snapshot.
 */
export interface FoundPlace extends ReadRecord {
  /** The path below the root of the snapshot, `""` for the root. */
  below: string;
}

/**
 * The minimum length, in characters, of a text that names a snapshot by the end
 * of its id.
 */
const MIN_END_LENGTH = 4;

/** The maximum number of snapshots or directories that an error lists. */
const MAX_NAMED = 6;

/**
 * Returns whether a snapshot's id begins with a text, or ends with a text that
 * has at least the last four hexadecimal digits of the id.
 *
 * @param text The text. An empty text is not part of any id.
 * @param id The id of a snapshot.
 *
 * @example
 * ```ts
 * import { isPartOfId } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * const id = "20261125T194354Z-20e89e";
 * assert.ok(isPartOfId("20261125", id));
 * assert.ok(isPartOfId("e89e", id));
 * assert.ok(!isPartOfId("89e", id));
 * ```
 */
export function isPartOfId(text: string, id: string): boolean {
  if (text === "") return false;
  const isEnd = text.length >= MIN_END_LENGTH &&
    /[0-9a-f]{4}(?:-safety)?$/.test(text);
  return id.startsWith(text) || isEnd && id.endsWith(text);
}

/**
 * A finder of snapshots by name. An instance caches the records that it reads.
 */
export class Finder {
  readonly #storage: Storage;
  readonly #list: () => Promise<string[]>;
  readonly #options: FindOptions;
  readonly #records = new Map<string, Promise<ReadRecord>>();
  /** The ids of the snapshots for which damage was reported. */
  readonly #reported = new Set<string>();
  readonly #below = new Map<string, string | undefined>();
  /** The names of all notes with labels, after they were listed. */
  #labels: Promise<string[]> | undefined;
  #ids: string[] | undefined;
  #labelled: SnapshotRecord[] | undefined;
  #scope: ((record: SnapshotRecord) => boolean) | undefined;
  /** The number of snapshots that were ignored because they are not trusted. */
  #untrusted = 0;

  /**
   * Creates a finder without reading anything.
   *
   * @param storage The repository's storage.
   * @param list Called when the ids are needed. Returns the ids of all
   * snapshots, in order.
   * @param options Options for finding a snapshot.
   */
  constructor(
    storage: Storage,
    list: () => Promise<string[]>,
    options: FindOptions,
  ) {
    this.#storage = storage;
    this.#list = list;
    this.#options = options;
  }

  /**
   * Returns the snapshot that a text names.
   *
   * @param text `latest`, `latest~N`, a label, an id or a part of an id, or a
   * time such as `yesterday`.
   * @throws {DeltarError} `not-found` if the text names no snapshot or more
   * than one; also the errors of the storage and of damaged records.
   */
  async find(text: string): Promise<SnapshotRecord> {
    const [record] = await together([
      this.#named(text),
      // Listing the labels while the snapshot is looked up saves the time of a
      // request.
      this.#options.asMade ? undefined : outcomeOf(this.#listLabels()),
    ]);
    return await this.#withLabel(record);
  }

  /**
   * Returns the snapshot that has a label.
   *
   * @param label The whole label.
   * @throws {DeltarError} `not-found` if no snapshot or more than one has the
   * label.
   */
  async findLabelled(label: string): Promise<SnapshotRecord> {
    const record = await this.#byLabel(label);
    if (record !== undefined) return await this.#withLabel(record);
    throw this.#fail(`no snapshot has the label ${JSON.stringify(label)}`);
  }

  async #withLabel(record: SnapshotRecord): Promise<SnapshotRecord> {
    if (this.#options.asMade) return record;
    // If a new label cannot be read, the snapshot is returned with an older
    // label.
    const { isTrustedLabel: isTrusted } = this.#options;
    const names = await this.#listLabels();
    const options = { names, onDamage: () => {}, isTrusted };
    return (await withLabels(this.#storage, [record], options))[0];
  }

  /**
   * Returns the snapshot and the folder that `SNAPSHOT:FOLDER` names:
   *
   * - If the text begins with `latest`, `latest~N` or a whole id, followed by a
   *   colon, the text is split at that colon.
   * - Otherwise, if the whole text names a snapshot, the folder is the root.
   * - Otherwise, the text is split at the first colon that follows the name of
   *   a snapshot.
   *
   * @throws {DeltarError} The errors of `find`.
   */
  async findFolder(text: string): Promise<FoundFolder> {
    const plain = /^(latest(?:~\d+)?|\d{8}T\d{6}Z-[0-9a-f]{6}):(.*)$/s.exec(
      text,
    );
    if (plain !== null) {
      return { record: await this.find(plain[1]), folder: plain[2] };
    }
    try {
      return { record: await this.find(text), folder: "" };
    } catch (error) {
      for (const { index } of text.matchAll(/:/g)) {
        const name = text.slice(0, index);
        try {
          const record = await this.find(name);
          return { record, folder: text.slice(index + 1) };
        } catch (other) {
          if (codeOf(other) !== "not-found") throw other;
        }
      }
      throw error;
    }
  }

  /**
   * Returns the last trusted snapshot of the innermost directory that contains
   * a path, or `undefined` if there is none. If the options name a machine, the
   * snapshots of other machines are ignored.
   *
   * @param place The absolute path of the directory, or a path in it.
   */
  async lastAt(place: string): Promise<FoundPlace | undefined> {
    let best: FoundPlace | undefined;
    let least = Infinity;
    for await (const read of this.#newestFirst()) {
      const below = this.#pathBelow(read.record, place);
      if (below === undefined) continue;
      if (!isOfMachine(read.record, this.#options.machine)) continue;
      if (below === "") return { ...read, below };
      const length = lengthBelow(read.record, below);
      if (length < least) {
        best = { ...read, below };
        least = length;
      }
    }
    return best;
  }

  /**
   * Yields the records to which `latest`, labels and dates can refer, the
   * newest first. The records have the labels from when the snapshots were
   * taken, and are not cached.
   */
  async *snapshots(): AsyncGenerator<SnapshotRecord> {
    const isMeant = await this.#isMeant();
    for await (const { record } of this.#newestFirst()) {
      this.#records.delete(record.id);
      if (isMeant(record)) yield record;
    }
  }

  #listLabels(): Promise<string[]> {
    return this.#labels ??= namesUnder(this.#storage, LABELS.folder);
  }

  async #named(text: string): Promise<SnapshotRecord> {
    const back = /^latest(?:~(\d+))?$/.exec(text);
    if (back !== null) return await this.#latest(text, Number(back[1] ?? 0));
    const whole = await this.#whole(text);
    if (whole !== undefined) return whole;
    const ids = await this.#all();
    if (ids.length === 0) throw this.#fail("no snapshots yet");
    // If a text begins with a time, as ids do, labels are not searched, because
    // a search for a label reads all records.
    const byLabel = /^\d{8}T\d{6}/.test(text)
      ? undefined
      : await this.#byLabel(text);
    return byLabel ?? await this.#byPartOfId(text, ids) ??
      await this.#byDate(text);
  }

  async #latest(text: string, back: number): Promise<SnapshotRecord> {
    const isMeant = await this.#isMeant();
    let count = 0;
    for await (const { record } of this.#newestFirst()) {
      if (!isMeant(record)) continue;
      if (count === back) return record;
      count++;
    }
    throw this.#fail(
      count === 0
        ? this.#noneYet()
        : `no snapshot ${text}: ${
          count === 1
            ? "there is only 1 snapshot"
            : `there are only ${count} snapshots`
        }`,
    );
  }

  /**
   * Returns the record of the snapshot that has the text as its whole id, or
   * `undefined` if there is none. Reads the record without listing snapshots.
   */
  async #whole(text: string): Promise<SnapshotRecord | undefined> {
    if (idOfRecord(recordName(text)) === undefined) return undefined;
    return (await this.#read(text))?.record;
  }

  async #byLabel(text: string): Promise<SnapshotRecord | undefined> {
    const all = (await this.#taken()).filter(({ label }) => label === text);
    if (text === "" || all.length === 0) return undefined;
    const isMeant = await this.#isMeant();
    const found = all.filter(isMeant);
    if (found.length === 1) return found[0];
    const label = JSON.stringify(text);
    throw this.#fail(
      found.length === 0
        ? `no snapshot of this directory has the label ${label}; snapshots of ` +
          `other directories with the label: ${listed(all)}`
        : `${label} is the label of ${found.length} snapshots: ${
          listed(found)
        }`,
    );
  }

  async #byPartOfId(
    text: string,
    ids: readonly string[],
  ): Promise<SnapshotRecord | undefined> {
    if (text === "") throw this.#fail("the name of the snapshot is empty");
    const found = ids.filter((id) => isPartOfId(text, id));
    if (found.length === 0) return undefined;
    if (found.length === 1) {
      return (await readRecord(this.#storage, found[0])).record;
    }
    const part = found.every((id) => id.startsWith(text))
      ? "beginning"
      : "beginning or end";
    throw this.#fail(
      `${JSON.stringify(text)} is the ${part} of ${found.length} ids: ` +
        `${found.length > MAX_NAMED ? "…, " : ""}` +
        found.slice(-MAX_NAMED).join(", "),
    );
  }

  async #byDate(text: string): Promise<SnapshotRecord> {
    const end = namedTime(text, this.#options.now ?? Date.now())?.end;
    if (end === undefined) {
      throw this.#fail(
        `no snapshot has ${JSON.stringify(text)} as its label, or as the ` +
          "beginning or end of its id",
      );
    }
    const isMeant = await this.#isMeant();
    let last: SnapshotRecord | undefined;
    for (const record of await this.#taken()) {
      if (!isMeant(record) || record.time >= end) continue;
      if (last === undefined || record.time >= last.time) last = record;
    }
    if (last !== undefined) return last;
    throw this.#fail(`no snapshot was taken before the end of ${text}`);
  }

  /**
   * Returns a function that tests whether `latest`, labels and dates can refer
   * to a record.
   */
  async #isMeant(): Promise<(record: SnapshotRecord) => boolean> {
    return this.#scope ??= await this.#findScope();
  }

  async #findScope(): Promise<(record: SnapshotRecord) => boolean> {
    const { directory, machine } = this.#options;
    if (directory === undefined) return () => true;
    const last = await this.lastAt(directory);
    if (last !== undefined) {
      const { record, below } = last;
      return (other) =>
        isOfMachine(other, machine) &&
        (other.directory === record.directory ||
          this.#pathBelow(other, directory) === below);
    }
    /** The last snapshot of each directory of each machine. */
    const all = new Map<string, SnapshotRecord>();
    for await (const { record } of this.#newestFirst()) {
      const group = JSON.stringify([record.directory, record.machine?.id]);
      if (!all.has(group)) all.set(group, record);
    }
    if (all.size <= 1) return () => true;
    const lasts = [...all.values()].slice(0, MAX_NAMED).map((record) =>
      `${record.directory}${onMachine(record)}: ${record.id}`
    );
    throw this.#fail(
      `no snapshots of ${directory} ` +
        `${
          machine === undefined ? "" : "on this machine "
        }in this repository. ` +
        `The last snapshots of ${all.size} other directories or machines: ` +
        lasts.join(", ") +
        (all.size > MAX_NAMED ? ", …" : ""),
    );
  }

  #pathBelow(record: SnapshotRecord, place: string): string | undefined {
    const key = `${record.common ?? ""}\0${record.directory}\0${place}`;
    if (!this.#below.has(key)) this.#below.set(key, belowOf(record, place));
    return this.#below.get(key);
  }

  /**
   * Returns the records of all trusted snapshots except safety snapshots, with
   * their current labels, the oldest first.
   */
  async #taken(): Promise<SnapshotRecord[]> {
    if (this.#labelled === undefined) {
      const records: SnapshotRecord[] = [];
      for await (const { record } of this.#newestFirst()) records.push(record);
      const { isTrustedLabel: isTrusted } = this.#options;
      const names = await this.#listLabels();
      const options = { names, isTrusted };
      const labelled = await withLabels(this.#storage, records, options);
      this.#labelled = labelled.reverse();
    }
    return this.#labelled;
  }

  /**
   * Returns the reason why no snapshot was found. The caller must have read all
   * records.
   */
  #noneYet(): string {
    const count = this.#untrusted;
    if (count === 0) return "no snapshots yet";
    const none = count === 1
      ? "the only snapshot is not"
      : `none of the ${count} snapshots is`;
    return `${none} signed by a trusted machine; find out why with ` +
      "`deltar verify`, or name a snapshot by its id; if signers/ was " +
      "deleted, each machine with a full key adds itself to signers/ again " +
      "with its next snapshot";
  }

  /**
   * Yields the records of the trusted snapshots except safety snapshots, the
   * newest first.
   */
  async *#newestFirst(): AsyncGenerator<ReadRecord> {
    this.#untrusted = 0;
    const ids = (await this.#all()).toReversed()
      .filter((id) => !isSafety(id) && timeOfId(id) !== undefined);
    const limits = { most: MAX_REQUESTS_AT_ONCE, first: 1 };
    // The records are requested before they are needed, and errors are ignored
    // here. Damage is reported only when a snapshot is considered.
    const requested = mapAhead(ids, limits, async (id) => {
      await this.#request(id).catch(() => {});
      return id;
    });
    for await (const id of requested) {
      const read = await this.#read(id);
      if (read === undefined) continue;
      if (await this.#options.isTrusted?.(read.record) === false) {
        this.#untrusted++;
        continue;
      }
      yield read;
    }
  }

  async #all(): Promise<string[]> {
    return this.#ids ??= await this.#list();
  }

  /**
   * Reads a record. Returns `undefined` if the snapshot was removed after it
   * was listed, if the key of this machine cannot decrypt the record, or if the
   * record is damaged and `onDamage` was called.
   */
  async #read(id: string): Promise<ReadRecord | undefined> {
    try {
      return await this.#request(id);
    } catch (error) {
      // A write-only key cannot decrypt the records of other machines.
      if (["not-found", "key"].includes(codeOf(error) ?? "")) return undefined;
      const { onDamage } = this.#options;
      if (onDamage === undefined || !isDamage(error)) throw error;
      if (!this.#reported.has(id)) onDamage(error);
      this.#reported.add(id);
      return undefined;
    }
  }

  /** Reads a record, or returns the cached record if it was read before. */
  #request(id: string): Promise<ReadRecord> {
    let read = this.#records.get(id);
    if (read === undefined) {
      read = readRecord(this.#storage, id);
      this.#records.set(id, read);
    }
    return read;
  }

  #fail(what: string): DeltarError {
    return new DeltarError("not-found", what, {
      object: this.#storage.location,
    });
  }
}

/**
 * Returns the length of a path in a snapshot, in UTF-16 code units, counted
 * from the snapshot's directory or, if the snapshot has several directories,
 * from the directory that contains the path.
 */
function lengthBelow({ common, rules }: SnapshotRecord, below: string): number {
  const directory = common === undefined
    ? ""
    : rules?.paths?.find((path) => isWithin(below, path)) ?? "";
  return below.length - directory.length;
}

/**
 * Returns ` on ` and the host name or id of a snapshot's machine, or an empty
 * text if the snapshot records no machine.
 */
function onMachine({ machine }: SnapshotRecord): string {
  return machine === undefined ? "" : ` on ${machine.host ?? machine.id}`;
}

/**
 * Returns a text that lists the ids and directories of the last few of the
 * given snapshots.
 */
function listed(records: readonly SnapshotRecord[]): string {
  const names = records.slice(-MAX_NAMED).map(({ id, directory }) =>
    `${id} (${directory})`
  );
  return (records.length > MAX_NAMED ? "…, " : "") + names.join(", ");
}
