/**
 * The position of a member's content: a byte range of a volume that can be
 * decompressed by itself. The length of the content is recorded in the member.
 */
export interface ContentReference {
  /** The volume's object name. */
  volume: string;
  /** The offset of the range in the volume, in bytes. */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
  /** The number of decompressed bytes before the content. */
  skip: number;
}

/** The location of a frame, set once the frame is stored. */
export interface FrameLocation {
  /** The object name of the volume; empty until the frame is stored. */
  volume: string;
  /** The offset of the frame in the volume, in bytes. */
  offset: number;
  /** The length of the frame in bytes. */
  length: number;
}

/**
 * A content reference that shares the place of its frame with other members.
 */
export class PlacedContent implements ContentReference {
  /**
   * The place of the frame, or of all frames of a member that is larger than
   * one.
   */
  readonly frame: FrameLocation;
  /** See {@linkcode ContentReference.skip}. */
  readonly skip: number;

  /**
   * Makes a reference to content in a frame.
   *
   * @param frame The place of the frame.
   * @param skip The number of decompressed bytes before the content.
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
