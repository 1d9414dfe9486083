import type { ByteSource } from "../bytes/source.ts";
import type { Sharing } from "./local_modes.ts";

/** The name and size of a stored object. */
export interface StoredObject {
  /**
   * The name of the object, `/`-separated, without `/` at the beginning or end.
   */
  name: string;
  /** The length of the object in bytes. */
  size: number;
}

/** Options for reading an object. */
export interface GetOptions {
  /** The offset of the first byte to read. Default: 0. */
  offset?: number;
  /** The number of bytes to read. Default: all bytes from `offset` on. */
  length?: number;
  /**
   * Whether a range that reaches beyond the end of the object is shortened to
   * the end. If not, such a range is an error. In both cases, the offset must
   * not be beyond the end. Default: `false`.
   */
  clamp?: boolean;
  /**
   * The lengths in bytes of the consecutive parts into which a cache divides
   * the range. The cache stores each part separately, so that other calls can
   * read single parts. The sum of the lengths must be `length`.
   */
  pieces?: readonly number[];
  /**
   * Whether the object is read from the storage itself rather than from a
   * cache. Default: `false`.
   */
  fresh?: boolean;
  /** The signal that aborts the read with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** Options for storing an object. */
export interface PutOptions {
  /**
   * Whether to fail with code `exists` if the name is taken, instead of
   * replacing the object. If several writers, on any machines, store objects of
   * the same name with `ifAbsent` at the same time, exactly one of the writers
   * succeeds, unless the storage documents that it cannot guarantee this.
   * Default: `false`.
   */
  ifAbsent?: boolean;
  /**
   * The signal that aborts the write with an error of code `aborted`. The
   * object is then unchanged or, if the storage had already received the last
   * byte, stored completely.
   */
  signal?: AbortSignal;
}

/**
 * A flat store of named objects, each of which is written, replaced and deleted
 * as a whole. Names are `/`-separated segments that are not empty, do not start
 * with `.` and contain no backslash and no control character.
 *
 * An implementation guarantees:
 *
 * - **Complete or not at all.** A reader never sees an incomplete object, even
 *   while a `put` is writing the object or after the `put` has failed.
 * - **Stored objects stay stored.** Once `put` resolves, a crash does not lose
 *   the object, every `get` that begins later finds it, and every `list` that
 *   begins later includes it.
 * - **A fault is never reported as absence.** `not-found` and `exists` are
 *   thrown only if the storage itself reported that the object is absent or
 *   present. A missing bucket, a network failure and denied access are `io`
 *   errors.
 * - **No short reads.** A `get` yields exactly the bytes of its range or
 *   throws. If a response ends early, the storage requests the remaining bytes,
 *   or throws an error of code `truncated` or `io`.
 * - **A source is read once.** Each chunk is valid until the next one is
 *   pulled. After that, the source may reuse or free the memory of the chunk. A
 *   `put` that retries keeps a copy of the bytes that it might have to send
 *   again. The size of this copy is limited. Errors of the source are thrown
 *   unchanged.
 * - **Names are checked** before anything else. An invalid name causes a
 *   `TypeError`.
 *
 * Any number of calls may run at the same time. The storage itself retries
 * after faults that are known to be temporary. The caller may retry after an
 * `io` error.
 */
export interface Storage {
  /** The location for messages, such as a path, or a URL without secrets. */
  readonly location: string;

  /**
   * The path of the folder on this machine that contains the objects; absent
   * if the objects are stored elsewhere.
   */
  readonly localPath?: string;

  /**
   * Reads the bytes of an object as the caller pulls them. No request is sent
   * before the first chunk is pulled. A caller that stops iterating early
   * cancels the read. The storage must not change a chunk after it has yielded
   * the chunk.
   *
   * An empty range is also checked against the object's length. `offset` may
   * equal the object's length if `length` is 0 or absent, or if `clamp` is set.
   * The result is then empty.
   *
   * @param name The name of the object.
   * @param options The range to read, in bytes, and the signal.
   * @throws {DeltarError} `not-found` if there is no such object; `truncated`
   *   if the range begins beyond the end of the object, or reaches beyond the
   *   end and `clamp` is not set; `io` if the storage fails; `aborted` if the
   *   signal fired.
   * @throws {TypeError} If the name is invalid.
   */
  get(name: string, options?: GetOptions): AsyncIterable<Uint8Array>;

  /**
   * Stores an object. An existing object of this name is replaced unless
   * `ifAbsent` is set. The source is pulled only as fast as the storage accepts
   * the bytes, so an object of any length needs only bounded memory. If the
   * write fails, the storage closes the source early.
   *
   * A `put` that fails changes nothing, with one exception: if the storage
   * fails, its response is lost or the signal fires after the last byte was
   * sent, the new object might be stored completely. To be sure that the new
   * object is stored, the caller can store the same bytes again. With
   * `ifAbsent`, an `exists` error of this second `put` means that the object of
   * the first `put`, or of another writer, is stored. A `put` that itself
   * retries does not throw `exists` for an object that its own earlier attempt
   * stored.
   *
   * @param name The name of the object.
   * @param source The bytes of the object.
   * @param options Options for storing the object.
   * @throws {DeltarError} `exists` if `ifAbsent` is set and the name is taken;
   *   `unsupported` if the storage is read-only; `limit` if the object is too
   *   large for the storage; `io` if the storage fails; `aborted` if the signal
   *   fired.
   * @throws {TypeError} If the name is invalid.
   */
  put(name: string, source: ByteSource, options?: PutOptions): Promise<void>;

  /**
   * Lists the objects whose names start with `prefix`, in no particular order.
   * An object that is stored or deleted at the same time may or may not be
   * listed. Every other object is listed exactly once. Anything without a valid
   * object name is omitted. If the storage cannot list all objects, an error is
   * thrown, so a list that ends without an error is complete.
   *
   * @param prefix The text that the names begin with. Default: empty, for all
   *   objects.
   * @throws {DeltarError} `io` if the storage fails; `limit` if the storage
   *   lists too many objects.
   */
  list(prefix?: string): AsyncIterable<StoredObject>;

  /**
   * Deletes an object. It is not an error if there is no such object. A
   * `delete` that fails might still have deleted the object.
   *
   * @param name The name of the object.
   * @throws {DeltarError} `unsupported` if the storage is read-only; `io` if
   *   the storage fails.
   * @throws {TypeError} If the name is invalid.
   */
  delete(name: string): Promise<void>;

  /**
   * Deletes unfinished writes, such as incomplete uploads of killed processes,
   * which `list` does not show. A storage without such writes need not
   * implement `tidy`.
   *
   * @param before The time in milliseconds since 1970. All unfinished writes
   *   that began earlier are deleted, so the time must be earlier than the
   *   start of any write that is still in progress.
   * @throws {DeltarError} `io` if the storage fails; `limit` if there are too
   *   many unfinished writes.
   */
  tidy?(before: number): Promise<void>;

  /**
   * Prepares the storage for a new repository. Only a storage that controls
   * access by file modes needs to implement `prepare`.
   *
   * @param shared The access that the folder's group gets. Default: none.
   * @throws {DeltarError} `unsupported` if the storage cannot hold a
   *   repository; `io` if it cannot be prepared.
   */
  prepare?(shared?: Sharing): void;

  /**
   * Deletes the unfinished writes of processes that have ended, or that are
   * presumed to have ended. Never throws. Only a storage that can distinguish
   * killed processes from running ones needs to implement `clearAbandoned`.
   */
  clearAbandoned?(): void;

  /**
   * Returns whether the objects might have been written by a person whom this
   * user has no reason to trust: another user of this machine except root, or
   * the operator of a read-only server. A storage without this method counts as
   * trusted.
   */
  belongsToOthers?(): boolean;
}
