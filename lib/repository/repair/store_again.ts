import { memberName } from "../../archive/member_name.ts";
import type { TarMember } from "../../archive/tar_member.ts";
import type { VolumeWriter } from "../../archive/volume_writer.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { chunks } from "../../bytes/source.ts";
import { chooseBlockSize } from "../../delta/block_size.ts";
import { FileScan } from "../../delta/file_scan.ts";
import type { Storage } from "../../storage/storage.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { ContentReader } from "../content/content.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import type { StoredPiece, TreeFileEntry } from "../layers/tree_layer.ts";
import type { SnapshotWriter } from "../snapshot/snapshot_writer.ts";

/** A piece that was stored again, and the path under which it was stored. */
type Stored = StoredPiece & { path: string };

/**
 * Stores the content of files, and the signatures of large files, again in new
 * volumes. Equal content is stored once, even if many files have it.
 */
export class StoreAgain {
  /** The volumes that were written. */
  readonly objects: ObjectRecord[] = [];
  readonly #reader: ContentReader;
  readonly #contents = new Map<string, Stored>();
  readonly #signatures = new Map<string, Stored>();

  /** Creates a writer that reads from a repository's storage. */
  constructor(storage: Storage) {
    this.#reader = new ContentReader(storage);
  }

  /**
   * Stores the content of files again, in volumes of a new snapshot.
   *
   * @param writer The snapshot's writer.
   * @param entries The files, whose content must be readable. If `content` is
   * `true`, the content is stored again. Otherwise, only the signature of a
   * large file is stored again.
   * @returns The same entries with their new references.
   * @throws {DeltarError} `corrupt` if the content of a file differs from its
   * SHA-256.
   */
  async store(
    writer: SnapshotWriter,
    entries: readonly { entry: TreeFileEntry; content: boolean }[],
  ): Promise<TreeFileEntry[]> {
    const { volumes, signatures } = writer;
    try {
      for (const { entry, content } of entries) {
        await this.#one(entry, content, volumes, signatures);
      }
      this.objects.push(...await writer.closeVolumes());
    } catch (error) {
      await writer.abort(error);
      throw error;
    }
    return entries.map(({ entry, content }) => this.#placed(entry, content));
  }

  async #one(
    entry: TreeFileEntry,
    content: boolean,
    volumes: VolumeWriter,
    signatures: VolumeWriter,
  ): Promise<void> {
    const sum = entry.sha256;
    const needsContent = content && !this.#contents.has(sum);
    const isLarge = entry.size > MAX_WHOLE_BYTES;
    const size = storedSize(entry);
    const needsSignature = isLarge && !this.#signatures.has(sum);
    if (!needsContent && !needsSignature) return;
    const scan = new FileScan({
      ...isLarge && { blockSize: chooseBlockSize(size) },
      size,
    });
    const source = await this.#reader.read(entry);
    const scanned = async function* () {
      for await (const part of chunks(source)) {
        await scan.push(part);
        yield part;
      }
    };
    const { path } = entry;
    if (needsContent) {
      const member = {
        ...memberOf(entry, memberName(path, "whole", "path"), size),
        ...entry.sparse !== undefined && { fileSize: entry.size },
      };
      const { reference } = await volumes.addStream(member, scanned());
      this.#contents.set(sum, { form: "whole", size, reference, path });
    } else {
      for await (const _ of scanned());
    }
    const { sha256, signature } = await scan.finish();
    if (toHex(sha256) !== sum) {
      throw new DeltarError(
        "corrupt",
        "the content differs from its recorded SHA-256",
        {
          object: entry.content[0].reference.volume,
          path,
        },
      );
    }
    if (!needsSignature || signature === undefined) return;
    const bytes = signature.encode();
    const member = memberOf(entry, path, bytes.length);
    const reference = signatures.add(member, bytes);
    this.#signatures
      .set(sum, { form: "whole", size: bytes.length, reference, path });
  }

  #placed(entry: TreeFileEntry, content: boolean): TreeFileEntry {
    const { signature: _, ...rest } = entry;
    const stored = this.#contents.get(entry.sha256);
    const signature = this.#signatures.get(entry.sha256);
    return {
      ...rest,
      ...content && stored && { content: [underPath(stored, entry.path)] },
      ...signature && { signature: underPath(signature, entry.path) },
    };
  }
}

function underPath({ path, ...piece }: Stored, own: string): StoredPiece {
  return path === own ? piece : { ...piece, path };
}

function memberOf(entry: TreeFileEntry, path: string, size: number): TarMember {
  const { mode, mtime, uid, gid } = entry;
  return {
    path,
    kind: "file",
    size,
    mode: mode & 0o777,
    mtime: mtime - mtime % 1_000_000_000n,
    uid,
    gid,
  };
}
