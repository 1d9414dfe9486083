import { DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import { codecFor, detectFormat } from "./codec.ts";
import { memberPath } from "./member_path.ts";
import type { TarMember } from "./tar_member.ts";
import { readTar } from "./tar_reader.ts";

/**
 * A member, its content, and the name of the archive that contains the member.
 */
export interface ScannedMember {
  /**
   * The member. Its path is normalized; the path `""` is the root of the tree.
   */
  member: TarMember;
  /** The content, which can be read until the next member is requested. */
  body: AsyncIterable<Uint8Array>;
  /** The name of the object that contains the member. */
  object: string;
}

/**
 * Yields the members of archives, one archive after the other. Each archive is
 * read from its start, without an index. Archives that other programs wrote can
 * also be read.
 *
 * @param storage The storage of the archives.
 * @param names The object names of the archives, in order.
 * @param signal The signal that aborts the reads with an error of code
 *   `aborted`.
 * @throws {DeltarError} `corrupt` if an archive is not a tar, gzip or zstd
 *   archive; `unsafe` if the path or the hard link target of a member is
 *   invalid, for example because it contains `..`; the errors of `readTar`, the
 *   codecs and the storage.
 */
export async function* scanArchives(
  storage: Storage,
  names: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<ScannedMember> {
  for (const object of names) {
    yield* scanArchive(storage.get(object, { signal }), object);
  }
}

/**
 * Yields the members of one archive; see {@linkcode scanArchives}.
 *
 * @param source The bytes of the archive.
 * @param object The name of the archive, for errors.
 */
export async function* scanArchive(
  source: AsyncIterable<Uint8Array>,
  object: string,
): AsyncGenerator<ScannedMember> {
  const plain = plainTar(source, object);
  for await (const { member, body } of readTar(plain, { object })) {
    member.path = memberPath(member.path, object);
    if (member.kind === "hardlink") {
      member.target = memberPath(member.target ?? "", object);
    }
    yield { member, body, object };
  }
}

/**
 * Yields the decompressed bytes of a tar archive. The compression is detected
 * from the first bytes of the archive.
 */
async function* plainTar(
  source: AsyncIterable<Uint8Array>,
  object: string,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source, { object });
  try {
    const parts: Uint8Array[] = [];
    while (reader.offset < 512) {
      const part = await reader.some(512 - reader.offset);
      if (part === undefined) break;
      parts.push(part);
    }
    const head = concat(parts);
    if (head.length === 0) {
      throw reader.truncated("the first header of an archive");
    }
    reader.unread(head);
    const format = detectFormat(head);
    if (format === undefined && head.length === 512) {
      // A tar older than ustar has no magic number. `readTar` checks the
      // checksum of its first header instead.
      yield* reader.rest();
    } else if (format === undefined) {
      throw new DeltarError("corrupt", "not a tar, gzip or zstd archive", {
        object,
        offset: 0,
      });
    } else if (format === "tar") yield* reader.rest();
    else yield* codecFor(format).decompress(reader.rest(), { object });
  } finally {
    await reader.cancel();
  }
}
