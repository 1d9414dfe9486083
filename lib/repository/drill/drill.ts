/**
 * Drills, which test that a snapshot can be restored.
 *
 * `drill_sample.ts` chooses the files of a drill. `drill` restores them into a
 * scratch directory and compares their content with the recorded SHA-256. Of
 * the extended attributes, `drill` sets and compares only `user.*`. ACLs and
 * other attributes grant rights or can be set only by root, so they are not set
 * in the scratch directory. A note (`../store/proof.ts`) records the time and
 * the result, and the file after which the next drill continues.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { type DamageHandler, DeltarError } from "../../bytes/errors.ts";
import { inTurns } from "../../bytes/turns.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { hasContent } from "../../tree/content_sum.ts";
import { isSpecial } from "../../tree/entry.ts";
import { fileError } from "../../tree/file.ts";
import { openFile } from "../../tree/read_file.ts";
import { removeScratch, withScratch } from "../../tree/scratch.ts";
import {
  hasXattrs,
  NO_XATTRS,
  selectXattrs,
  xattrChanges,
} from "../../tree/xattrs.ts";
import { TreeWriter } from "../../tree/tree_writer.ts";
import { ContentReader } from "../content/content.ts";
import { DrillSample } from "./drill_sample.ts";
import { RECOVERY_SHEET } from "../store/holders.ts";
import { type Proof, readProofs } from "../store/proof.ts";
import type { Store } from "../store/store.ts";
import { streamEntries } from "../layers/tree_reader.ts";
import { PROOFS, putSnapshotNote } from "../format/snapshot_note.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { TreeFileEntry } from "../layers/tree_layer.ts";

/** Options for a drill. */
export interface DrillOptions {
  /**
   * The snapshot to test. Default: the newest snapshot without a proof or, if
   * all have one, the snapshot with the oldest proof.
   */
  snapshot?: SnapshotRecord;
  /** The maximum number of files to restore. Default: 100. */
  files?: number;
  /** The maximum total size of the files, in bytes. Default: 256 MiB. */
  bytes?: number;
  /**
   * The path of the folder in which the scratch directory is created. The disk
   * must have enough space for the largest file. Default: the system's folder
   * for temporary files.
   */
  scratch?: string;
  /** Called after each file, with the progress so far. */
  onProgress?: (progress: DrillProgress) => void;
  /**
   * Called with the error of each record or note that cannot be read. Default:
   * damaged notes are ignored, and the error of a record, or of a note whose
   * version is too new, is thrown.
   */
  onDamage?: DamageHandler;
  /**
   * The signal that ends the work with an error of code `aborted`. No proof of
   * an aborted drill is recorded.
   */
  signal?: AbortSignal;
}

/** The progress of a drill. */
export interface DrillProgress {
  /** The number of files that have been tested so far. */
  files: number;
  /** The number of files in the sample. */
  allFiles: number;
  /** The number of bytes that have been restored so far. */
  bytes: number;
  /** The path of the file that was just tested. */
  path: string;
}

/** The result of a drill. */
export interface DrillResult {
  /** The record of the snapshot that was tested. */
  snapshot: SnapshotRecord;
  /** The number of files that were restored exactly. */
  files: number;
  /** The number of restored files whose content is stored with deltas. */
  withDeltas: number;
  /** The number of restored files that are sparse. */
  sparse: number;
  /** The number of restored files that have extended attributes or ACLs. */
  xattrs: number;
  /**
   * The number of restored files whose `user.*` attributes were set in the
   * scratch directory, read back and compared. 0 if the scratch directory or
   * the runtime does not support such attributes.
   */
  xattrsCompared: number;
  /**
   * The number of named pipes and devices in the snapshot. A drill does not
   * create them.
   */
  special: number;
  /** The total size of the restored files, in bytes. */
  bytes: number;
  /** The files that could not be restored exactly, with the errors. */
  failed: { path: string; error: DeltarError }[];
  /**
   * The number of files that were not restored because they are larger than the
   * option `bytes` or, for files with deltas, larger than half of that size.
   */
  tooLarge: number;
  /**
   * The error that prevented the proof from being recorded, for example if the
   * storage is read-only. Without the proof, the next drill tests the same
   * files.
   */
  unnoted?: DeltarError;
}

const DEFAULT_FILES = 100;
const DEFAULT_BYTES = 256 << 20;

/**
 * Restores some files of a snapshot into a scratch directory, reads them back,
 * and compares their content with the recorded SHA-256. Each drill tests the
 * files that follow those of the last drill of the same snapshot. Up to half of
 * the files have deltas, so that deltas are tested, too. If the files with
 * deltas leave too little room in the sample for the next file without deltas,
 * drills alternate between the two kinds. A note records the result, unless the
 * storage refuses the note.
 *
 * @param store The repository.
 * @param options The snapshot, the limits of the sample, and callbacks.
 * @returns The tested snapshot, the number of files, and the failures.
 * @throws {DeltarError} `not-found` if there is no snapshot; `io` if the
 * scratch directory or the storage fails; `aborted` if the signal ends the
 * work; also the error of a damaged or missing layer.
 * @throws {RangeError} If `files` or `bytes` is less than 1.
 */
export async function drill(
  store: Store,
  options: DrillOptions,
): Promise<DrillResult> {
  const { files = DEFAULT_FILES, bytes = DEFAULT_BYTES, signal, onDamage } =
    options;
  if (!(files >= 1) || !(bytes >= 1)) {
    throw new RangeError(
      `\`files\` (${files}) and \`bytes\` (${bytes}) must be at least 1`,
    );
  }
  const storage = untilAborted(store.storage, signal);
  const proofs = await readProofs(store, onDamage);
  const record = options.snapshot ?? await leastProven();
  const proof = proofs.get(record.id);
  const deltas = new DrillSample(proof?.afterDelta, {
    files: Math.ceil(files / 2),
    bytes: Math.ceil(bytes / 2),
  });
  const wholes = new DrillSample(proof?.after, { files, bytes });
  let special = 0;
  for await (const batch of streamEntries(storage, record.layers, { signal })) {
    for (const entry of batch) {
      if (isSpecial(entry)) special++;
      if (entry.kind !== "file") continue;
      (entry.content.length > 1 ? deltas : wholes).offer(entry);
    }
  }
  let withDeltas = deltas.files();
  let others = wholes.files({
    files: files - withDeltas.length,
    bytes: bytes - withDeltas.reduce((sum, { size }) => sum + size, 0),
  });
  // If the files with deltas leave too little room for the next file without
  // deltas, drills alternate between the two kinds, so that every file is
  // restored by some drill.
  const isInTurn = others.length === 0 && proof?.withoutDeltas !== true &&
    wholes.files().length > 0;
  if (isInTurn) {
    withDeltas = [];
    others = wholes.files();
  }
  const result: DrillResult = {
    snapshot: record,
    files: 0,
    withDeltas: 0,
    sparse: 0,
    xattrs: 0,
    xattrsCompared: 0,
    special,
    bytes: 0,
    failed: [],
    tooLarge: deltas.tooLarge + wholes.tooLarge,
  };
  await restoreAll(store, [...withDeltas, ...others], result, options);
  try {
    await putSnapshotNote(storage, PROOFS, record.id, {
      files: result.files,
      bytes: result.bytes,
      failed: result.failed.length,
      after: others.at(-1)?.path ?? proof?.after,
      afterDelta: withDeltas.at(-1)?.path ?? proof?.afterDelta,
      ...isInTurn && { withoutDeltas: true },
      ...provenKeys(store, result, proofs),
    }, store.keys?.noteKey);
  } catch (error) {
    if (!(error instanceof DeltarError)) throw error;
    result.unnoted = error;
  }
  return result;

  async function leastProven(): Promise<SnapshotRecord> {
    const records = await store.records({ onDamage, signal });
    const time = ({ id }: SnapshotRecord) => proofs.get(id)?.time ?? 0;
    const [first] = records.reverse().sort((a, b) => time(a) - time(b));
    if (first !== undefined) return first;
    throw new DeltarError("not-found", "no snapshots yet", {
      object: storage.location,
    });
  }
}

/**
 * Returns the names of the keys with which this drill or earlier drills
 * succeeded, for the note of this drill. A recovery sheet is named by its
 * recipient.
 */
function provenKeys(
  { keys }: Store,
  { files, failed }: DrillResult,
  proofs: ReadonlyMap<string, Proof>,
): Pick<Proof, "keys" | "sheet"> {
  if (keys === undefined) return {};
  const names = new Set<string>();
  let sheet: string | undefined;
  for (const proof of proofs.values()) {
    for (const name of proof.keys ?? []) names.add(name);
    // A recovery sheet that was printed before a rotation cannot decrypt all
    // objects.
    if (proof.sheet === keys.recipient()) sheet = proof.sheet;
  }
  if (files > 0 && failed.length === 0) {
    if (keys.openedBy === RECOVERY_SHEET) sheet = keys.recipient();
    else names.add(keys.openedBy);
  }
  return { keys: [...names].sort(), sheet };
}

async function restoreAll(
  { storage }: Store,
  entries: readonly TreeFileEntry[],
  result: DrillResult,
  { scratch, onProgress, signal }: DrillOptions,
): Promise<void> {
  await withScratch(scratch, async (folder) => {
    const reader = new ContentReader(storage);
    const unset = new Set<string>();
    const writer = new TreeWriter(folder, {
      selectsXattr: isUserXattr,
      onUnsetXattrs: (name) => unset.add(name),
    });
    try {
      for (const [at, entry] of entries.entries()) {
        checkAborted(signal);
        const { path } = entry;
        const name = String(at);
        try {
          await restoreOne(entry, name, folder, reader, writer, signal);
          const isCompared = !unset.has(name) &&
            compareXattrs(entry, `${folder}/${name}`);
          result.files++;
          result.bytes += entry.size;
          if (entry.content.length > 1) result.withDeltas++;
          if (entry.sparse !== undefined) result.sparse++;
          if (hasXattrs(entry.xattrs)) result.xattrs++;
          if (isCompared) result.xattrsCompared++;
        } catch (error) {
          if (!isOfStored(error)) throw error;
          result.failed.push({ path, error });
        }
        removeScratch(`${folder}/${name}`);
        const { bytes } = result;
        onProgress?.({ files: at + 1, allFiles: entries.length, bytes, path });
      }
    } finally {
      writer.close();
    }
  });
}

async function restoreOne(
  entry: TreeFileEntry,
  name: string,
  folder: string,
  reader: ContentReader,
  writer: TreeWriter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { path, size, sha256, sparse } = entry;
  const expected = { size, sha256, sparse };
  const content = await reader.read(entry, { sharesMemory: true, signal });
  const metadata = { ...entry, mode: 0o600 };
  await writer.file(name, content, metadata, expected);
  const file = openFile(`${folder}/${name}`);
  let isRestored: boolean;
  try {
    isRestored = await inTurns(hasContent(file, expected), signal);
  } finally {
    file.close();
  }
  if (!isRestored) {
    throw new DeltarError(
      "mismatch",
      "the restored file differs from the snapshot",
      {
        path,
      },
    );
  }
}

/**
 * Returns whether a drill sets an extended attribute with this name. A drill
 * sets only the `user.*` attributes, because every user is allowed to set them.
 */
function isUserXattr(name: string): boolean {
  return name.startsWith("user.");
}

/**
 * Compares the `user.*` attributes of a restored file with the snapshot.
 *
 * @returns `true` if the attributes were compared; `false` if the file has no
 * such attributes in the snapshot, or if the runtime cannot read them.
 * @throws {DeltarError} `mismatch` if an attribute is missing or has another
 * value; `io` if the attributes cannot be read.
 */
function compareXattrs(
  { path, xattrs }: TreeFileEntry,
  place: string,
): boolean {
  const wanted = selectXattrs(xattrs, isUserXattr) ?? NO_XATTRS;
  if (!hasXattrs(wanted)) return false;
  const file = openFile(place);
  let wrong: string[];
  try {
    const access = file.xattrs?.();
    if (access === undefined) return false;
    const { set } = xattrChanges(access, wanted, isUserXattr);
    wrong = set.map(([name]) => name);
  } catch (error) {
    throw fileError(error, place);
  } finally {
    file.close();
  }
  if (wrong.length === 0) return true;
  throw new DeltarError(
    "mismatch",
    "extended attributes of the restored file differ from the snapshot: " +
      wrong.join(", "),
    { path },
  );
}

/**
 * Returns whether an error is about the stored data of one file. Other errors,
 * such as those of code `io`, end the drill.
 */
function isOfStored(error: unknown): error is DeltarError {
  return error instanceof DeltarError && error.code !== "aborted" &&
    error.code !== "io";
}
