import type {
  DataPackerOptions,
  LargeBasis,
} from "../../archive/data_packer.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { composeSources } from "../../delta/compose.ts";
import { chooseBlockSize, chooseStrongLength } from "../../delta/block_size.ts";
import { DerivedSignature } from "../../delta/derived_signature.ts";
import { bytesAccess } from "../../delta/random_access.ts";
import { type BasisContent, refineDelta } from "../../delta/refine.ts";
import { signBytes } from "../../delta/sign.ts";
import { Signature } from "../../delta/signature.ts";
import type { Storage } from "../../storage/storage.ts";
import type { IndexFileEntry } from "../../tree/dir_index.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { Spool } from "../../tree/spool.ts";
import { contentOf, storedContent } from "../content/basis_content.ts";
import { ContentReader } from "../content/content.ts";
import { codecOf } from "../format/names.ts";
import type { KeptSignatures } from "./kept_signatures.ts";
import type { Parent } from "./parent.ts";
import type { StoredPiece, TreeFileEntry } from "../layers/tree_layer.ts";

/**
 * The maximum number of deltas of a file, unless it is a large file that has
 * grown. When a file with this number of deltas changes, it is stored whole if
 * it is small. If it is large, its deltas and the new delta are composed into
 * one delta.
 */
const MAX_DELTAS = 8;
/** The maximum number of deltas of a large file that has grown. */
const MAX_GROWN_DELTAS = 64;
/**
 * The approximate cost of one more delta in a restore: the number of bytes that
 * can be read in the same time.
 */
const DELTA_COST_BYTES = 2 ** 20;
/**
 * The minimum size, in bytes, of a file for which a machine that is not
 * write-only keeps a signature.
 */
const MIN_KEPT_BYTES = 2 ** 26;
/**
 * The minimum number of literal bytes in a file's deltas for which the
 * signature of the new content is also made and kept on this machine. The next
 * snapshot then need not derive a signature from the deltas.
 */
const MIN_DERIVED_BYTES = 2 ** 24;
/**
 * The maximum number of frames that are fetched in advance. This is less than
 * the number of frames that a `ContentReader` caches.
 */
const MAX_EXPECTED_FRAMES = 16;
/**
 * The maximum number of blocks of a usable signature, in addition to four times
 * the usual number for the size of the file.
 */
const MAX_SMALL_BLOCKS = 2 ** 20;
/**
 * The maximum number of bytes of a large file's basis for each byte of the
 * delta. A larger basis is not read to make the delta smaller.
 */
const MAX_BASIS_PER_DELTA_BYTE = 2 ** 16;
/** The block size, in bytes, for a file that was small and is now large. */
const SMALL_BLOCK_BYTES = 256;

/**
 * Returns the block size of a large file, in bytes. Small blocks make deltas
 * smaller and the signature larger. The blocks can be small, because a
 * signature is stored only with a whole content, not with each delta.
 */
function largeBlockSize(size: number): number {
  return Math.max(2048, chooseBlockSize(size) / 2);
}

/** Options for packing. */
export interface PackingOptions {
  /**
   * The signatures that this machine keeps. If the machine is write-only, no
   * stored content is read, and changed files of at most 1 MiB are stored
   * whole.
   */
  signatures?: KeptSignatures;
  /**
   * Whether to read the old content of changed large files, which makes their
   * deltas smaller. Default: `false`.
   */
  readsLarge?: boolean;
  /**
   * Called before the old content of each changed file of at most 1 MiB is
   * read.
   */
  onChanged?: () => void;
}

/**
 * Returns options for packing files into a repository. Changed files are stored
 * as deltas against their content in the parent, members are named by the paths
 * of their files, and large files that are stored whole get signatures.
 *
 * @param parent The parent of the snapshot.
 * @param storage The repository's storage.
 * @param options See `PackingOptions`.
 */
export function packingAgainst(
  parent: Parent,
  storage: Storage,
  { signatures, readsLarge = false, onChanged }: PackingOptions = {},
): Omit<DataPackerOptions, "writer"> {
  const common = {
    previous: parent.index,
    names: "path",
    signatureMinimum: MAX_WHOLE_BYTES + 1,
    blockSize: largeBlockSize,
  } as const;
  if (signatures?.isWriteOnly) {
    return {
      ...common,
      content: () => undefined,
      largeBasis: (before) => writeOnlyBasis(parent, signatures, before),
    };
  }
  const bases = new Bases(parent, storage, readsLarge, signatures);
  return {
    ...common,
    expect: (before) => bases.expect(before),
    content: (before) => {
      onChanged?.();
      return bases.small(before);
    },
    largeBasis: (before) => bases.large(before),
    signUpdates: false,
  };
}

/**
 * Returns the basis for a large file on a write-only machine; `undefined` if
 * the file must be stored whole.
 */
async function writeOnlyBasis(
  parent: Parent,
  signatures: KeptSignatures,
  { path }: IndexFileEntry,
): Promise<LargeBasis | undefined> {
  const entry = await parent.find(path);
  if (entry?.kind !== "file" || hasAllDeltas(entry)) return undefined;
  const signature = await signatures.get(entry.sha256);
  return signature?.fileSize === storedSize(entry) ? { signature } : undefined;
}

/**
 * Returns whether a file has the maximum number of deltas.
 *
 * After the deltas are composed, a restore need not read the bytes that later
 * deltas replaced, and needs no request for each delta. However, composing
 * stores again the bytes that the deltas added. So the deltas of a file that
 * has grown, such as a log, are composed only if a restore saves at least as
 * many bytes as are stored again, or if there are `MAX_GROWN_DELTAS` deltas.
 */
export function hasAllDeltas(entry: TreeFileEntry): boolean {
  const [base, ...deltas] = entry.content;
  if (deltas.length < MAX_DELTAS) return false;
  if (deltas.length >= MAX_GROWN_DELTAS) return true;
  const added = Math.max(0, storedSize(entry) - base.size);
  const total = deltas.reduce((sum, { size }) => sum + size, 0);
  return total - added + deltas.length * DELTA_COST_BYTES >= added;
}

/**
 * A reader of the bases for the deltas of changed files. For a large file, the
 * basis is the stored signature of the file, updated with the deltas that were
 * made later. For a small file, the basis is the old content itself, which is
 * as fast to read as a signature and allows small blocks.
 */
class Bases {
  readonly #parent: Parent;
  readonly #reader: ContentReader;
  /** The number of frames that are fetched for each expected file, by path. */
  readonly #expected = new Map<string, number>();
  /** The sum of the numbers in `#expected`. */
  #frames = 0;

  readonly #storage: Storage;
  readonly #readsLarge: boolean;
  readonly #signatures: KeptSignatures | undefined;

  /** Creates a reader of the bases for the files of a tree. */
  constructor(
    parent: Parent,
    storage: Storage,
    readsLarge: boolean,
    signatures: KeptSignatures | undefined,
  ) {
    this.#parent = parent;
    this.#reader = new ContentReader(storage);
    this.#storage = storage;
    this.#readsLarge = readsLarge;
    this.#signatures = signatures;
  }

  /** Begins to fetch the frames that `small` needs for a file. */
  expect(before: IndexFileEntry): void {
    const { path, size } = before;
    if (size === 0 || size > MAX_WHOLE_BYTES) return;
    this.#expected.set(path, 0);
    this.#entry(before).then((entry) => {
      if (entry === undefined || this.#frames >= MAX_EXPECTED_FRAMES) return;
      if (!this.#expected.has(path)) return;
      const frames = this.#reader.prefetch(entry);
      this.#expected.set(path, frames);
      this.#frames += frames;
    }).catch(() => {
      // The error is ignored, because reading the frames later throws it again.
    });
  }

  /**
   * Returns the basis for a file of at most 1 MiB; `undefined` if the file must
   * be stored whole.
   */
  async small(before: IndexFileEntry): Promise<Uint8Array | undefined> {
    this.#hasCome(before.path);
    const entry = await this.#entry(before);
    if (entry === undefined || entry.content.length > MAX_DELTAS) {
      return undefined;
    }
    return await unlessDamaged(this.#readSmall(entry));
  }

  /**
   * Returns the basis for a file of more than 1 MiB; `undefined` if the file
   * must be stored whole.
   */
  async large(before: IndexFileEntry): Promise<LargeBasis | undefined> {
    const entry = await this.#entry(before);
    const signature = entry?.signature;
    if (entry !== undefined && signature !== undefined) {
      return await this.#kept(entry) ??
        await unlessDamaged(this.#derive(entry, signature));
    }
    const content = await this.small(before);
    if (content === undefined) return undefined;
    const access = { ...bytesAccess(content), [Symbol.dispose]() {} };
    return {
      signature: signBytes(content, { blockSize: SMALL_BLOCK_BYTES }),
      refine: (delta) =>
        refined(delta, {
          size: content.length,
          read: () => Promise.resolve(access),
        }),
    };
  }

  /** Returns whether a piece of a large file is read to make deltas smaller. */
  #isRead({ reference }: StoredPiece): boolean {
    return this.#readsLarge && codecOf(reference.volume).name === "zstd";
  }

  /**
   * Records that a file is being read. Files are read in the order in which
   * they were passed to `expect`, so the files that were passed before this
   * file are no longer expected.
   */
  #hasCome(path: string): void {
    if (!this.#expected.has(path)) return;
    for (const [expected, frames] of this.#expected) {
      this.#expected.delete(expected);
      this.#frames -= frames;
      if (expected === path) return;
    }
  }

  async #entry({ path }: IndexFileEntry): Promise<TreeFileEntry | undefined> {
    const entry = await this.#parent.find(path);
    return entry?.kind === "file" && entry.size > 0 ? entry : undefined;
  }

  async #readSmall(entry: TreeFileEntry): Promise<Uint8Array | undefined> {
    if (storedSize(entry) > MAX_WHOLE_BYTES) return undefined;
    const content = await this.#reader.read(entry);
    if (!(content instanceof Uint8Array)) return undefined;
    return toHex(sha256(content)) === entry.sha256 ? content : undefined;
  }

  /**
   * Returns the basis for a large file, with the signature that this machine
   * keeps. Returns `undefined` if the file has no deltas or already has the
   * maximum number of deltas, if this machine keeps no usable signature, or if
   * a volume of the file is missing. The old deltas are read only if the old
   * content is needed to make the new delta smaller.
   */
  async #kept(entry: TreeFileEntry): Promise<LargeBasis | undefined> {
    const [base, ...deltas] = entry.content;
    if (deltas.length === 0 || !this.#isKept(entry) || hasAllDeltas(entry)) {
      return undefined;
    }
    const signature = await this.#signatures?.get(entry.sha256);
    const size = storedSize(entry);
    if (signature?.fileSize !== size || !isUsable(signature, size)) {
      return undefined;
    }
    if (!await this.#reader.hasPieces(entry)) return undefined;
    if (!this.#isRead(base)) return { signature, resigned: "extended" };
    const literals = new Spool();
    const whole = storedContent(this.#storage, base);
    const dispose = () => {
      literals.dispose();
      whole[Symbol.dispose]();
    };
    const old: BasisContent = {
      size,
      read: async (ranges) => {
        if (ranges.size === 0) {
          return { ...bytesAccess(new Uint8Array()), [Symbol.dispose]() {} };
        }
        const chain = await this.#reader.deltas(entry, literals);
        return await contentOf(chain, whole).read(ranges);
      },
    };
    return { signature, refine: refining(old), resigned: "extended", dispose };
  }

  /**
   * Returns whether a file is large enough for this machine to keep a signature
   * of it. Returns `false` if this machine does not keep signatures.
   */
  #isKept(entry: TreeFileEntry): boolean {
    return this.#signatures !== undefined &&
      storedSize(entry) >= MIN_KEPT_BYTES;
  }

  async #derive(
    entry: TreeFileEntry,
    piece: StoredPiece,
  ): Promise<LargeBasis | undefined> {
    const { content, path } = entry;
    const size = storedSize(entry);
    const [base, ...deltas] = content;
    const object = piece.reference.volume;
    const bytes = await this.#reader.readPiece(piece, path);
    const signature = Signature.decode(bytes, { object });
    if (signature.fileSize !== base.size || !isUsable(signature, size)) {
      return undefined;
    }
    const isKept = this.#isKept(entry);
    if (deltas.length === 0) {
      const resigned = isKept ? "extended" : undefined;
      if (!this.#isRead(base)) return { signature, resigned };
      const old = storedContent(this.#storage, base);
      return {
        signature,
        old,
        refine: refining(old),
        resigned,
        dispose: () => old[Symbol.dispose](),
      };
    }
    const literals = new Spool();
    try {
      const chain = await this.#reader.deltas(entry, literals);
      const derived = await DerivedSignature.of(signature, chain);
      const isBound = hasAllDeltas(entry);
      const whole = this.#isRead(base)
        ? storedContent(this.#storage, base)
        : undefined;
      const basis = whole && !isBound ? contentOf(chain, whole) : whole;
      return {
        signature: derived.signature,
        translate: (next) => {
          const step = derived.translate(next);
          return isBound ? composeSources(chain, step) : step;
        },
        ...basis && { refine: refining(basis) },
        replacesDeltas: isBound,
        // With this signature on the machine, the next snapshot need not derive
        // one from the deltas.
        resigned: isKept && literals.size >= MIN_DERIVED_BYTES
          ? "new"
          : undefined,
        dispose: () => {
          literals.dispose();
          whole?.[Symbol.dispose]();
        },
      };
    } catch (error) {
      literals.dispose();
      throw error;
    }
  }
}

/**
 * Returns whether a signature can be used for a delta.
 *
 * @param signature The signature.
 * @param size The size of the content that the delta applies to, in bytes.
 */
function isUsable(signature: Signature, size: number): boolean {
  // The number of blocks is limited, because each block takes memory, and the
  // signature might come from an attacker who can write to the repository.
  const blocks = size / signature.blockSize;
  if (blocks > 4 * size / largeBlockSize(size) + MAX_SMALL_BLOCKS) return false;
  // A file that has grown considerably needs longer checksums than those in the
  // signature, so it is stored whole.
  const needed = chooseStrongLength(size, signature.blockSize);
  return needed <= signature.strongLength + 1;
}

/**
 * Waits for a result that depends on a basis, and returns the result. Returns
 * `undefined` if the basis cannot be read. In that case, the file is stored
 * whole, or as the delta that was made without reading the basis.
 */
function unlessDamaged<Basis>(
  loading: Promise<Basis>,
): Promise<Basis | undefined> {
  return loading.catch((error) => {
    if (error instanceof DeltarError && error.code !== "aborted") {
      return undefined;
    }
    throw error;
  });
}

/** Returns a function that makes deltas smaller by reading their basis. */
function refining(basis: BasisContent): LargeBasis["refine"] {
  return (delta) =>
    delta.size < basis.size / MAX_BASIS_PER_DELTA_BYTE
      ? Promise.resolve(undefined)
      : unlessDamaged(refined(delta, basis));
}

/**
 * Reads the basis of a delta, and returns a smaller delta with the same result;
 * `undefined` if there is no smaller delta.
 */
async function refined(
  delta: Spool,
  basis: BasisContent,
): Promise<Spool | undefined> {
  const smaller = new Spool();
  try {
    for await (const part of refineDelta(delta.access(), basis)) {
      smaller.write(part);
    }
    if (smaller.size < delta.size) return smaller;
  } catch (error) {
    smaller.dispose();
    throw error;
  }
  smaller.dispose();
  return undefined;
}
