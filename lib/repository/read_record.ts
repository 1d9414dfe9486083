import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { readObject } from "./note.ts";
import type { Storage } from "../storage/storage.ts";
import { recordName, timeOfId } from "./layout.ts";
import { decodeRecord, type SnapshotRecord } from "./snapshot_record.ts";

/** A record and the SHA-256 of its bytes. */
export interface ReadRecord {
  /** Its content. */
  record: SnapshotRecord;
  /** The SHA-256 of its object, in hexadecimal. */
  sha256: string;
}

/**
 * Reads the commit record of a snapshot.
 *
 * @param id The snapshot's whole id.
 * @throws {DeltarError} `not-found`, or what `decodeRecord` throws.
 */
export async function readRecord(
  storage: Storage,
  id: string,
): Promise<ReadRecord> {
  const name = recordName(id);
  const bytes = await readObject(storage, name);
  return { record: decodeRecordOf(id, bytes), sha256: toHex(sha256(bytes)) };
}

/**
 * Reads the bytes of a snapshot's commit record.
 *
 * @param id The snapshot's whole id.
 * @throws {DeltarError} `corrupt` if it is of another, or what `decodeRecord`
 * throws.
 */
export function decodeRecordOf(id: string, bytes: Uint8Array): SnapshotRecord {
  const name = recordName(id);
  if (timeOfId(id) === undefined) {
    throw new DeltarError(
      "corrupt",
      "the time in this id cannot be right, so the record is refused; " +
        `\`deltar forget ${id}\` removes it`,
      { object: name },
    );
  }
  const record = decodeRecord(bytes, name);
  if (record.id === id) return record;
  throw new DeltarError("corrupt", `it is the record of ${record.id}`, {
    object: name,
  });
}
