import { DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import type { StreamedEntry } from "../tree/streamed_entry.ts";
import { scanArchive } from "./archive_scan.ts";

/** Options for reading the entries of a tar archive. */
export interface TarEntriesOptions {
  /** The name of the archive, for errors. Default: `archive`. */
  object?: string;
  /**
   * The number of folders to remove from the beginning of each path and of each
   * target of a hard link, as with the option `--strip-components` of tar. A
   * directory whose path has this number of names becomes the root. Directories
   * with fewer names are omitted. Default: 0.
   */
  stripComponents?: number;
}

/**
 * Yields the entries of a tar archive, for a snapshot of the archive's content.
 * The archive can be compressed with gzip or zstd, and can come from another
 * program. It is read once, from the start.
 *
 * @param source The bytes of the archive.
 * @param options The name of the archive, and the number of folders to remove
 *   from paths.
 * @throws {DeltarError} `corrupt` if the archive is not a tar, gzip or zstd
 *   archive, or is damaged; `truncated` if it ends early; `unsafe` for a member
 *   whose path or hard link target is absolute or contains `..`; `limit` and
 *   `unsupported` as for `readTar`; `not-found` if the path of a member other
 *   than a directory, or the target of a hard link, has at most
 *   `stripComponents` names.
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
  { object = "archive", stripComponents = 0 }: TarEntriesOptions = {},
): AsyncGenerator<StreamedEntry> {
  for await (const { member, body } of scanArchive(chunks(source), object)) {
    const { path, kind } = member;
    const stripped = strip(path, stripComponents);
    if (stripped === undefined && kind === "directory") continue;
    if (stripped === undefined || stripped === "" && kind !== "directory") {
      throw tooShort(path, stripComponents, object);
    }
    member.path = stripped;
    if (member.kind === "hardlink") {
      const target = strip(member.target, stripComponents);
      if (!target) throw tooShort(member.target, stripComponents, object);
      member.target = target;
    }
    yield { member, body };
  }
}

/**
 * Returns a path without its first `count` names, or `undefined` if the path
 * has fewer than `count` names.
 */
function strip(path: string, count: number): string | undefined {
  if (count === 0) return path;
  const names = path === "" ? [] : path.split("/");
  return names.length < count ? undefined : names.slice(count).join("/");
}

function tooShort(path: string, count: number, object: string): DeltarError {
  return new DeltarError(
    "not-found",
    `cannot remove the first ${
      count === 1 ? "name" : `${count} names`
    } of a path, because nothing would be left: ` +
      JSON.stringify(path.slice(0, 200)),
    { object },
  );
}
