import type { ContentReference } from "../archive/content_reference.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { Skipped } from "../tree/entry.ts";
import {
  checkOrder,
  decodeEntry,
  encodeEntry,
  type HashedEntry,
  isCount,
} from "../tree/entry_line.ts";
import { decodeLines, encodeLines, type Line } from "../tree/lines.ts";
import { checkPath } from "../tree/path.ts";
import { decodeSkipped, encodeSkipped } from "../tree/skipped_line.ts";
import { isName } from "../storage/names.ts";
import { decodeObject, type ObjectRecord } from "./snapshot_record.ts";

/** A stored piece of a file: its whole content at some time, or a delta. */
export interface StoredPiece {
  /** What it is. */
  form: "whole" | "delta";
  /** Its length in bytes. */
  size: number;
  /** Where it lies. */
  reference: ContentReference;
  /** The path it was stored under, if that is not the entry's own. */
  path?: string;
}

/** An entry of a snapshot's tree. */
export interface TreeEntry extends HashedEntry {
  /** A file's content: a whole file first, then the deltas to apply to it. */
  content?: StoredPiece[];
  /** The stored signature of a large file. */
  signature?: StoredPiece;
}

/** What a layer says: entries, what is gone, what was skipped, and objects. */
export interface TreeLayer {
  /** Entries that are new or changed, in path order. */
  entries: TreeEntry[];
  /** Paths that are gone, in path order. */
  gone: string[];
  /** The volumes that the entries need and earlier layers do not name. */
  objects: ObjectRecord[];
  /** All that this snapshot left out, and why. */
  skipped: Skipped[];
}

const FORMAT = "deltar-tree";
const VERSION = 1;

/** A layer as the bytes of its object, before compression. */
export function encodeLayer(layer: TreeLayer): Uint8Array {
  return encodeLines(FORMAT, VERSION, {}, layerLines(layer));
}

function* layerLines(layer: TreeLayer): Generator<Line> {
  for (const { name, size, sha256 } of layer.objects) {
    yield { object: { name, size, sha256 } };
  }
  for (const entry of layer.entries) {
    const line = encodeEntry(entry);
    if (entry.content) line.content = entry.content.map(encodePiece);
    if (entry.signature) line.signature = encodePiece(entry.signature);
    yield line;
  }
  for (const path of layer.gone) yield { gone: path };
  yield* layer.skipped.map(encodeSkipped);
}

/**
 * Reads a layer; nothing in it is believed.
 *
 * @param bytes The object's bytes, decompressed.
 * @param object The object's name, for errors.
 * @throws {DeltarError} `corrupt`, `truncated`, `unsafe` or `unsupported`.
 */
export function decodeLayer(bytes: Uint8Array, object: string): TreeLayer {
  const layer: TreeLayer = { entries: [], gone: [], objects: [], skipped: [] };
  const { lines } = decodeLines(bytes, FORMAT, VERSION, object);
  for (const [line, offset] of lines) {
    if (line.object !== undefined) {
      layer.objects.push(decodeObject(line.object as Line, object, offset));
    } else if (typeof line.gone === "string") {
      checkPath(line.gone, object);
      checkOrder(layer.gone.at(-1), line.gone, object, offset);
      layer.gone.push(line.gone);
    } else if (line.skipped !== undefined) {
      layer.skipped.push(decodeSkipped(line, object, offset));
    } else {
      const entry = decodeTreeEntry(line, object, offset);
      checkOrder(layer.entries.at(-1)?.path, entry.path, object, offset);
      layer.entries.push(entry);
    }
  }
  return layer;
}

function decodeTreeEntry(
  line: Line,
  object: string,
  offset: number,
): TreeEntry {
  const entry: TreeEntry = decodeEntry(line, object, offset);
  if (entry.kind !== "file") return entry;
  const pieces = line.content;
  if (!Array.isArray(pieces) || pieces.length === 0) {
    throw new DeltarError("corrupt", "a file without content", {
      object,
      offset,
      path: entry.path,
    });
  }
  entry.content = pieces.map((piece) => decodePiece(piece, object, offset));
  const forms = entry.content.map((piece) => piece.form);
  if (forms[0] !== "whole" || forms.lastIndexOf("whole") !== 0) {
    throw new DeltarError(
      "corrupt",
      "content that is not one base and deltas",
      {
        object,
        offset,
        path: entry.path,
      },
    );
  }
  if (line.signature !== undefined) {
    entry.signature = decodePiece(line.signature as Line, object, offset);
  }
  return entry;
}

function encodePiece({ form, size, reference, path }: StoredPiece): Line {
  const { volume, offset, length, skip } = reference;
  return { form, size, volume, offset, length, skip, path };
}

function decodePiece(line: Line, object: string, at: number): StoredPiece {
  const { form, size, volume, offset, length, skip, path } = line ?? {};
  if (
    (form !== "whole" && form !== "delta") || !isName(volume) ||
    !isCount(size) || !isCount(offset) || !isCount(length) || !isCount(skip)
  ) {
    throw new DeltarError("corrupt", "a content reference that is none", {
      object,
      offset: at,
    });
  }
  return {
    form,
    size,
    reference: { volume, offset, length, skip },
    ...(typeof path === "string" && { path }),
  };
}
