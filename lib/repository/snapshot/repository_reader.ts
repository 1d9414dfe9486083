import type {
  DataPacker,
  PackedFacts,
  StoredContent,
} from "../../archive/data_packer.ts";
import type { VolumeWriter } from "../../archive/volume_writer.ts";
import type { Signature } from "../../delta/signature.ts";
import type { IndexEntry } from "../../tree/dir_index.ts";
import type { FileFacts, FileReader } from "../../tree/file_reader.ts";
import type { StoredPiece } from "../layers/tree_layer.ts";

/**
 * Hands files to a packer and stores their signatures right away: held until
 * the end they would be as many as the data is large.
 */
export class RepositoryReader implements FileReader {
  /** The stored signatures, by path. */
  readonly signatures: Map<string, StoredPiece> = new Map();
  readonly #packer: DataPacker;
  readonly #writer: VolumeWriter;
  readonly #onStored: (path: string, stored: StoredContent) => void;

  /**
   * Stores content through `packer` and signatures in `writer`; `onStored` is
   * told how each file's content was stored, if it was.
   */
  constructor(
    packer: DataPacker,
    writer: VolumeWriter,
    onStored: (path: string, stored: StoredContent) => void,
  ) {
    this.#packer = packer;
    this.#writer = writer;
    this.#onStored = onStored;
  }

  /** See {@linkcode FileReader.expect}. */
  expect(before: IndexEntry): void {
    this.#packer.expect(before);
  }

  /** See {@linkcode FileReader.whole}. */
  whole(
    entry: IndexEntry,
    bytes: Uint8Array,
    before: IndexEntry | undefined,
  ): FileFacts | Promise<FileFacts> {
    const facts = this.#packer.whole(entry, bytes, before);
    if (!(facts instanceof Promise)) return this.#note(entry, facts);
    return facts.then((facts) => this.#note(entry, facts));
  }

  /** See {@linkcode FileReader.pieces}. */
  async pieces(
    entry: IndexEntry,
    open: () => Iterable<Uint8Array>,
    before: IndexEntry | undefined,
  ): Promise<FileFacts> {
    const { signature, ...facts } = await this.#packer.pieces(
      entry,
      open,
      before,
    );
    const { path, form } = facts.stored ?? {};
    const shared = path === undefined ? undefined : this.signatures.get(path);
    if (shared !== undefined) {
      this.signatures.set(entry.path, { path, ...shared });
    } else if (signature !== undefined && form === "whole") {
      this.signatures.set(entry.path, this.#store(entry, signature));
    }
    return this.#note(entry, facts);
  }

  /** See {@linkcode FileReader.ready}. */
  ready(): Promise<void> | undefined {
    return this.#packer.ready() ?? this.#writer.ready();
  }

  #note({ path }: IndexEntry, facts: PackedFacts): FileFacts {
    if (facts.stored !== undefined) this.#onStored(path, facts.stored);
    return facts;
  }

  #store(entry: IndexEntry, signature: Signature): StoredPiece {
    const bytes = signature.encode();
    const size = bytes.length;
    const { path, mode, uid, gid } = entry;
    const mtime = entry.mtime - entry.mtime % 1_000_000_000n;
    const member = { path, kind: "file", size, mode, mtime, uid, gid } as const;
    return { form: "whole", size, reference: this.#writer.add(member, bytes) };
  }
}
