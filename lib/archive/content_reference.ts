/**
 * The position of a member's content: a byte range of a volume that can be
 * decompressed without the rest of the volume. The length of the content is
 * recorded next to the reference.
 */
export interface ContentReference {
  /** The volume's object name. */
  volume: string;
  /** The offset of the range in the volume, in bytes. */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
  /** The number of bytes before the content in the decompressed range. */
  skip: number;
}

/** The location of a frame, set when the frame is written to a volume. */
export interface FrameLocation {
  /** The object name of the volume; empty until the frame is written. */
  volume: string;
  /** The offset of the frame in the volume, in bytes. */
  offset: number;
  /** The length of the frame in bytes. */
  length: number;
}

/**
 * A content reference whose range is a frame. The members in the frame share
 * its location, which is set when the frame is written to a volume.
 */
export class PlacedContent implements ContentReference {
  /**
   * The location of the frame. If a member has several frames, this is one
   * location that spans all of them.
   */
  readonly frame: FrameLocation;
  /** See {@linkcode ContentReference.skip}. */
  readonly skip: number;

  /**
   * Makes a reference to content in a frame.
   *
   * @param frame The location of the frame.
   * @param skip The number of bytes before the content in the decompressed
   *   range.
   */
  constructor(frame: FrameLocation, skip: number) {
    this.frame = frame;
    this.skip = skip;
  }

  /** See {@linkcode ContentReference.volume}. */
  get volume(): string {
    return this.frame.volume;
  }

  /** See {@linkcode ContentReference.offset}. */
  get offset(): number {
    return this.frame.offset;
  }

  /** See {@linkcode ContentReference.length}. */
  get length(): number {
    return this.frame.length;
  }
}
