/**
 * Exporting a snapshot, or some of its paths, as one tar or zip.
 *
 * `chosen_entries.ts` reads the chosen entries of the tree in path order, and
 * `member_reader.ts` turns them into members and reads the content of each
 * file. `lib/archive` turns the members into the bytes of the archive. Entries
 * are not kept in memory, so the memory use does not depend on the size of the
 * snapshot.
 *
 * @module
 */
import { archiveBytes } from "../../archive/archive_stream.ts";
import { toStream } from "../../bytes/source.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Store } from "../store/store.ts";
import { chooseEntries } from "./chosen_entries.ts";
import type { ExportOptions } from "./export_options.ts";
import { MemberReader } from "./member_reader.ts";

/**
 * Returns a snapshot, or some of its paths, as the bytes of an archive.
 *
 * @param store The repository.
 * @param record The snapshot.
 * @param options Options for exporting.
 * @throws {DeltarError} `not-found` if a path or the folder `from` is not in
 * the snapshot; `unsafe` if `from` or one of the paths is not a path inside a
 * tree; the error of a layer that is damaged or missing.
 */
export async function exportSnapshot(
  store: Store,
  record: SnapshotRecord,
  options: ExportOptions,
): Promise<ReadableStream<Uint8Array>> {
  const storage = untilAborted(store.storage, options.signal);
  const chosen = await chooseEntries(storage, record, options);
  const reader = new MemberReader(storage, record, chosen, options);
  return toStream(archiveBytes(reader.members(), options.format ?? "tar"));
}
