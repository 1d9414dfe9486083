import type { Codec } from "../../archive/codec.ts";
import type { VolumeRecord } from "../../archive/object_writer.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { collect } from "../../bytes/source.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines, type Line } from "../../tree/lines.ts";
import { codecOf } from "../content/content.ts";
import { checkpointName, idOfObject } from "../layout.ts";
import { decodeObject, type ObjectRecord } from "../snapshot_record.ts";
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

/** What a run says of a volume that it has finished. */
export interface Checkpoint {
  /** The directory that the run is of. */
  directory: string;
  /** The snapshot that its deltas are made against. */
  parent?: string;
  /** The volume. */
  object: ObjectRecord;
  /** What lies in it. */
  contents: KeptContent[];
}

const FORMAT = "deltar-checkpoint";
const VERSION = 1;
/** A checkpoint of more bytes than this, decompressed, is none of ours. */
const MOST = 2 ** 30;

/** A checkpoint as its object's bytes, before compression. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const { directory, parent, object, contents } = checkpoint;
  const lines = contents.map(({ path, sha256, size, piece }): Line => ({
    path,
    sha256,
    size,
    content: encodePiece(piece),
  }));
  return encodeLines(FORMAT, VERSION, { directory, parent, object }, lines);
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
  const packed = await collect(storage.get(name));
  const plain = await codecOf(name)
    .decompressBlock(packed, MOST, { object: name });
  const { header, lines } = decodeLines(plain, FORMAT, VERSION, name);
  const { directory, parent } = header;
  const fail = () =>
    new DeltarError("corrupt", "a checkpoint that is none", { object: name });
  if (typeof directory !== "string") throw fail();
  const object = decodeObject((header.object ?? {}) as Line, name, 0);
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

/** What a run that is under way leaves behind if it should be interrupted. */
export class CheckpointWriter {
  /** The volumes that are stored and told of. */
  readonly kept: VolumeRecord[] = [];
  /** The names of the checkpoints that were put. */
  readonly names: string[] = [];
  readonly #storage: Storage;
  readonly #codec: Codec;
  readonly #run: { id: string; directory: string; parent?: string };
  #pending: KeptContent[] = [];

  /**
   * Makes a writer; nothing is stored before a volume is.
   *
   * @param run The run's id, its directory and what it is made against.
   */
  constructor(
    storage: Storage,
    codec: Codec,
    run: { id: string; directory: string; parent?: string },
  ) {
    this.#storage = storage;
    this.#codec = codec;
    this.#run = run;
  }

  /**
   * Notes a content whose place is filled in once it is stored; one that this
   * run has only taken over is told of where it was stored.
   */
  add(content: KeptContent): void {
    const { volume } = content.piece.reference;
    if (volume === "" || idOfObject(volume) === this.#run.id) {
      this.#pending.push(content);
    }
  }

  /**
   * Tells of a volume that is stored. What fails here costs only what an
   * interruption would cost without it.
   */
  async stored(object: VolumeRecord): Promise<void> {
    const { id, directory, parent } = this.#run;
    const isIn = ({ piece }: KeptContent) =>
      piece.reference.volume === object.name;
    const contents = this.#pending.filter(isIn);
    this.#pending = this.#pending.filter((content) => !isIn(content));
    const name = checkpointName(id, this.names.length, this.#codec.name);
    this.names.push(name);
    try {
      const plain = encodeCheckpoint({ directory, parent, object, contents });
      const packed = await this.#codec.compress(plain);
      await this.#storage.put(name, packed, { ifAbsent: true });
      this.kept.push(object);
    } catch (error) {
      if (!(error instanceof DeltarError)) throw error;
      // The volume's own storing tells of a storage that fails.
    }
  }
}
