/** A part of the old state of a file, held in memory. */
export interface OldPart {
  /** The offset of the part in the old state, in bytes. */
  offset: number;
  /** The bytes of the part. */
  bytes: Uint8Array;
}

/** The old state of a file. Parts of it are loaded on request. */
export interface OldParts {
  /** The loaded parts. The next call to `load` can free them. */
  readonly parts: readonly OldPart[];

  /**
   * Loads the part that holds a byte.
   *
   * @param offset The offset of the byte in the old state, in bytes.
   * @throws {DeltarError} If the part cannot be read.
   */
  load(offset: number): Promise<void>;

  /**
   * Called with each range of the old state that is between two copies of a
   * delta and not much longer than the new bytes between these copies. An
   * implementation keeps the loaded bytes of the range, so that the delta can
   * be refined without reading them again. The range can include bytes that are
   * not loaded.
   *
   * @param start The offset of the range in the old state, in bytes.
   * @param end The offset after the last byte of the range, in bytes.
   */
  keep(start: number, end: number): void;
}
