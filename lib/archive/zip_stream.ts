import { Spool } from "../tree/spool.ts";
import type { ArchiveMember } from "./tar_member.ts";
import { deflateBytes, deflateStream, type DeflateSums } from "./deflate.ts";
import {
  centralHeader,
  DEFLATED,
  encodeDescriptor,
  encodeEnd,
  localHeader,
  MAX_PLAIN_BYTES,
  STORED,
  type ZipEntry,
} from "./zip_record.ts";
import { encodeName } from "../tree/raw_name.ts";

const NOTHING = new Uint8Array(0);

/**
 * Yields the bytes of a zip. Files are compressed with deflate. The headers of
 * the central directory come last. Until then, they are kept in a `Spool`,
 * because an archive can have millions of members. deltar does not use a
 * library for this, because the libraries that can write files of more than 4
 * GiB (`@zip.js/zip.js`, `yazl`) keep several kilobytes in memory for each
 * member until the archive is complete.
 *
 * @param members The members, in order, without those that a zip cannot store;
 *   see `zipLossOf`. The content of a sparse file includes its holes. A hard
 *   link is passed as a file.
 * @throws {DeltarError} `unsupported` if the runtime has no `node:zlib`.
 * @throws The errors of reading the members.
 */
export async function* zipBytes(
  members: AsyncIterable<ArchiveMember>,
): AsyncGenerator<Uint8Array> {
  using directory = new Spool();
  let offset = 0;
  let count = 0;
  for await (const { member, content } of members) {
    const { kind, target = "" } = member;
    const bytes = kind === "symlink" ? encodeName(target) : content;
    const entry: ZipEntry = {
      member,
      offset,
      method: STORED,
      isStreamed: false,
      isLarge: false,
      crc: 0,
      size: 0,
      packedSize: 0,
    };
    const pieces = bytes instanceof Uint8Array
      ? wholeMember(entry, bytes)
      : streamedMember(entry, bytes);
    for await (const piece of pieces) {
      offset += piece.length;
      yield piece;
    }
    directory.write(centralHeader(entry));
    count++;
  }
  yield* directory.read();
  yield encodeEnd({ count, offset, size: directory.size });
}

/**
 * Yields the header and the content of a member that is in memory. The content
 * is stored without compression if deflate does not make it smaller.
 */
async function* wholeMember(
  entry: ZipEntry,
  bytes: Uint8Array,
): AsyncGenerator<Uint8Array> {
  let packed: Uint8Array = NOTHING;
  if (bytes.length > 0) {
    const deflated = await deflateBytes(bytes);
    const isSmaller = deflated.packed.length < bytes.length;
    packed = isSmaller ? deflated.packed : bytes;
    entry.method = isSmaller ? DEFLATED : STORED;
    entry.crc = deflated.crc;
  }
  entry.size = bytes.length;
  entry.packedSize = packed.length;
  yield localHeader(entry);
  yield packed;
}

/**
 * Yields the header and the content of a member that is read as a stream. The
 * checksum and the compressed size are not known before the end, so they follow
 * the content.
 */
async function* streamedMember(
  entry: ZipEntry,
  parts: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  entry.method = DEFLATED;
  entry.isStreamed = true;
  entry.isLarge = entry.member.size > MAX_PLAIN_BYTES;
  yield localHeader(entry);
  const sums: DeflateSums = yield* deflateStream(parts);
  Object.assign(entry, sums);
  yield encodeDescriptor(entry);
}
