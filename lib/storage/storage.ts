import type { ByteSource } from "../bytes/source.ts";

/** An object as a listing shows it. */
export interface StoredObject {
  /** Its name, `/`-separated, never starting or ending with `/`. */
  name: string;
  /** Its length in bytes. */
  size: number;
}

/** What part of an object to read. */
export interface GetOptions {
  /** The first byte to read, from 0. */
  offset?: number;
  /** How many bytes to read; by default all that follow. */
  length?: number;
  /** Stops the reading with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** How to store an object. */
export interface PutOptions {
  /** Fail with code `exists` rather than replace an object of that name. */
  ifAbsent?: boolean;
  /** Stops the writing with an error of code `aborted`; nothing is stored. */
  signal?: AbortSignal;
}

/**
 * Where bytes live: a flat space of immutable, named objects. Names are
 * `/`-separated segments that do not start with `.` and hold no backslash and
 * no control character.
 *
 * Whoever implements this promises:
 *
 * - an object appears whole or not at all: a `put` that fails leaves no object,
 *   and a reader never sees a part of one;
 * - once `put` resolves, the object survives a crash, `get` finds it and `list`
 *   names it;
 * - a fault is never turned into absence: `not-found` is thrown only when the
 *   storage itself said so, anything else is an `io` error with its cause.
 */
export interface Storage {
  /** The place in words, for messages; it carries no secret. */
  readonly location: string;

  /**
   * The bytes of an object, pulled as they are read.
   *
   * @throws {DeltarError} `not-found` if there is no such object; `truncated`
   * if the range reaches beyond its end.
   */
  get(name: string, options?: GetOptions): AsyncIterable<Uint8Array>;

  /**
   * Stores an object, replacing one of that name unless `ifAbsent` is set.
   * The source is pulled at the pace of the storage.
   *
   * @throws {DeltarError} `exists` if `ifAbsent` is set and the name is taken.
   */
  put(name: string, source: ByteSource, options?: PutOptions): Promise<void>;

  /**
   * The objects whose name starts with `prefix`, in no particular order. What is put
   * or deleted meanwhile may or may not be listed; the rest is, exactly once.
   */
  list(prefix?: string): AsyncIterable<StoredObject>;

  /** Removes an object; that there is none is no fault. */
  delete(name: string): Promise<void>;
}
