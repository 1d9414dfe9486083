import type { Codec } from "../../archive/codec.ts";
import {
  ObjectWriter,
  type VolumeRecord,
} from "../../archive/object_writer.ts";
import { DeltarError } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, type Line, linePieces } from "../../bytes/listing.ts";
import { checkpointName, codecOf } from "../format/names.ts";
import { readObject } from "../format/note.ts";
import { decodeObject, type ObjectRecord } from "../format/snapshot_record.ts";
import {
  decodePiece,
  encodePiece,
  type StoredPiece,
} from "../layers/tree_layer.ts";

/** A content that lies whole in a stored volume. */
export interface KeptContent {
  /** The path it was stored under. */
  path: string;
  /** The SHA-256 of the file, in hexadecimal. */
  sha256: string;
  /** The file's length in bytes. */
  size: number;
  /** Where it lies. */
  piece: StoredPiece;
}

/** The note of a run on a volume that it has finished. */
export interface Checkpoint {
  /** The directory that the run is of. */
  directory: string;
  /** The snapshot that its deltas are made against. */
  parent?: string;
  /** The volume. */
  object: ObjectRecord;
  /** The contents in it. */
  contents: KeptContent[];
}

/** The contents of volumes that are being written. */
export interface VolumeContents {
  /**
   * The next content that lies in a volume; `undefined` if that was all.
   * Volumes are asked for in the order in which they are stored.
   */
  next(volume: string): KeptContent | undefined;
}

const FORMAT = "deltar-checkpoint";
const VERSION = 1;
/** The largest size of a checkpoint before compression, in bytes. */
const MOST = 2 ** 25;

/** A content as its line in a checkpoint. */
function encodeContent({ path, sha256, size, piece }: KeptContent): Line {
  return { path, sha256, size, content: encodePiece(piece) };
}

/**
 * Reads a checkpoint.
 *
 * @throws {DeltarError} `not-found`, `corrupt`, `truncated`, `limit` or
 * `unsupported`.
 */
export async function readCheckpoint(
  storage: Storage,
  name: string,
): Promise<Checkpoint> {
  const packed = await readObject(storage, name);
  const plain = await codecOf(name)
    .decompressBlock(packed, MOST, { object: name });
  const { header, lines } = decodeLines(plain, FORMAT, VERSION, name);
  const { directory, parent } = header;
  const fail = () =>
    new DeltarError("corrupt", "invalid checkpoint", { object: name });
  if (typeof directory !== "string") throw fail();
  const object = decodeObject("volume", (header.object ?? {}) as Line, name, 0);
  const contents: KeptContent[] = [];
  for (const [{ path, sha256, size, content }, offset] of lines) {
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
  };
}

/** A writer of the notes that an interrupted run leaves behind. */
export class CheckpointWriter {
  /** The volumes that are stored and told of. */
  readonly kept: VolumeRecord[] = [];
  /** The names of the checkpoints that were put. */
  readonly names: string[] = [];
  readonly #storage: Storage;
  readonly #codec: Codec;
  readonly #run: { id: string; directory: string; parent?: string };
  readonly #contents: VolumeContents;

  /**
   * Makes a writer; nothing is stored before a volume is.
   *
   * @param run The run's id, its directory and what it is made against.
   * @param contents What lies in its volumes.
   */
  constructor(
    storage: Storage,
    codec: Codec,
    run: { id: string; directory: string; parent?: string },
    contents: VolumeContents,
  ) {
    this.#storage = storage;
    this.#codec = codec;
    this.#run = run;
    this.#contents = contents;
  }

  /**
   * Tells of a volume that is stored. What fails here costs only what an
   * interruption would cost without it.
   */
  async stored(object: VolumeRecord): Promise<void> {
    const { id, directory, parent } = this.#run;
    const header = { directory, parent, object };
    const lines = this.#lines(object.name);
    const name = checkpointName(id, this.names.length, this.#codec.name);
    this.names.push(name);
    const writer = new ObjectWriter(this.#storage, name);
    try {
      for (const plain of linePieces(FORMAT, VERSION, header, lines)) {
        await writer.write(await this.#codec.compress(plain));
      }
      await writer.finish();
      this.kept.push(object);
    } catch (error) {
      await writer.abort(error);
      if (!(error instanceof DeltarError)) throw error;
      // The volume's own storing tells of a storage that fails.
    }
  }

  *#lines(volume: string): Generator<Line> {
    for (let content; (content = this.#contents.next(volume)) !== undefined;) {
      yield encodeContent(content);
    }
  }
}
