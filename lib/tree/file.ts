import { fs, nodePath } from "../bytes/node.ts";
import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import { codeOf, DeltarError, errorMessage } from "../bytes/errors.ts";
import { isDenied } from "../bytes/permitted.ts";
import { chunks, collectAtMost } from "../bytes/source.ts";
import { inTurns } from "../bytes/turns.ts";
import { MOST_LISTING } from "../bytes/listing.ts";

/** Options for writing a file. */
export interface WriteFileOptions extends SignalOptions {
  /** Whether its folder may have to be made. */
  inNewFolder?: boolean;
  /**
   * Whether a crash may lose or damage it, as what can be made again may; then
   * it is not flushed.
   */
  mayBeLost?: boolean;
  /** Whether it, and a folder that is made, are closed to other users. */
  isPrivate?: boolean;
}

/**
 * Writes a file so that it appears whole or not at all: under another name
 * beside it, flushed to the disk, then renamed.
 *
 * @param file A path of the operating system.
 * @param bytes What it is to hold, in one piece or several.
 * @param options How.
 */
export async function writeFileAtomic(
  file: string,
  bytes: Uint8Array | Iterable<Uint8Array>,
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
 * All bytes of a file.
 *
 * @param file A path of the operating system.
 * @param most The most bytes that it may have.
 * @throws {DeltarError} `not-found` if it is absent, `limit` if it is larger,
 * else `io`.
 */
export async function readFileBytes(
  file: string,
  signal?: AbortSignal,
  most: number = MOST_LISTING,
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
        `has ${stat.size} bytes, and may have ${most}`,
        { object: file },
      );
    }
    // The size of a pipe or device is not known before its end.
    return await collectAtMost(fs.createReadStream(file), most, file);
  } catch (cause) {
    throw fileError(cause, file);
  }
}

/**
 * Reads a file and decodes it, with turns of the event loop between.
 *
 * @param file A path of the operating system.
 * @param decode Decodes its bytes, step by step; is told its name for errors.
 * @throws {DeltarError} As `readFileBytes` and `decode` do.
 */
export async function decodeFile<Result>(
  file: string,
  decode: (bytes: Uint8Array, object: string) => Generator<unknown, Result>,
  { signal }: SignalOptions = {},
): Promise<Result> {
  const bytes = await readFileBytes(file, signal);
  return await inTurns(decode(bytes, file), signal);
}

/** Removes a file; that there is none is no fault. */
export async function removeFile(file: string): Promise<void> {
  try {
    await fs.promises.rm(file, { force: true });
  } catch (cause) {
    throw fileError(cause, file);
  }
}

/** Whether a path names nothing, or a directory with nothing in it. */
export function isVacant(place: string): boolean {
  try {
    return fs.readdirSync(place).length === 0;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true;
    throw fileError(error, place);
  }
}

/** A fault of the file system as an error that names the file. */
export function fileError(cause: unknown, object: string): DeltarError {
  if (cause instanceof DeltarError) return cause;
  return codeOf(cause) === "ENOENT"
    ? new DeltarError("not-found", "no such file", { object, cause })
    : new DeltarError("io", errorMessage(cause), { object, cause });
}

/** A fault of the file system at a path below the root of a tree. */
export function pathError(cause: unknown, path: string): DeltarError {
  if (cause instanceof DeltarError) {
    if (cause.path !== undefined || !isDenied(cause)) return cause;
    const { code, message } = cause;
    return new DeltarError(code, message, { path, cause: cause.cause });
  }
  return codeOf(cause) === "ENOENT"
    ? new DeltarError("not-found", "no such file", { path, cause })
    : new DeltarError("io", reasonOf(cause), { path, cause });
}

/** Why the system refused, without the path, which may be a temporary one. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const [, code, why] = /^(E[A-Z0-9]+): ([^,]+)(?:, |$)/.exec(cause.message) ??
    [];
  return code === undefined ? cause.message : `${why} (${code})`;
}

/** The errors of a system that fails for every path. */
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
 * Whether a fault of the file system is not of one path: the disk is full,
 * read-only, failing or gone, or the process has no more descriptors.
 */
export function endsAll(error: unknown): boolean {
  return ENDS_ALL.has(codeOf(error)) ||
    error instanceof DeltarError && endsAll(error.cause);
}

/** Returns the reason for a failed system call: gone, or refused. */
export function faultOf(error: unknown): ["vanished" | "unreadable", string] {
  const code = codeOf(error);
  const gone = code === "ENOENT" || code === "ENOTDIR";
  return [gone ? "vanished" : "unreadable", errorMessage(error)];
}
