import { LABELS, PROOFS, readSnapshotNotes } from "../format/snapshot_note.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { RecordTrust, Store } from "../store/store.ts";
import type {
  UntrustedNote,
  UntrustedSnapshot,
  VerifyOptions,
  VerifyResult,
} from "./verify.ts";

/**
 * Returns the snapshots and notes whose cryptographic signature is missing or
 * not trusted. Records and notes that cannot be read are omitted. In a
 * repository that is not encrypted, notes are not checked, and records only
 * with the option `signers`.
 */
export async function findUntrusted(
  store: Store,
  { signers }: VerifyOptions,
): Promise<Pick<VerifyResult, "untrusted" | "untrustedNotes">> {
  if (store.keys === undefined && signers === undefined) {
    return { untrusted: [], untrustedNotes: [] };
  }
  const records = await store.records({ onDamage: () => {} });
  return {
    untrusted: await findUntrustedSnapshots(store, records, signers),
    untrustedNotes: store.keys === undefined
      ? []
      : await findUntrustedNotes(store, records),
  };
}

/**
 * Returns the snapshots whose cryptographic signature is missing or not
 * trusted, in the order of the records.
 */
async function findUntrustedSnapshots(
  store: Store,
  records: readonly SnapshotRecord[],
  signers: readonly string[] | undefined,
): Promise<UntrustedSnapshot[]> {
  const untrusted: UntrustedSnapshot[] = [];
  for (const record of records) {
    const { id, signer } = record;
    const trust = signers === undefined
      ? await store.trustOf(record)
      : await trustIn(store, record, signers);
    if (trust === "trusted") continue;
    untrusted.push({ id, trust, ...signer !== undefined && { signer } });
  }
  return untrusted;
}

/**
 * Returns the trust in a record if only the given public keys are trusted to
 * sign records and to vouch for copied ones.
 */
async function trustIn(
  store: Store,
  record: SnapshotRecord,
  signers: readonly string[],
): Promise<RecordTrust> {
  const { signer } = record;
  const isKnown = signer !== undefined && signers.includes(signer);
  if (isKnown && !store.isForeign(record)) return "trusted";
  const mayVouch = (key: string) => Promise.resolve(signers.includes(key));
  if (await store.copied.isVouched(record, mayVouch)) return "trusted";
  return signer === undefined ? "unsigned" : isKnown ? "foreign" : "unknown";
}

/**
 * Returns the labels and results of drills that are ignored only because their
 * cryptographic signature is missing or not trusted, sorted by name. Labels and
 * results that cannot be read are omitted.
 */
async function findUntrustedNotes(
  store: Store,
  records: readonly SnapshotRecord[],
): Promise<UntrustedNote[]> {
  const untrusted: UntrustedNote[] = [];
  const snapshots = new Map(records.map((record) => [record.id, record]));
  for (const kind of [LABELS, PROOFS]) {
    await readSnapshotNotes(store.storage, kind, {
      snapshots,
      onDamage: () => {},
      isTrusted: async ({ name, id, signer }) => {
        const machine = kind === LABELS
          ? snapshots.get(id)?.machine
          : undefined;
        const trust = await store.trustOfNote({ signer, machine });
        if (trust === "trusted") return true;
        const signed = signer !== undefined && { signer };
        untrusted.push({ object: name, id, trust, ...signed });
        return false;
      },
    });
  }
  return untrusted.sort((a, b) => a.object < b.object ? -1 : 1);
}
