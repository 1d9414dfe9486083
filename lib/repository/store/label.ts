import type { Storage } from "../../storage/storage.ts";
import type { DamageHandler } from "../../bytes/errors.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import {
  LABELS,
  putSnapshotNote,
  readSnapshotNotes,
} from "../format/snapshot_note.ts";

/**
 * The maximum length of a label, in UTF-16 code units. The note with the label
 * is thus much smaller than the maximum size of notes.
 */
export const MAX_LABEL_LENGTH = 1000;

/**
 * Changes the label of a snapshot. The label is stored in a note. The record
 * does not change.
 *
 * @param label The label; `undefined` removes it.
 * @returns The record with that label.
 */
export async function labelSnapshot(
  storage: Storage,
  record: SnapshotRecord,
  label: string | undefined,
): Promise<SnapshotRecord> {
  await putSnapshotNote(storage, LABELS, record.id, { label: label ?? null });
  return withLabel(record, label);
}

/**
 * Returns records with their current labels.
 *
 * @param onDamage Called with the error of each note that cannot be read.
 */
export async function withLabels(
  storage: Storage,
  records: SnapshotRecord[],
  onDamage?: DamageHandler,
): Promise<SnapshotRecord[]> {
  const notes = await readSnapshotNotes(storage, LABELS, onDamage);
  if (notes.size === 0) return records;
  return records.map((record) => {
    const note = notes.get(record.id);
    if (note === undefined) return record;
    const { label } = note;
    return withLabel(record, typeof label === "string" ? label : undefined);
  });
}

function withLabel(
  { label: _, ...record }: SnapshotRecord,
  label: string | undefined,
): SnapshotRecord {
  return label === undefined ? record : { ...record, label };
}
