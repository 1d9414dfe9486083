import type { Codec } from "../../archive/codec.ts";
import { ObjectWriter } from "../../archive/object_writer.ts";
import { BLOCK } from "../../archive/tar_member.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Move, MovedRange } from "../content/move.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";

/**
 * Writes a new volume with only the needed frames of an old one, without
 * decompressing them. The old volume is read as a whole and checked against its
 * SHA-256, so that damaged frames do not get a valid checksum.
 *
 * @param storage The repository's storage.
 * @param from The old volume.
 * @param ranges The ranges to keep: whole frames that do not overlap, sorted by
 * offset.
 * @param name The new volume's name.
 * @param codec The compression of both volumes.
 * @param signal Ends the work with an error of code `aborted`.
 * @throws {DeltarError} `corrupt` or `truncated` if the old volume is damaged,
 * `not-found` if it is missing, or another error of the storage. If the old
 * volume is damaged or missing, nothing is stored.
 */
export async function repackVolume(
  storage: Storage,
  from: ObjectRecord,
  ranges: readonly { offset: number; length: number }[],
  name: string,
  codec: Codec,
  signal?: AbortSignal,
): Promise<Move> {
  const writer = new ObjectWriter(storage, name, signal);
  const moved: MovedRange[] = [];
  const sum = createSha256();
  let at = 0;
  let next = 0;
  try {
    for await (const part of storage.get(from.name, { signal })) {
      sum.update(part);
      const end = at + part.length;
      while (next < ranges.length && ranges[next].offset < end) {
        const { offset, length } = ranges[next];
        if (offset >= at) moved.push({ offset, length, to: writer.size });
        const start = Math.max(offset, at) - at;
        const stop = Math.min(offset + length, end) - at;
        if (stop > start) await writer.write(part.subarray(start, stop));
        if (offset + length > end) break;
        next++;
      }
      at = end;
    }
    if (at !== from.size || toHex(sum.digest()) !== from.sha256) {
      throw new DeltarError(
        "corrupt",
        "the volume's size or SHA-256 differs from the recorded one",
        {
          object: from.name,
        },
      );
    }
    if (next < ranges.length) {
      throw new DeltarError(
        "corrupt",
        "the volume is too short for a range that files need",
        {
          object: from.name,
          offset: ranges[next].offset,
        },
      );
    }
    await writer.write(await codec.compress(new Uint8Array(2 * BLOCK)));
    return { from, to: await writer.finish(codec), ranges: moved };
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}
