import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { chooseBlockSize } from "../delta/block_size.ts";
import { deltaBytes } from "../delta/delta.ts";
import { deltaBetween } from "../delta/delta_between.ts";
import { ExtendedSignature } from "../delta/extended_signature.ts";
import { FileScan } from "../delta/file_scan.ts";
import type { OldParts } from "../delta/old_parts.ts";
import { signBytes } from "../delta/sign.ts";
import type { Signature } from "../delta/signature.ts";
import type { IndexFileEntry } from "../tree/dir_index.ts";
import type { EntryIndex } from "../tree/entry_index.ts";
import type { FileEntry } from "../tree/entry.ts";
import { storedSize } from "../tree/entry_line.ts";
import {
  DEFAULT_MIN_SIGNED_BYTES,
  type FileFacts,
  type FileReader,
  type LargeFile,
} from "../tree/file_reader.ts";
import { MAX_WHOLE_BYTES } from "../tree/read_file.ts";
import { Spool } from "../tree/spool.ts";
import type { ContentReference } from "./content_reference.ts";
import { memberName, type MemberNames } from "./member_name.ts";
import { LargeStarts, startOf } from "./large_starts.ts";
import type { TarMember } from "./tar_member.ts";
import type { VolumeWriter } from "./volume_writer.ts";

/** The stored form of a file's content. */
export interface StoredContent {
  /**
   * The form: `whole` for the content itself, `delta` for a delta against the
   * old content of the file.
   */
  form: "whole" | "delta";
  /** The length of the stored whole content or delta, in bytes. */
  size: number;
  /**
   * The location of the content. It is set by the time the writer has been
   * closed.
   */
  reference: ContentReference;
  /**
   * The path under which the content is stored, if it differs from the file's
   * path.
   */
  path?: string;
  /**
   * Whether the delta applies to the whole content at the start of the old
   * content's chain, and so replaces the deltas of that chain.
   */
  replacesDeltas?: boolean;
}

/** The facts about a file that the packer reports. */
export interface PackedFacts extends FileFacts {
  /**
   * The stored form of the content. Absent if a file in the old index has the
   * same content, or if the content is available outside the archive.
   */
  stored?: StoredContent;
}

/** The basis for the delta of a file of more than 1 MiB. */
export interface LargeBasis {
  /**
   * The signature of the basis. The blocks of the basis are searched for in the
   * new content.
   */
  signature: Signature;
  /**
   * Random access to the content that `signature` was made from. Only the parts
   * that hold changed blocks are read. By default, no old content is read.
   */
  old?: OldParts;
  /**
   * Called with a delta against `signature`. Returns the delta to store. By
   * default, the delta is stored as it is.
   */
  translate?: (delta: ByteSource) => AsyncIterable<Uint8Array>;
  /**
   * Called with the delta that would be stored. Reads the basis, and returns a
   * smaller delta to store. Returns `undefined` if there is no smaller delta,
   * or if a smaller delta would save too few bytes to be worth making.
   * By default, the delta is stored as it is.
   */
  refine?: (delta: Spool) => Promise<Spool | undefined>;
  /** See {@linkcode StoredContent.replacesDeltas}. */
  replacesDeltas?: boolean;
  /**
   * The signature that a file gets if it is stored as a delta and `signUpdates`
   * is `false`. Default: none.
   *
   * - `extended`: the checksums of the whole blocks of the basis, from its
   *   signature, and those of the file's bytes after these blocks. Only these
   *   bytes are hashed. The file gets no signature if the basis has no whole
   *   block, or if the file does not begin with the whole blocks of the basis.
   * - `new`: a new signature, for which all blocks of the file are hashed.
   */
  resigned?: "extended" | "new";
  /**
   * Called when the basis is no longer needed. Frees the resources of the
   * basis.
   */
  dispose?: () => void;
}

/** Options for packing. */
export interface DataPackerOptions {
  /** The writer of the members. */
  writer: VolumeWriter;
  /**
   * The old index. Content that a file in this index has is not stored again,
   * except the empty content of a new file.
   */
  previous: EntryIndex;
  /** The naming scheme of the members. Default: `hash`. */
  names?: MemberNames;
  /**
   * The minimum size of a file that gets a signature, in bytes. Default: 4096.
   */
  signatureMinimum?: number;
  /**
   * Called with the old entry of an updated file. Returns the signature to make
   * the delta against, or `undefined` to store the file whole. By default, the
   * signature is taken from `previous`.
   */
  basis?: (
    before: IndexFileEntry,
  ) => Signature | undefined | Promise<Signature | undefined>;
  /**
   * Called with the old entry of an updated file of at most 1 MiB. Returns the
   * old content to make the delta against, or `undefined` to store the file
   * whole. With this option, `basis` is not called for such a file.
   */
  content?: (
    before: IndexFileEntry,
  ) => Promise<Uint8Array | undefined> | undefined;
  /**
   * Called with the old entry of a file some time before `content` is called
   * with it, so that the old content can be fetched in advance.
   */
  expect?: (before: IndexFileEntry) => void;
  /**
   * Called with the old entry of an updated file of more than 1 MiB. Returns
   * the basis of the delta, or `undefined` to store the file whole. Default:
   * the signature that `basis` returns.
   */
  largeBasis?: (before: IndexFileEntry) => Promise<LargeBasis | undefined>;
  /**
   * Called with the size in bytes of a file of more than 1 MiB. Returns the
   * block size in bytes for the signature of the file. Default:
   * `chooseBlockSize`.
   */
  blockSize?: (size: number) => number;
  /**
   * Whether each file of more than 1 MiB that is stored as a delta gets a new
   * signature. If not, see {@linkcode LargeBasis.resigned}. Default: `true`.
   */
  signUpdates?: boolean;
  /**
   * The contents that are already stored, although no file in `previous` has
   * them. Default: none.
   */
  known?: KnownContents;
  /**
   * Called with the SHA-256 of a file's content. If the content was stored
   * whole after this packer was made, returns the stored form of the content,
   * with the path of the stored file. Such content is not stored again. By
   * default, the content of each new file is stored, even if several new files
   * are equal.
   */
  shared?: (sha256: string) => StoredContent | undefined;
  /**
   * The contents that are available outside the archive and are not stored in
   * it. Default: none.
   */
  elsewhere?: ContentElsewhere;
}

/**
 * Contents that are available outside the archive. A file with one of these
 * contents is not stored, and no stored form is reported for the file.
 */
export interface ContentElsewhere {
  /**
   * Returns whether one of the contents of more than 1 MiB has this size in
   * bytes.
   */
  hasLargeSize(size: number): boolean;
  /** Returns whether one of the contents has this SHA-256. */
  has(sha256: string): boolean;
}

/**
 * Contents that are already stored, although no file in the old index has them.
 */
export interface KnownContents {
  /** Returns whether one of the contents might have this size in bytes. */
  hasSize(size: number): boolean;
  /**
   * Returns the stored form of the content with this SHA-256, for the file at
   * this path, or `undefined` if the content is not stored.
   */
  find(sha256: string, path: string): StoredContent | undefined;
}

/**
 * The maximum size of the delta of a file of at most 1 MiB, as a fraction of
 * the file's size.
 */
const MAX_DELTA_SHARE = 0.5;
/**
 * The maximum size of the delta of a file of more than 1 MiB, as a fraction of
 * the file's size.
 */
const MAX_LARGE_DELTA_SHARE = 0.75;

/**
 * Stores the content of files in the same pass that indexes the files. A new
 * file is stored whole under `created/`. A changed file is stored as a delta
 * under `updated/` if the size of the delta is at most 50% of the file's size
 * (75% for a file of more than 1 MiB). Otherwise, the file is stored whole,
 * like a new file. Content is not stored again if a file in the old index has
 * it, except for the empty content of a new file. Content that the option
 * `known`, `shared` or `elsewhere` reports is not stored either.
 */
export class DataPacker implements FileReader {
  readonly #writer: VolumeWriter;
  readonly #previous: EntryIndex;
  readonly #names: MemberNames;
  readonly #minimum: number;
  readonly #known: KnownContents | undefined;
  readonly #basis: NonNullable<DataPackerOptions["basis"]>;
  readonly #content: DataPackerOptions["content"];
  readonly #expect: DataPackerOptions["expect"];
  readonly #largeBasis: NonNullable<DataPackerOptions["largeBasis"]>;
  readonly #blockSize: (size: number) => number;
  readonly #signUpdates: boolean;
  #largeSizes: Set<number> | undefined;
  readonly #shared: DataPackerOptions["shared"];
  readonly #elsewhere: ContentElsewhere | undefined;
  readonly #starts = new LargeStarts();

  /**
   * Makes a packer that writes to `options.writer`. The packer does not close
   * the writer.
   */
  constructor(options: DataPackerOptions) {
    this.#writer = options.writer;
    this.#previous = options.previous;
    this.#names = options.names ?? "hash";
    this.#minimum = options.signatureMinimum ?? DEFAULT_MIN_SIGNED_BYTES;
    this.#known = options.known;
    this.#basis = options.basis ?? ((before) => before.signature);
    this.#content = options.content;
    this.#expect = options.expect;
    this.#largeBasis = options.largeBasis ?? (async (before) => {
      const signature = await this.#basis(before);
      return signature && { signature };
    });
    this.#blockSize = options.blockSize ?? chooseBlockSize;
    this.#signUpdates = options.signUpdates ?? true;
    this.#shared = options.shared;
    this.#elsewhere = options.elsewhere;
  }

  /** See {@linkcode FileReader.ready}. */
  ready(): Promise<void> | undefined {
    return this.#writer.ready();
  }

  /** See {@linkcode FileReader.expect}. */
  expect(before: IndexFileEntry): void {
    this.#expect?.(before);
  }

  /** See {@linkcode FileReader.whole}. */
  whole(
    entry: FileEntry,
    bytes: Uint8Array,
    before: IndexFileEntry | undefined,
  ): PackedFacts | Promise<PackedFacts> {
    const sum = toHex(sha256(bytes));
    const facts: PackedFacts = { size: bytes.length, sha256: sum };
    const known = this.#previous.findContent(sum);
    // A file whose content is in the old index was copied or moved, so its
    // content is not stored again. A new empty file is stored, because empty
    // files are usually not copies of each other.
    const isOld = bytes.length === 0
      ? before?.sha256 === sum
      : known !== undefined;
    if (isOld) {
      if (known?.signature !== undefined) facts.signature = known.signature;
      return facts;
    }
    facts.stored = this.#findStored(entry, sum);
    if (facts.stored !== undefined || this.#isElsewhere(facts)) return facts;
    if (bytes.length >= this.#minimum) facts.signature = signBytes(bytes);
    const basis = before && (this.#content ?? this.#basis)(before);
    if (basis instanceof Promise) {
      return basis.then((basis) => {
        facts.stored = this.#storeBytes(entry, bytes, basis);
        return facts;
      });
    }
    facts.stored = this.#storeBytes(entry, bytes, basis);
    return facts;
  }

  /** See {@linkcode FileReader.pieces}. */
  async pieces(
    entry: LargeFile,
    open: () => Iterable<Uint8Array>,
    before: IndexFileEntry | undefined,
  ): Promise<PackedFacts> {
    const basis = before && await this.#largeBasis(before);
    if (basis !== undefined) {
      try {
        const facts = await this.#storeDelta(entry, open, basis);
        if (facts !== undefined) return facts;
      } finally {
        basis.dispose?.();
      }
    }
    if (this.#mayBeKnown(entry.size) || this.#starts.has(entry.size, open)) {
      const facts = await this.#findKnown(entry, open);
      if (facts !== undefined) return facts;
    }
    return await this.#storePieces(entry, open);
  }

  #storeBytes(
    entry: FileEntry,
    bytes: Uint8Array,
    basis: Signature | Uint8Array | undefined,
  ): StoredContent {
    if (basis !== undefined && bytes.length > 0) {
      const delta = basis instanceof Uint8Array
        ? deltaBetween(basis, bytes)
        : deltaBytes(basis, bytes);
      if (delta.length <= bytes.length * MAX_DELTA_SHARE) {
        return this.#store(entry, "delta", delta);
      }
    }
    return this.#store(entry, "whole", bytes);
  }

  #store(
    entry: FileEntry,
    form: StoredContent["form"],
    bytes: Uint8Array,
  ): StoredContent {
    const member = this.#member(entry, form, bytes.length);
    const reference = this.#writer.add(member, bytes);
    return { form, size: bytes.length, reference };
  }

  /**
   * Stores a delta, unless the delta is too large or the content is already
   * stored. The file is read once for the delta, the hash and the new
   * signature. Returns `undefined` if the delta is too large.
   */
  async #storeDelta(
    entry: FileEntry,
    open: () => Iterable<Uint8Array>,
    basis: LargeBasis,
  ): Promise<PackedFacts | undefined> {
    const most = entry.size * MAX_LARGE_DELTA_SHARE;
    using spool = new Spool();
    const { translate } = basis;
    using translated = translate && new Spool();
    const isSigned = this.#signUpdates || basis.resigned === "new";
    const extended = !isSigned && basis.resigned === "extended"
      ? new ExtendedSignature(basis.signature)
      : undefined;
    const scan = new FileScan({
      basis: basis.signature,
      old: basis.old,
      ...isSigned && { blockSize: this.#blockSize(entry.size) },
      size: entry.size,
      onDelta(bytes) {
        extended?.pushDelta(bytes);
        spool.write(bytes);
      },
    });
    for await (const piece of chunks(open())) {
      await scan.push(piece);
      extended?.push(piece);
      if (spool.size > most) return undefined;
    }
    const { size, sha256, signature: made } = await scan.finish();
    const signature = made ?? extended?.finish();
    const facts: PackedFacts = {
      size,
      sha256: toHex(sha256),
      ...signature && { signature },
    };
    if (this.#previous.findContent(facts.sha256) !== undefined) return facts;
    facts.stored = this.#findStored(entry, facts.sha256);
    if (facts.stored !== undefined) return facts;
    if (translate !== undefined && translated !== undefined) {
      for await (const bytes of translate(spool.read())) {
        translated.write(bytes);
        if (translated.size > most) return undefined;
      }
    }
    const whole = translated ?? spool;
    if (whole.size > most) return undefined;
    using refined = await basis.refine?.(whole);
    const delta = refined ?? whole;
    const member = this.#member(entry, "delta", delta.size);
    const { reference } = await this.#writer.addStream(member, delta.read());
    facts.stored = {
      form: "delta",
      size: delta.size,
      reference,
      ...basis.replacesDeltas && { replacesDeltas: true },
    };
    return facts;
  }

  /**
   * Returns whether the content of a large file of this size might already be
   * stored. If so, the caller hashes the file before it stores anything.
   */
  #mayBeKnown(size: number): boolean {
    this.#largeSizes ??= new Set(largeSizes(this.#previous));
    return this.#largeSizes.has(size) || this.#known?.hasSize(size) === true ||
      this.#elsewhere?.hasLargeSize(size) === true;
  }

  /**
   * Returns whether this content is available outside the archive. Empty
   * content never counts as available.
   */
  #isElsewhere({ size, sha256 }: PackedFacts): boolean {
    return size > 0 && this.#elsewhere?.has(sha256) === true;
  }

  /**
   * Returns the stored form of a file's content if the content is already
   * stored.
   */
  #findStored(entry: FileEntry, sha256: string): StoredContent | undefined {
    return this.#known?.find(sha256, entry.path) ?? this.#shared?.(sha256);
  }

  async #findKnown(
    entry: FileEntry,
    open: () => Iterable<Uint8Array>,
  ): Promise<PackedFacts | undefined> {
    const blockSize = this.#known?.hasSize(entry.size)
      ? this.#blockSize(entry.size)
      : undefined;
    const scan = new FileScan({ blockSize, size: entry.size });
    for await (const piece of chunks(open())) await scan.push(piece);
    const { size, signature, ...result } = await scan.finish();
    const sha256 = toHex(result.sha256);
    const known = this.#previous.findContent(sha256);
    if (known !== undefined) {
      const { signature } = known;
      return { size, sha256, ...(signature && { signature }) };
    }
    const stored = this.#findStored(entry, sha256);
    if (stored === undefined) {
      const facts = { size, sha256 };
      return this.#isElsewhere(facts) ? facts : undefined;
    }
    return { size, sha256, ...(signature && { signature }), stored };
  }

  async #storePieces(
    entry: LargeFile,
    open: () => Iterable<Uint8Array>,
  ): Promise<PackedFacts> {
    const scan = new FileScan({
      blockSize: this.#blockSize(entry.size),
      size: entry.size,
    });
    let start: string | undefined;
    const source = async function* () {
      for await (const piece of chunks(open())) {
        start ??= startOf(entry.size, piece);
        await scan.push(piece);
        yield piece;
      }
    };
    const member = this.#member(entry, "whole", entry.size);
    const { reference } = await this.#writer.addStream(member, source());
    const { size, signature, ...result } = await scan.finish();
    const sha256 = toHex(result.sha256);
    if (size === entry.size && start !== undefined && this.#shared) {
      this.#starts.add(start);
    }
    const stored = { form: "whole", size, reference } as const;
    return { size, sha256, signature, stored };
  }

  #member(
    entry: LargeFile,
    form: StoredContent["form"],
    size: number,
  ): TarMember {
    const { fileSize } = entry;
    return {
      path: memberName(entry.path, form, this.#names),
      kind: "file",
      size,
      ...form === "whole" && fileSize !== undefined && { fileSize },
      mode: entry.mode & 0o777,
      // A time in whole seconds needs no extended header. The index has the
      // exact time.
      mtime: entry.mtime - entry.mtime % 1_000_000_000n,
      uid: entry.uid,
      gid: entry.gid,
    };
  }
}

/** Yields the stored sizes of the files of more than 1 MiB in an index. */
function* largeSizes(index: EntryIndex): Generator<number> {
  for (let number = 0; number < index.length; number++) {
    const entry = index.at(number);
    if (entry.kind === "file" && entry.size > MAX_WHOLE_BYTES) {
      yield storedSize(entry);
    }
  }
}
