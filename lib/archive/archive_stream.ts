import { compressBlocks, inBlocks } from "./compress_blocks.ts";
import { gzip } from "./gzip_codec.ts";
import type { ArchiveMember } from "./tar_member.ts";
import { tarBytes } from "./tar_stream.ts";
import { zstd } from "./zstd_codec.ts";
import { zipBytes } from "./zip_stream.ts";

/** The format of an archive that is written as one stream. */
export type StreamFormat = "tar" | "tar.gz" | "tar.zst" | "zip";

/**
 * Yields the bytes of an archive in parts of about 512 KiB or less. The memory
 * use does not depend on the number or the size of the members. An uncompressed
 * tar of the same members always has the same bytes. The bytes of a compressed
 * archive also depend on the zlib or zstd of the runtime.
 *
 * @param members The members, in order. They are read once.
 * @param format The format.
 * @throws {DeltarError} `unsupported` if this runtime cannot write the format.
 * @throws The errors of reading the members.
 */
export function archiveBytes(
  members: AsyncIterable<ArchiveMember>,
  format: StreamFormat,
): AsyncGenerator<Uint8Array> {
  switch (format) {
    case "tar":
      return inBlocks(tarBytes(members));
    case "tar.gz":
      return compressBlocks(tarBytes(members), gzip);
    case "tar.zst":
      return compressBlocks(tarBytes(members), zstd);
    case "zip":
      return inBlocks(zipBytes(members));
  }
}
