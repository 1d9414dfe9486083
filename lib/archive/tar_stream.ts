import { encodeHeader } from "./tar_header.ts";
import { type ArchiveMember, BLOCK, padding } from "./tar_member.ts";

/** The two blocks of zeros at the end of a tar. */
const END = new Uint8Array(2 * BLOCK);

/**
 * Yields the bytes of a tar in the format of POSIX.1-2001, with the headers
 * that `encodeHeader` returns.
 *
 * @param members The members, in order. If a member has a `fileSize`, its
 *   content is a sparse file in condensed form.
 * @throws The errors of `encodeHeader` and of reading the members.
 */
export async function* tarBytes(
  members: AsyncIterable<ArchiveMember>,
): AsyncGenerator<Uint8Array> {
  for await (const { member, content } of members) {
    yield encodeHeader(member);
    if (content instanceof Uint8Array) yield content;
    else yield* content;
    yield END.subarray(0, padding(member.size));
  }
  yield END;
}
