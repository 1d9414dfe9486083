import type { DamageHandler } from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import type { Storage } from "../../storage/storage.ts";
import { namesUnder } from "../format/note.ts";
import type { Signed, SnapshotRecord } from "../format/snapshot_record.ts";
import {
  LABELS,
  putSnapshotNote,
  readSnapshotNotes,
} from "../format/snapshot_note.ts";

/**
 * The maximum length of a label, in UTF-16 code units. The limit keeps the note
 * with the label much smaller than the maximum size of a note.
 */
export const MAX_LABEL_LENGTH = 1000;

/**
 * Changes the label of a snapshot by storing a note. The stored record does not
 * change.
 *
 * @param storage The repository's storage.
 * @param record The record of the snapshot.
 * @param label The new label; `undefined` removes the label.
 * @param key The key that signs the note, in an encrypted repository.
 * @returns The record with the new label.
 */
export async function labelSnapshot(
  storage: Storage,
  record: SnapshotRecord,
  label: string | undefined,
  key?: SigningKey,
): Promise<SnapshotRecord> {
  const fields = { label: label ?? null };
  await putSnapshotNote(storage, LABELS, record.id, fields, key);
  return withLabel(record, label);
}

/** Options for reading labels. */
export interface LabelOptions {
  /**
   * The names of the notes with the labels. By default, the notes are listed.
   */
  names?: readonly string[];
  /** Called with the error of each note that cannot be read. */
  onDamage?: DamageHandler;
  /**
   * Called for each label, with the public key of its signer and the machine of
   * the snapshot. Returns whether the label is trusted. By default, all labels
   * are trusted.
   */
  isTrusted?: (signed: Signed) => Promise<boolean>;
}

/**
 * Returns records with their current labels.
 *
 * @param storage The repository's storage.
 * @param records The records. Their labels need not be current.
 * @param options The names of the notes, a callback for damaged notes, and a
 * callback that decides which labels are trusted.
 */
export async function withLabels(
  storage: Storage,
  records: SnapshotRecord[],
  { names, onDamage, isTrusted }: LabelOptions,
): Promise<SnapshotRecord[]> {
  const byId = new Map(records.map((record) => [record.id, record]));
  const notes = await readSnapshotNotes(storage, LABELS, {
    names,
    snapshots: byId,
    onDamage,
    isTrusted: async ({ id, signer }) =>
      await isTrusted?.({ signer, machine: byId.get(id)?.machine }) ?? true,
  });
  if (notes.size === 0) return records;
  return records.map((record) => {
    const note = notes.get(record.id);
    if (note === undefined) return record;
    const { label } = note;
    return withLabel(record, typeof label === "string" ? label : undefined);
  });
}

/** A reader of the current labels of snapshots, one snapshot at a time. */
export class Labels {
  readonly #storage: Storage;
  readonly #isTrusted: LabelOptions["isTrusted"];
  #names: Promise<string[]> | undefined;

  /**
   * Creates a reader. It lists the notes when it reads the first label.
   *
   * @param storage The repository's storage.
   * @param isTrusted See `LabelOptions.isTrusted`.
   */
  constructor(storage: Storage, isTrusted: LabelOptions["isTrusted"]) {
    this.#storage = storage;
    this.#isTrusted = isTrusted;
  }

  /** Returns a record with the current label of its snapshot. */
  async of(record: SnapshotRecord): Promise<SnapshotRecord> {
    this.#names ??= namesUnder(this.#storage, LABELS.folder);
    const start = `${LABELS.folder}${record.id}.`;
    const [labelled] = await withLabels(this.#storage, [record], {
      names: (await this.#names).filter((name) => name.startsWith(start)),
      isTrusted: this.#isTrusted,
    });
    return labelled;
  }
}

function withLabel(
  { label: _, ...record }: SnapshotRecord,
  label: string | undefined,
): SnapshotRecord {
  return label === undefined ? record : { ...record, label };
}
