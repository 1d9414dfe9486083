import type { DataPacker, PackedFacts } from "../../archive/data_packer.ts";
import type { VolumeWriter } from "../../archive/volume_writer.ts";
import type { Signature } from "../../delta/signature.ts";
import type { IndexFileEntry } from "../../tree/dir_index.ts";
import type { FileEntry } from "../../tree/entry.ts";
import type { FileReader, LargeFile } from "../../tree/file_reader.ts";
import type { KeptSignatures } from "./kept_signatures.ts";
import type { StoredPiece } from "../layers/tree_layer.ts";

/**
 * A reader that passes files to a packer, and stores each signature as soon as
 * it is complete. If all signatures were kept in memory until the last file had
 * been read, the memory use would grow with the amount of data.
 */
export class RepositoryReader implements FileReader<PackedFacts> {
  /** See {@linkcode FileReader.condenses}. */
  readonly condenses = true;
  /** The stored signatures, by the path of their file. */
  readonly signatures: Map<string, StoredPiece> = new Map();
  readonly #packer: DataPacker;
  readonly #writer: VolumeWriter;
  readonly #kept: KeptSignatures | undefined;

  /**
   * Creates a reader.
   *
   * @param packer The packer, which stores the content of files.
   * @param writer The writer of the signatures of large files that are stored
   * whole.
   * @param kept The signatures that this machine keeps in its cache folder. By
   * default, no signatures are kept.
   */
  constructor(
    packer: DataPacker,
    writer: VolumeWriter,
    kept?: KeptSignatures,
  ) {
    this.#packer = packer;
    this.#writer = writer;
    this.#kept = kept;
  }

  /** See {@linkcode FileReader.expect}. */
  expect(before: IndexFileEntry): void {
    this.#packer.expect(before);
  }

  /** See {@linkcode FileReader.whole}. */
  whole(
    entry: FileEntry,
    bytes: Uint8Array,
    before: IndexFileEntry | undefined,
  ): PackedFacts | Promise<PackedFacts> {
    return this.#packer.whole(entry, bytes, before);
  }

  /** See {@linkcode FileReader.pieces}. */
  async pieces(
    entry: LargeFile,
    open: () => Iterable<Uint8Array>,
    before: IndexFileEntry | undefined,
  ): Promise<PackedFacts> {
    const { signature, ...facts } = await this.#packer.pieces(
      entry,
      open,
      before,
    );
    const { path, form } = facts.stored ?? {};
    if (
      signature !== undefined && (this.#kept?.isWriteOnly || form === "delta")
    ) await this.#kept?.put(facts.sha256, signature);
    const shared = path === undefined ? undefined : this.signatures.get(path);
    if (shared !== undefined) {
      this.signatures.set(entry.path, { path, ...shared });
    } else if (signature !== undefined && form === "whole") {
      this.signatures.set(entry.path, this.#store(entry, signature));
    }
    return facts;
  }

  /** See {@linkcode FileReader.ready}. */
  ready(): Promise<void> | undefined {
    return this.#packer.ready() ?? this.#writer.ready();
  }

  #store(entry: FileEntry, signature: Signature): StoredPiece {
    const bytes = signature.encode();
    const size = bytes.length;
    const { path, mode, uid, gid } = entry;
    const mtime = entry.mtime - entry.mtime % 1_000_000_000n;
    const member = { path, kind: "file", size, mode, mtime, uid, gid } as const;
    return { form: "whole", size, reference: this.#writer.add(member, bytes) };
  }
}
