import type { ByteSource } from "../bytes/source.ts";

/** An object as a listing shows it. */
export interface StoredObject {
  /** The name, `/`-separated, without `/` at the beginning or end. */
  name: string;
  /** The length in bytes. */
  size: number;
}

/** The part of an object to read. */
export interface GetOptions {
  /** The first byte to read, from 0. */
  offset?: number;
  /** The number of bytes to read; by default all that follow. */
  length?: number;
  /** Ask the storage itself, whatever is kept of it nearby. */
  fresh?: boolean;
  /** Stops the reading with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** Options for storing an object. */
export interface PutOptions {
  /**
   * Fail with code `exists` rather than replace an object of that name. Of any
   * number of writers at once, on any machines, exactly one succeeds, unless
   * the storage documents where it cannot promise that.
   */
  ifAbsent?: boolean;
  /**
   * Stops the writing with an error of code `aborted`. The object is then
   * absent, or, if the storage had been given its last byte already, whole.
   */
  signal?: AbortSignal;
}

/**
 * A store of objects: a flat space of immutable, named objects. Names are
 * `/`-separated segments that do not start with `.` and hold no backslash and
 * no control character.
 *
 * Whoever implements this promises:
 *
 * - **Whole or not at all.** A reader never sees a part of an object, neither
 *   while it is written nor after a `put` failed.
 * - **Stored is stored.** Once `put` resolves, the object survives a crash,
 *   every `get` that begins later finds it, and every `list` names it.
 * - **A fault is never turned into absence.** `not-found` and `exists` are
 *   thrown only when the storage itself said so of this object; that a bucket,
 *   a mount or a network is not there, or access is refused, is an `io` error
 *   with its cause.
 * - **No short answers.** A `get` gives exactly the bytes of its range or
 *   throws; an answer that ends early is `truncated` or `io`, or is asked for
 *   again, never passed on as if it were all.
 * - **A source is used once.** A chunk of it is valid until the next is pulled:
 *   its memory is used again or freed then. A `put` that tries again copies
 *   what it needs for that, in bounded memory; errors of the source are thrown
 *   as they are.
 * - **Names are checked** before anything else, with a `TypeError`.
 *
 * Any number of calls may run at once. What fails with `io` may be tried again
 * by the caller; faults that are known to pass are retried in the storage.
 */
export interface Storage {
  /** The place in words, for messages; it carries no secret. */
  readonly location: string;

  /**
   * The folder of the operating system that the objects lie in; absent if they
   * do not lie in one.
   */
  readonly localPath?: string;

  /**
   * The bytes of an object, pulled as they are read. Nothing is asked of the
   * storage before the first chunk is; leaving the loop early lets go of it.
   *
   * A range is checked against the object even if it is empty: `offset` may be
   * the object's length, with a `length` of 0 or none, and gives no bytes.
   *
   * @throws {DeltarError} `not-found` if there is no such object; `truncated`
   * if the range reaches beyond its end.
   */
  get(name: string, options?: GetOptions): AsyncIterable<Uint8Array>;

  /**
   * Stores an object, replacing one of that name unless `ifAbsent` is set.
   * The source is pulled at the pace of the storage, in bounded memory whatever
   * its length, and ended early if the writing fails.
   *
   * A `put` that fails leaves what was there before. Only if it fails with
   * `io`, after it had been given its last byte, may the whole new object be
   * there: the answer was lost and nobody can know. Storing the same bytes
   * again is then the cure; with `ifAbsent`, `exists` tells that they, or those
   * of another writer, are there. A `put` that itself tries again never takes
   * its own earlier attempt for another writer's.
   *
   * @throws {DeltarError} `exists` if `ifAbsent` is set and the name is taken;
   * `unsupported` if the storage can only be read.
   */
  put(name: string, source: ByteSource, options?: PutOptions): Promise<void>;

  /**
   * The objects whose name starts with `prefix`, in no particular order. What is put
   * or deleted meanwhile may or may not be listed; the rest is, exactly once.
   * Other names than those of objects are left out. A listing that cannot be completed
   * throws; it never just ends.
   */
  list(prefix?: string): AsyncIterable<StoredObject>;

  /**
   * Removes an object; that there is none is no fault. A `delete` that fails
   * may have taken effect.
   *
   * @throws {DeltarError} `unsupported` if the storage can only be read.
   */
  delete(name: string): Promise<void>;

  /**
   * Clears away what writers left that were killed: unfinished uploads and the
   * like, which no `list` shows. A storage without such things has no `tidy`.
   *
   * @param before Only what was begun before this, in milliseconds since 1970.
   */
  tidy?(before: number): Promise<void>;
}
