/**
 * The coarsest precision of file times, in nanoseconds: some file systems store
 * times in steps of two seconds. A further change within this time may leave a
 * file's times unchanged. A file that changed this shortly before its state was
 * read is therefore read again by the next walk, as in git.
 */
export const RACY_NANOSECONDS: bigint = 2_000_000_000n;
