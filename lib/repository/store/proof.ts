import { parseTime } from "../format/moment.ts";
import { isCount } from "../../bytes/is_count.ts";
import type { DamageHandler } from "../../bytes/errors.ts";
import { PROOFS, readSnapshotNotes } from "../format/snapshot_note.ts";
import type { Store } from "./store.ts";

/** The result of the last drill of a snapshot. */
export interface Proof {
  /** The time of the drill, in milliseconds since 1970. */
  time: number;
  /** The number of files that were restored exactly. */
  files: number;
  /** The total size of the restored files, in bytes. */
  bytes: number;
  /** The number of files that could not be restored exactly. */
  failed: number;
  /**
   * The path of the last file without deltas that a drill of the snapshot
   * tested. The next drill tests the files without deltas that follow this
   * file.
   */
  after?: string;
  /**
   * The path of the last file with deltas that a drill of the snapshot tested.
   * The next drill tests the files with deltas that follow this file.
   */
  afterDelta?: string;
  /**
   * Whether the drill restored no files with deltas, because these would have
   * left too little room in the sample for the next file without deltas. The
   * next drill then restores files with deltas.
   */
  withoutDeltas?: boolean;
  /**
   * The names of the keys with which this drill or earlier drills succeeded.
   * Absent if the repository is not encrypted.
   */
  keys?: readonly string[];
  /**
   * The recipient on the recovery sheet with which this drill or an earlier
   * drill succeeded. Absent if there was no such drill.
   */
  sheet?: string;
}

/**
 * Returns the last trusted proof of each snapshot that has one, by the id of
 * the snapshot.
 *
 * @param store The repository.
 * @param onDamage Called with the error of each proof that cannot be read. By
 *   default, damaged proofs are ignored.
 * @throws {DeltarError} `unsupported` if the version of a proof is too new and
 *   there is no `onDamage`; also the errors of the storage.
 */
export async function readProofs(
  store: Store,
  onDamage?: DamageHandler,
): Promise<Map<string, Proof>> {
  const proofs = new Map<string, Proof>();
  const notes = await readSnapshotNotes(store.storage, PROOFS, {
    onDamage,
    isTrusted: async ({ signer }) =>
      await store.trustOfNote({ signer }) === "trusted",
  });
  for (const [id, note] of notes) {
    const { files, bytes, failed, after, afterDelta, keys, sheet } = note;
    const { withoutDeltas } = note;
    const time = parseTime(note.time);
    if (!isCount(files) || !isCount(bytes) || !isCount(failed)) continue;
    if (time === undefined) continue;
    proofs.set(id, {
      time,
      files,
      bytes,
      failed,
      ...typeof after === "string" && { after },
      ...typeof afterDelta === "string" && { afterDelta },
      ...withoutDeltas === true && { withoutDeltas },
      ...Array.isArray(keys) && {
        keys: keys.filter((name) => typeof name === "string"),
      },
      ...typeof sheet === "string" && { sheet },
    });
  }
  return proofs;
}
