import type { Storage } from "../../storage/storage.ts";
import type { Findings } from "./findings.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { outcomeOf } from "../../bytes/outcome.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { checkListing, splitLines } from "../../bytes/listing.ts";
import { readIfThere } from "../format/note.ts";
import { signerOf } from "../format/signed_listing.ts";
import {
  CHANGES,
  HOLDERS,
  idOfManifest,
  idOfObject,
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
import { findMissingLayer } from "../prune/removed.ts";
import { decodeManifest } from "../runs/manifest.ts";

/** Verifies the settings of a repository, and adds damage to `findings`. */
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

/** The formats of the notes, by folder. */
const FORMATS: Record<string, string> = {
  copied: "deltar-copied",
  garbage: "deltar-garbage",
  holders: "deltar-holder",
  judged: "deltar-judged",
  labels: "deltar-label",
  proofs: "deltar-proof",
  removed: "deltar-removed",
  restores: "deltar-restore",
  settings: "deltar-settings",
  signers: "deltar-signer",
};

/**
 * Verifies notes, removed records, holders, signers, manifests, marks, lists of
 * counted snapshots, and settings that can change. Damage to these objects is
 * added to `findings` and does not affect any file. A missing layer of a
 * removed snapshot is added to `findings`, too.
 */
export async function verifyNotes(
  storage: Storage,
  names: Iterable<string>,
  findings: Findings,
): Promise<void> {
  const listed = new Set(names);
  const notes = [...listed].filter((name) => isManifest(name) || isNote(name));
  await forEachConcurrent(notes, MAX_REQUESTS_AT_ONCE, async (name) => {
    try {
      const bytes = await readIfThere(storage, name);
      if (bytes === undefined) return;
      if (isManifest(name)) await decodeManifest(bytes, name);
      else await checkNote(bytes, formatOf(name), name);
      if (folderOf(name) !== "removed") return;
      const missing = await findMissingLayer(storage, bytes, name, listed);
      // The layer is reported, because the removed record itself is undamaged.
      if (missing !== undefined) {
        findings.object(missing.layer, "layer", missing.message);
      }
    } catch (error) {
      findings.object(name, "note", error);
    }
  });
}

function isManifest(name: string): boolean {
  return idOfManifest(name) !== undefined;
}

function isNote(name: string): boolean {
  return Object.hasOwn(FORMATS, folderOf(name)) && name.endsWith(".json");
}

function folderOf(name: string): string {
  return name.split("/")[0];
}

/**
 * Returns the format of a note. The format depends on the note's folder, but
 * notes about changes to the keys have their own format.
 */
function formatOf(name: string): string {
  return name.startsWith(CHANGES)
    ? "deltar-key-change"
    : FORMATS[folderOf(name)];
}

/**
 * Checks the checksum, format and cryptographic signature of a note, and that
 * the content of the note belongs to its name. The last check detects notes
 * that were swapped. Their checksums are still valid.
 */
async function checkNote(
  bytes: Uint8Array,
  format: string,
  name: string,
): Promise<void> {
  const end = checkListing(bytes, name);
  await signerOf(bytes, name);
  const [first] = splitLines(bytes.subarray(0, end), name);
  const [header] = first ?? [{}];
  const about = header.snapshot ?? header.id ?? idOfObject(name);
  const own = format === "deltar-holder"
    ? `${HOLDERS}${header.name}.json`
    : header.name ?? name;
  if (
    header.format === format && about === idOfObject(name) && own === name
  ) return;
  throw new DeltarError(
    "corrupt",
    "the object has the content of another object",
    {
      object: name,
    },
  );
}

/**
 * Reads all commit records. If a record names a parent, compares the SHA-256 of
 * the parent's record with the field `parentSha256`. A missing parent is not a
 * fault, because snapshots can be removed.
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
  const limits = { most: MAX_REQUESTS_AT_ONCE };
  const results = mapAhead(ids.sort(), limits, async (id) => {
    return { id, ...await outcomeOf(readRecord(storage, id)) };
  });
  for await (const { id, result, error } of results) {
    const name = recordName(id);
    if (result !== undefined) read.set(id, result);
    else {
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
      "the record's SHA-256 differs from the `parentSha256` in the record " +
        `of ${record.id}: one of the two records was replaced`,
    );
  }
  return [...read.values()].map(({ record }) => record);
}
