/**
 * Where the content of a member lies: a byte range of a volume that
 * decompresses alone. The content's length is not part of it; the member
 * has it.
 */
export interface ContentReference {
  /** The volume's object name. */
  volume: string;
  /** The first byte of the range in the volume. */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
  /** How many decompressed bytes come before the content's first. */
  skip: number;
}
