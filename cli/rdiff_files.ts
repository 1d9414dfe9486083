import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import process from "node:process";
import { DeltarError } from "../lib/bytes/errors.ts";
import { collect } from "../lib/bytes/source.ts";
import type { RandomAccess } from "../lib/delta/mod.ts";
import { attempt } from "./attempt.ts";

/**
 * The maximum size of a chunk that `readPieces` reads from a file, and the
 * initial size of the buffer of `openBasis`, in bytes.
 */
const MAX_PIECE_BYTES = 2 ** 19;
/**
 * The pauses of `readPieces` for the event loop. It pauses before each chunk
 * until it has read `first` chunks, so that worker threads start sooner. Later,
 * it pauses once every `then` chunks, so that memory can be reclaimed.
 */
const TURNS = { first: 64, then: 8 };

/**
 * Returns a file's size in bytes, or `undefined` for standard input (`-`) and
 * for anything other than a regular file.
 */
export function sizeOf(name: string): number | undefined {
  if (name === "-") return undefined;
  const stat = attempt(name, () => statSync(name));
  return stat.isFile() ? stat.size : undefined;
}

/**
 * Reads a file, or standard input for `-`. The chunks of a file share one
 * buffer, so each chunk is valid only until the next one is read.
 */
export async function* readPieces(name: string): AsyncGenerator<Uint8Array> {
  if (name === "-") {
    yield* process.stdin;
    return;
  }
  const file = attempt(name, () => openSync(name, "r"));
  try {
    const buffer = new Uint8Array(MAX_PIECE_BYTES);
    let pieces = 0;
    for (;;) {
      const length = attempt(name, () => readSync(file, buffer));
      if (length === 0) return;
      if (pieces < TURNS.first || pieces % TURNS.then === 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      pieces++;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** Reads a whole file, or all of standard input for `-`. */
export async function readWhole(name: string): Promise<Uint8Array> {
  return name === "-"
    ? await collect(process.stdin)
    : attempt(name, () => readFileSync(name));
}

/**
 * Opens a file for reading at any offset. The bytes that a read returns are
 * valid only until the next read.
 */
export function openBasis(name: string): RandomAccess & { close(): void } {
  const file = attempt(name, () => openSync(name, "r"));
  const { size } = fstatSync(file);
  let buffer = new Uint8Array(MAX_PIECE_BYTES);
  return {
    size,
    read(offset, length) {
      if (length > buffer.length) buffer = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const read = attempt(
          name,
          () => readSync(file, buffer, at, length - at, offset + at),
        );
        if (read === 0) {
          throw new DeltarError(
            "truncated",
            "the file shrank while it was being read",
            {
              object: name,
              offset: offset + at,
            },
          );
        }
        at += read;
      }
      return buffer.subarray(0, length);
    },
    close: () => closeSync(file),
  };
}
