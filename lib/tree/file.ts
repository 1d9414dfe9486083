import { fs, nodePath } from "../bytes/node.ts";
import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import { codeOf, DeltarError, errorMessage } from "../bytes/errors.ts";
import { isDenied } from "../bytes/permitted.ts";
import { type ByteSource, chunks, collectAtMost } from "../bytes/source.ts";
import { inTurns } from "../bytes/turns.ts";
import { MAX_LISTING_BYTES } from "../bytes/listing.ts";

/** Options for writing a file. */
export interface WriteFileOptions extends SignalOptions {
  /** Whether the file's folder is created if it is missing. */
  inNewFolder?: boolean;
  /**
   * Whether the file can be made again if it is lost or damaged in a crash. If
   * so, the file is not flushed to the disk.
   */
  mayBeLost?: boolean;
  /**
   * Whether only the owner has access to the file, and to a folder that is
   * created for it.
   */
  isPrivate?: boolean;
}

/**
 * Writes a file so that it appears whole or not at all. The bytes are written
 * to a temporary file in the same folder and, without `mayBeLost`, flushed to
 * the disk. The temporary file is then renamed.
 *
 * @param file The path, in the syntax of the operating system.
 * @param bytes The content, in one or more parts.
 * @param options Options for writing.
 * @throws {DeltarError} `not-found` if the file's folder does not exist, `io`
 * if the file cannot be written, `aborted` if the signal fired.
 */
export async function writeFileAtomic(
  file: string,
  bytes: ByteSource,
  options: WriteFileOptions = {},
): Promise<void> {
  const temporary = `${file}.${crypto.randomUUID()}.tmp`;
  try {
    if (options.inNewFolder) {
      await fs.promises.mkdir(nodePath.dirname(file), {
        recursive: true,
        ...options.isPrivate && { mode: 0o700 },
      });
    }
    const mode = options.isPrivate ? 0o600 : undefined;
    const handle = await fs.promises.open(temporary, "wx", mode);
    try {
      for await (const part of chunks(bytes)) {
        checkAborted(options.signal);
        await handle.writeFile(part);
      }
      checkAborted(options.signal);
      if (!options.mayBeLost) await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.promises.rename(temporary, file);
  } catch (cause) {
    await fs.promises.rm(temporary, { force: true });
    throw fileError(cause, file);
  }
}

/**
 * Returns all bytes of a file.
 *
 * @param file The path, in the syntax of the operating system.
 * @param signal A signal. If it has fired, nothing is read.
 * @param most The maximum size in bytes. Default: 1 GiB.
 * @throws {DeltarError} `not-found` if the file does not exist, `limit` if it
 * is larger than `most`, `aborted` if the signal has fired, `io` if the file
 * cannot be read.
 */
export async function readFileBytes(
  file: string,
  signal?: AbortSignal,
  most: number = MAX_LISTING_BYTES,
): Promise<Uint8Array> {
  checkAborted(signal);
  try {
    const stat = await fs.promises.stat(file);
    if (stat.isFile() && stat.size <= most) {
      return await fs.promises.readFile(file);
    }
    if (stat.isDirectory()) return await fs.promises.readFile(file);
    if (stat.isFile()) {
      throw new DeltarError(
        "limit",
        `file too large: ${stat.size} bytes, at most ${most}`,
        { object: file },
      );
    }
    // The size of a pipe or device is not known until the pipe or device has
    // been read to the end.
    return await collectAtMost(fs.createReadStream(file), most, file);
  } catch (cause) {
    throw fileError(cause, file);
  }
}

/**
 * Reads and decodes a file. The decoding yields to the event loop between its
 * steps.
 *
 * @param file The path, in the syntax of the operating system.
 * @param decode Called with the bytes of the file and, for error messages, its
 * path. Decodes the bytes step by step.
 * @param options A signal that ends the decoding.
 * @throws {DeltarError} `aborted` if the signal fired, and the errors of
 * `readFileBytes` and `decode`.
 */
export async function decodeFile<Result>(
  file: string,
  decode: (bytes: Uint8Array, object: string) => Generator<unknown, Result>,
  { signal }: SignalOptions = {},
): Promise<Result> {
  const bytes = await readFileBytes(file, signal);
  return await inTurns(decode(bytes, file), signal);
}

/**
 * Deletes a file. A missing file is not an error.
 *
 * @param file The path, in the syntax of the operating system.
 * @throws {DeltarError} `io` if the file cannot be deleted.
 */
export async function removeFile(file: string): Promise<void> {
  try {
    await fs.promises.rm(file, { force: true });
  } catch (cause) {
    throw fileError(cause, file);
  }
}

/**
 * Returns whether a path does not exist or is an empty directory.
 *
 * @param place The path, in the syntax of the operating system.
 * @throws {DeltarError} `io` if the path is not a directory or cannot be
 * listed.
 */
export function isVacant(place: string): boolean {
  try {
    return fs.readdirSync(place).length === 0;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true;
    throw fileError(error, place);
  }
}

/**
 * Returns an error of the file system as a `DeltarError` that names the file. A
 * `DeltarError` is returned unchanged.
 *
 * @param cause The error.
 * @param object The path of the file or folder, for the message.
 */
export function fileError(cause: unknown, object: string): DeltarError {
  if (cause instanceof DeltarError) return cause;
  return codeOf(cause) === "ENOENT"
    ? new DeltarError("not-found", "no such file or folder", { object, cause })
    : new DeltarError("io", reasonOf(cause), { object, cause });
}

/**
 * Returns an error of the file system as a `DeltarError` that names a path
 * below the root of a tree. A `DeltarError` is returned unchanged, unless it
 * has no path and reports a missing permission of the runtime. In that case,
 * the path is added.
 *
 * @param cause The error.
 * @param path The path below the root.
 */
export function pathError(cause: unknown, path: string): DeltarError {
  if (cause instanceof DeltarError) {
    if (cause.path !== undefined || !isDenied(cause)) return cause;
    const { code, message } = cause;
    return new DeltarError(code, message, { path, cause: cause.cause });
  }
  return codeOf(cause) === "ENOENT"
    ? new DeltarError("not-found", "no such file or folder", { path, cause })
    : new DeltarError("io", reasonOf(cause), { path, cause });
}

/**
 * Returns the reason that the system gives for an error, without the path,
 * because the path might name a temporary file.
 */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const [, code, why] = /^(E[A-Z0-9]+): ([^,]+)(?:, |$)/.exec(cause.message) ??
    [];
  return code === undefined ? cause.message : `${why} (${code})`;
}

/** The codes of errors that affect every path. */
const ENDS_ALL: ReadonlySet<unknown> = new Set([
  "EBADF",
  "EDQUOT",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENODEV",
  "ENOMEM",
  "ENOSPC",
  "ENOTCONN",
  "ENXIO",
  "EROFS",
  "ESHUTDOWN",
  "ESTALE",
]);

/**
 * Returns whether an error of the file system affects every path: the disk is
 * full, read-only, failing or disconnected, the quota is exceeded, or the
 * process is out of file descriptors or memory.
 */
export function endsAll(error: unknown): boolean {
  return ENDS_ALL.has(codeOf(error)) ||
    error instanceof DeltarError && endsAll(error.cause);
}

/**
 * Returns the reason for skipping a path after a failed system call, and the
 * message of the error. The reason is `vanished` or `unreadable`.
 */
export function faultOf(error: unknown): ["vanished" | "unreadable", string] {
  const code = codeOf(error);
  const gone = code === "ENOENT" || code === "ENOTDIR";
  return [gone ? "vanished" : "unreadable", errorMessage(error)];
}

/**
 * Returns the names in a folder; an empty array if the folder does not exist.
 *
 * @param folder The path, in the syntax of the operating system.
 * @throws {DeltarError} `io` if the folder cannot be read.
 */
export function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return [];
    throw fileError(cause, folder);
  }
}
