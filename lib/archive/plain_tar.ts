import { DeltarError } from "../bytes/errors.ts";
import { readPieces, readWhole } from "../tree/read_file.ts";
import { codecFor, detectFormat } from "./codec.ts";

/**
 * The plain tar bytes of an archive file, whatever it is compressed with.
 *
 * @param file A path of the operating system.
 * @throws {DeltarError} `not-found`; `corrupt` if it is no archive.
 */
export async function* plainTar(file: string): AsyncGenerator<Uint8Array> {
  const head = first(file);
  const format = detectFormat(head);
  if (format === undefined) {
    throw new DeltarError("corrupt", "this is no tar archive", {
      object: file,
      offset: 0,
    });
  }
  const pieces = async function* () {
    yield* readPieces(file);
  };
  if (format === "tar") yield* pieces();
  else yield* codecFor(format).decompress(pieces(), { object: file });
}

function first(file: string): Uint8Array {
  try {
    return readWhole(file, 512);
  } catch (cause) {
    throw new DeltarError("not-found", "this archive cannot be read", {
      object: file,
      cause,
    });
  }
}
