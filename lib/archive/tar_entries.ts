import { type ByteSource, chunks } from "../bytes/source.ts";
import type { StreamedEntry } from "../tree/streamed_entry.ts";
import { scanArchive } from "./archive_scan.ts";

/** Options for reading the entries of a tar archive. */
export interface TarEntriesOptions {
  /** The name of the archive, for errors. Default: `archive`. */
  object?: string;
}

/**
 * Yields the entries of a tar archive, for a snapshot of the archive's content.
 * The archive may be compressed with gzip or zstd, and may have been written by
 * another program. It is read once, from the start.
 *
 * @param source The bytes of the archive.
 * @param options The name of the archive.
 * @throws {DeltarError} `corrupt` if the archive is not a tar, gzip or zstd
 *   archive, or is damaged; `truncated` if it ends early; `unsafe` for a member
 *   whose path or hard link target is absolute or contains `..`; `limit` and
 *   `unsupported` as for `readTar`.
 *
 * @example Take a snapshot of an archive
 * ```ts
 * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
 * import { tarEntries } from "@deltar/deltar/archive";
 * import assert from "node:assert/strict";
 * import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   mkdirSync(`${folder}/notes`);
 *   writeFileSync(`${folder}/notes/a.txt`, "hello");
 *   await new Dir(`${folder}/notes`).compressTo(`${folder}/notes.tgz`);
 *
 *   const repository = await Repository.create(new MemoryStorage());
 *   const entries = tarEntries(readFileSync(`${folder}/notes.tgz`));
 *   const { record } = await repository.snapshot(entries, { source: "notes" });
 *   const file = await repository.readFile(record, "a.txt");
 *   assert.equal(await new Response(file).text(), "hello");
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export async function* tarEntries(
  source: ByteSource,
  { object = "archive" }: TarEntriesOptions = {},
): AsyncGenerator<StreamedEntry> {
  for await (const { member, body } of scanArchive(chunks(source), object)) {
    yield { member, body };
  }
}
