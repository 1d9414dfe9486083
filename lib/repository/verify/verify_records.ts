import type { Storage } from "../../storage/storage.ts";
import type { Findings } from "./findings.ts";
import { checkListing } from "../../bytes/listing.ts";
import { readIfThere } from "../format/note.ts";
import {
  idOfManifest,
  idOfRecord,
  recordName,
  SETTINGS,
} from "../format/names.ts";
import {
  type ReadRecord,
  readRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import { readSettings } from "../format/settings.ts";
import { decodeManifest } from "../runs/manifest.ts";

/** Verifies the settings. */
export async function verifySettings(
  storage: Storage,
  findings: Findings,
): Promise<void> {
  try {
    await readSettings(storage);
  } catch (error) {
    findings.object(SETTINGS, "settings", error);
  }
}

/**
 * Verifies notes and manifests. A damaged one affects no file, but its content
 * is lost.
 */
export async function verifyNotes(
  storage: Storage,
  names: Iterable<string>,
  findings: Findings,
): Promise<void> {
  for (const name of names) {
    const isManifest = idOfManifest(name) !== undefined;
    const isNote =
      /^(?:holders|labels|proofs|removed|restores|signers)\/.*\.json$/.test(
        name,
      );
    if (!isManifest && !isNote) continue;
    try {
      const bytes = await readIfThere(storage, name);
      if (bytes === undefined) continue;
      if (isManifest) await decodeManifest(bytes, name);
      else checkListing(bytes, name);
    } catch (error) {
      findings.object(name, "note", error);
    }
  }
}

/**
 * Reads all commit records and checks each against the SHA-256 in its child's
 * record. A parent may be absent, because snapshots can be removed.
 *
 * @param storage The repository's storage.
 * @param names The names of all objects.
 * @param findings The collection to which damage is added.
 * @param onRead Called after each record, with its name.
 * @returns The readable records, in the order of their ids.
 */
export async function verifyRecords(
  storage: Storage,
  names: Iterable<string>,
  findings: Findings,
  onRead: (name: string) => void,
): Promise<SnapshotRecord[]> {
  const ids = [...names].map(idOfRecord).filter((id) => id !== undefined);
  const read = new Map<string, ReadRecord>();
  for (const id of ids.sort()) {
    const name = recordName(id);
    try {
      read.set(id, await readRecord(storage, id));
    } catch (error) {
      const damage = findings.object(name, "record", error);
      findings.lose(damage, [id]);
    }
    onRead(name);
  }
  for (const { record } of read.values()) {
    const parent = record.parent && read.get(record.parent);
    if (!parent || parent.sha256 === record.parentSha256) continue;
    findings.object(
      recordName(parent.record.id),
      "record",
      `the SHA-256 differs from the one in the record of the child ${record.id}: ` +
        "one of the two records was replaced",
    );
  }
  return [...read.values()].map(({ record }) => record);
}
