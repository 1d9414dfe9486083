/**
 * Storing trees as layers.
 *
 * A snapshot's tree is a stack of layers. The first layer is a full layer: it
 * has all entries that the tree had when the layer was written. The layers
 * above it have the changes since then: new and changed entries, and tombstones
 * for deleted paths. `tree_layer.ts` encodes and decodes the lines of a layer,
 * `layer_writer.ts` stores them in frames that are compressed separately, and
 * `layer_reader.ts` reads all frames or some of them. To look up a path, the
 * reader uses the lower bounds of the frames' paths and, in small layers, a
 * filter (`path_filter.ts`). `write_tree.ts` merges layers so that a tree of n
 * entries has at most about log2(n) layers. `merge_layers.ts` merges layers
 * while they are read, and `group_lines.ts` groups the lines of the layers of
 * many trees by path. `tree_reader.ts` reads whole trees, parts of trees and
 * single entries, and `tree.ts` holds a tree in memory.
 *
 * @module
 */
import type { ContentReference } from "../../archive/content_reference.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { NonFileEntry, Skipped } from "../../tree/entry.ts";
import {
  addRaw,
  checkOrder,
  decodeEntry,
  encodeEntry,
  type HashedFileEntry,
} from "../../tree/entry_line.ts";
import { isCount } from "../../bytes/is_count.ts";
import { checkOpening, type Line, splitLines } from "../../bytes/listing.ts";
import { checkPath } from "../../tree/path.ts";
import { decodeSkipped } from "../../tree/skipped_line.ts";
import { checkPart, idOfObject, isId } from "../format/names.ts";
import { decodeObject, type ObjectRecord } from "../format/snapshot_record.ts";
import { tooManyLines } from "./layer_limits.ts";

/** A stored piece of a file: a whole content or a delta. */
export interface StoredPiece {
  /** The form of the piece. The form of a stored signature is `whole`. */
  form: "whole" | "delta";
  /** The length of the piece in bytes. */
  size: number;
  /**
   * The size of the content that a delta makes, in bytes. Absent for a whole
   * content and in a checkpoint. Also absent for deltas that older versions of
   * deltar stored.
   */
  result?: number;
  /** The range of a volume that contains the piece. */
  reference: ContentReference;
  /**
   * The path under which the piece was stored, if it differs from the path of
   * the entry.
   */
  path?: string;
}

/** A file of a snapshot's tree. */
export interface TreeFileEntry extends HashedFileEntry {
  /**
   * The pieces of the content: a whole content, and then deltas in the order in
   * which they apply.
   */
  content: StoredPiece[];
  /**
   * The stored signature of the first piece of the content. Only files of more
   * than 1 MiB have one.
   */
  signature?: StoredPiece;
}

/** An entry of a snapshot's tree. */
export type TreeEntry = TreeFileEntry | NonFileEntry;

/**
 * A line of a layer for a path that was deleted. It hides the path's entry in
 * the layers below.
 */
export interface Tombstone {
  /** The deleted path. */
  path: string;
  /** The kind of all tombstones. No entry has this kind. */
  kind: "gone";
}

/** The run that last created, changed or deleted the entry of a path. */
export interface Dated {
  /**
   * The id of the run that last created, changed or deleted the entry of the
   * path, according to the layer. Absent from a line of the current run, and
   * from a line that was read without the option `isDated`.
   */
  since?: string;
}

/** A line of a layer for a path: an entry or a tombstone. */
export type LayerLine = (TreeEntry | Tombstone) & Dated;

/** The lines of a frame of a layer. */
export interface LayerPart {
  /** Entries and tombstones, in path order. */
  lines: LayerLine[];
  /**
   * The volumes that the frame names. The entries that need them can be in
   * other frames of the layer.
   */
  objects: ObjectRecord[];
  /** The skipped and excluded paths that the frame names, with the reasons. */
  skipped: Skipped[];
}

/** The name of the format of layers. */
export const LAYER_FORMAT = "deltar-tree";
/** The version of the format of layers. */
export const LAYER_VERSION = 1;

/** Encodes an entry or tombstone as a line of JSON. */
export function encodeLayerLine(entry: LayerLine): Line {
  if (entry.kind === "gone") return addRaw({ gone: entry.path }, "gone");
  const line = encodeEntry(entry);
  if (entry.content) line.content = entry.content.map(encodePiece);
  if (entry.signature) line.signature = encodePiece(entry.signature);
  const { since, content } = entry;
  if (since !== undefined) {
    const volume = content?.at(-1)?.reference.volume ?? "";
    line.since = since === idOfObject(volume) ? true : since;
  }
  return line;
}

/**
 * Returns the id of the run that last created, changed or deleted the entry of
 * a path, according to the path's line in a layer. Earlier versions of deltar
 * do not find a tombstone that has the field `since`. Tombstones are therefore
 * written without this field, and the id for a tombstone is the id in the name
 * of the layer.
 *
 * @param since The field `since` of the line: an id, or `true` for the id in
 * the name of the volume of the file's last piece.
 * @param line The decoded line.
 * @param object The name of the layer.
 * @returns The id from the field `since` if this id is valid and earlier than
 * the id in the name of the layer, otherwise the id in the name of the layer.
 * `undefined` if the name of the layer has no id.
 */
function sinceOf(
  since: unknown,
  line: LayerLine,
  object: string,
): string | undefined {
  const own = idOfObject(object);
  const last = line.kind === "file" ? line.content.at(-1) : undefined;
  const id = since === true ? idOfObject(last?.reference.volume ?? "") : since;
  return own !== undefined && isId(id) && id < own ? id : own;
}

/**
 * Reads complete lines of a layer.
 *
 * @param bytes The lines.
 * @param object The layer's name, for error messages.
 * @param isFirst Whether the lines are the first lines of the layer.
 * @param mostLines The maximum number of lines in `bytes`.
 * @param isDated Whether to set the field `since` of the lines.
 * @throws {DeltarError} `corrupt` if a line is invalid, `unsafe` if a path is
 * unsafe, `limit` if there are too many lines, `unsupported` if the version of
 * the layer is too new. Offsets in errors are relative to the start of `bytes`.
 */
export async function decodeLayerPart(
  bytes: Uint8Array,
  object: string,
  isFirst: boolean,
  mostLines: number = Infinity,
  isDated = false,
): Promise<LayerPart> {
  const part: LayerPart = { lines: [], objects: [], skipped: [] };
  let opening = isFirst;
  let left = mostLines;
  for (const [line, offset] of splitLines(bytes, object)) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    if (left-- <= 0) throw tooManyLines(mostLines, object, offset);
    if (opening) {
      checkOpening(line, LAYER_FORMAT, LAYER_VERSION, object);
      opening = false;
    } else if (line.object !== undefined) {
      const named = (line.object ?? {}) as Line;
      part.objects.push(decodeObject("volume", named, object, offset));
    } else if (line.skipped !== undefined) {
      part.skipped.push(decodeSkipped(line, object, offset));
    } else if (line.path !== undefined || line.gone !== undefined) {
      const entry = decodeLayerLine(line, object, offset, isDated);
      checkOrder(part.lines.at(-1)?.path, entry.path, object, offset);
      part.lines.push(entry);
    } else if (line.sha256 === undefined) {
      throw new DeltarError("corrupt", "unknown kind of line in a layer", {
        object,
        offset,
      });
    }
  }
  return part;
}

/**
 * Reads a line that `encodeLayerLine` wrote.
 *
 * @param line The parsed line.
 * @param object The name of the layer, for error messages.
 * @param offset The offset for error messages, in bytes.
 * @param isDated Whether to set the field `since` of the result.
 * @throws {DeltarError} `corrupt` if a field is invalid, `unsafe` if a path is
 * unsafe.
 */
export function decodeLayerLine(
  line: Line,
  object: string,
  offset: number,
  isDated = false,
): LayerLine {
  const decoded = decodeUndated(line, object, offset);
  return isDated
    ? Object.assign(decoded, { since: sinceOf(line.since, decoded, object) })
    : decoded;
}

function decodeUndated(
  line: Line,
  object: string,
  offset: number,
): TreeEntry | Tombstone {
  if (typeof line.gone !== "string") {
    return decodeTreeEntry(line, object, offset);
  }
  checkPath(line.gone, object);
  return { path: line.gone, kind: "gone" };
}

function decodeTreeEntry(
  line: Line,
  object: string,
  offset: number,
): TreeEntry {
  const entry = decodeEntry(line, object, offset);
  if (entry.kind !== "file") return entry;
  const pieces = line.content;
  if (!Array.isArray(pieces) || pieces.length === 0) {
    throw new DeltarError("corrupt", "missing, empty or invalid `content`", {
      object,
      offset,
      path: entry.path,
    });
  }
  const content = pieces.map((piece) => decodePiece(piece, object, offset));
  const forms = content.map((piece) => piece.form);
  if (forms[0] !== "whole" || forms.lastIndexOf("whole") !== 0) {
    throw new DeltarError(
      "corrupt",
      "invalid `content`: expected a whole content, followed by deltas",
      {
        object,
        offset,
        path: entry.path,
      },
    );
  }
  const file = Object.assign(entry, { content });
  if (line.signature === undefined) return file;
  const signature = decodePiece(line.signature as Line, object, offset);
  return Object.assign(file, { signature });
}

/** Encodes a piece as part of a line of JSON. */
export function encodePiece(
  { form, size, result, reference, path }: StoredPiece,
): Line {
  const { volume, offset, length, skip } = reference;
  return addRaw(
    { form, size, result, volume, offset, length, skip, path },
    "path",
  );
}

/** The name of the volume of the piece that was read last. */
let lastVolume = "";

/**
 * Reads a piece that `encodePiece` wrote. Ignores a `path` that is not a
 * string.
 *
 * @param line The fields of the piece.
 * @param object The name of the object that contains the line, for error
 * messages.
 * @param at The offset of the line in the object, in bytes, for error messages.
 * @throws {DeltarError} `corrupt`, with the offset of the line, if a field
 * other than `path` is invalid.
 */
export function decodePiece(
  line: Line,
  object: string,
  at: number,
): StoredPiece {
  const { form, size, result, volume, offset, length, skip, path } = line ?? {};
  checkPart("volume", volume, object, at);
  if (
    (form !== "whole" && form !== "delta") ||
    !isCount(size) || result !== undefined && !isCount(result) ||
    !isCount(offset) || !isCount(length) || !isCount(skip)
  ) {
    throw new DeltarError(
      "corrupt",
      "invalid `form`, `size`, `result` or content reference of a piece",
      {
        object,
        offset: at,
      },
    );
  }
  // Successive pieces are usually in the same volume. Trees take less memory if
  // these pieces share one copy of the volume's name.
  if (volume !== lastVolume) lastVolume = volume;
  return {
    form,
    size,
    ...(result !== undefined && form === "delta" && { result }),
    reference: { volume: lastVolume, offset, length, skip },
    ...(typeof path === "string" && { path }),
  };
}
