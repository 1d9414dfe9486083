import type { Codec } from "../../archive/codec.ts";
import {
  ObjectWriter,
  type VolumeRecord,
} from "../../archive/object_writer.ts";
import { DeltarError } from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import { checkpointName, codecOf } from "../format/names.ts";
import { readObject } from "../format/note.ts";
import { signerOf, signListing } from "../format/signed_listing.ts";
import type { Store } from "../store/store.ts";
import { decodeObject, type ObjectRecord } from "../format/snapshot_record.ts";
import {
  decodePiece,
  encodePiece,
  type StoredPiece,
} from "../layers/tree_layer.ts";

/** A piece of a file, its whole content or a delta, stored in one volume. */
export interface KeptContent {
  /** The path under which the content was stored. */
  path: string;
  /** The SHA-256 of the file, in hexadecimal. */
  sha256: string;
  /** The file's size in bytes. */
  size: number;
  /** The piece, with its range in the volume. */
  piece: StoredPiece;
}

/** A checkpoint: a list of contents of a finished volume. */
export interface Checkpoint {
  /** The name of the snapshot's directory in the repository. */
  directory: string;
  /** The id of the snapshot's parent, against which deltas are made. */
  parent?: string;
  /** The name, size and SHA-256 of the volume. */
  object: ObjectRecord;
  /** The contents that the checkpoint lists. */
  contents: KeptContent[];
  /** The public half of the key that signed the checkpoint, if it is signed. */
  signer?: string;
}

/** The contents of volumes that are being written. */
export interface VolumeContents {
  /**
   * Returns the next content in a volume; `undefined` after the last one.
   * Volumes must be passed in the order in which they are stored.
   */
  next(volume: string): KeptContent | undefined;
}

const FORMAT = "deltar-checkpoint";
const VERSION = 1;
/** The maximum size of a checkpoint before compression, in bytes. */
const MAX_CHECKPOINT_BYTES = 2 ** 25;
/**
 * The approximate maximum length of a checkpoint, in UTF-16 code units. If the
 * volume has more contents, further checkpoints list them. The length is
 * limited because a whole checkpoint is in memory while it is signed and
 * compressed. A code unit takes at most six bytes in JSON, so a checkpoint
 * never exceeds `MAX_CHECKPOINT_BYTES`.
 */
const TARGET_CHARACTERS = 2 ** 21;
/**
 * The approximate length of a content's line without its path, in UTF-16 code
 * units.
 */
const CONTENT_CHARACTERS = 250;

/** Returns the line of a checkpoint that describes a content. */
function encodeContent({ path, sha256, size, piece }: KeptContent): Line {
  return { path, sha256, size, content: encodePiece(piece) };
}

/**
 * Reads a checkpoint.
 *
 * @throws {DeltarError} `not-found` if the checkpoint is missing; `corrupt` or
 * `truncated` if it is damaged or was changed after it was signed; `limit` if
 * it is too large; `unsupported` if its version is newer.
 */
export async function readCheckpoint(
  storage: Storage,
  name: string,
): Promise<Checkpoint> {
  const packed = await readObject(storage, name);
  const plain = await codecOf(name)
    .decompressBlock(packed, MAX_CHECKPOINT_BYTES, { object: name });
  const { header, lines } = decodeLines(plain, FORMAT, VERSION, name);
  const signer = await signerOf(plain, name);
  const { directory, parent } = header;
  const fail = () =>
    new DeltarError(
      "corrupt",
      "fields of the checkpoint are missing or invalid",
      { object: name },
    );
  if (typeof directory !== "string") throw fail();
  const object = decodeObject("volume", (header.object ?? {}) as Line, name, 0);
  const contents: KeptContent[] = [];
  for (const [line, offset] of lines) {
    if ("signature" in line) continue;
    const { path, sha256, size, content } = line;
    const piece = decodePiece(content as Line, name, offset);
    const { volume, offset: at, length } = piece.reference;
    if (
      typeof path !== "string" || typeof sha256 !== "string" ||
      typeof size !== "number" || volume !== object.name ||
      at + length > object.size
    ) throw fail();
    contents.push({ path, sha256, size, piece });
  }
  return {
    directory,
    ...typeof parent === "string" && { parent },
    object,
    contents,
    ...signer !== undefined && { signer },
  };
}

/**
 * A writer of the checkpoints of a run. If the run is interrupted, the
 * checkpoints stay in the storage.
 */
export class CheckpointWriter {
  /** The stored volumes that have all of their checkpoints. */
  readonly kept: VolumeRecord[] = [];
  /** The names of the checkpoints, including those that could not be stored. */
  readonly names: string[] = [];
  readonly #storage: Storage;
  readonly #codec: Codec;
  readonly #run: { id: string; directory: string; parent?: string };
  readonly #key: SigningKey | undefined;
  readonly #contents: VolumeContents;

  /**
   * Creates a writer. Nothing is stored before the first call to `stored`.
   *
   * @param storage The storage of the checkpoints.
   * @param repository The compression of the checkpoints, and the key that
   * signs them.
   * @param run The id of the run, the name of the directory in the repository,
   * and the id of the parent of the snapshot.
   * @param contents The contents of the run's volumes.
   */
  constructor(
    storage: Storage,
    { codec, signingKey }: Pick<Store, "codec" | "signingKey">,
    run: { id: string; directory: string; parent?: string },
    contents: VolumeContents,
  ) {
    this.#storage = storage;
    this.#codec = codec;
    this.#key = signingKey;
    this.#run = run;
    this.#contents = contents;
  }

  /**
   * Writes the checkpoints of a stored volume: one, or several if the volume
   * has many contents. An error of the storage is ignored. Its only effect is
   * that, if this run is interrupted, the next run cannot reuse all contents of
   * the volume.
   */
  async stored(object: VolumeRecord): Promise<void> {
    const { id, directory, parent } = this.#run;
    const header = { directory, parent, object };
    const rest = new Rest(this.#contents, object.name);
    do {
      const name = checkpointName(id, this.names.length, this.#codec.name);
      this.names.push(name);
      const writer = new ObjectWriter(this.#storage, name);
      try {
        const listing = encodeLines(FORMAT, VERSION, header, rest.lines());
        const plain = this.#key === undefined
          ? listing
          : await signListing(listing, this.#key);
        await writer.write(await this.#codec.compress(plain));
        await writer.finish(this.#codec);
      } catch (error) {
        await writer.abort(error);
        if (!(error instanceof DeltarError)) throw error;
        // If the storage still fails, storing the next object throws an error.
        rest.skip();
        return;
      }
    } while (!rest.isEmpty);
    this.kept.push(object);
  }
}

/** The contents of a volume that no checkpoint describes yet. */
class Rest {
  readonly #contents: VolumeContents;
  readonly #volume: string;
  #next: KeptContent | undefined;

  constructor(contents: VolumeContents, volume: string) {
    this.#contents = contents;
    this.#volume = volume;
    this.#next = contents.next(volume);
  }

  /** Whether all contents have been yielded or omitted. */
  get isEmpty(): boolean {
    return this.#next === undefined;
  }

  /** Omits the remaining contents, so that those of the next volume follow. */
  skip(): void {
    while (this.#next !== undefined) {
      this.#next = this.#contents.next(this.#volume);
    }
  }

  /** Yields the lines of the next checkpoint. */
  *lines(): Generator<Line> {
    let length = 0;
    while (this.#next !== undefined && length < TARGET_CHARACTERS) {
      const { path } = this.#next;
      length += path.length + CONTENT_CHARACTERS;
      yield encodeContent(this.#next);
      this.#next = this.#contents.next(this.#volume);
    }
  }
}
