/**
 * The coarsest precision of file times, in nanoseconds: some file systems store
 * times in steps of two seconds. A second change within this time can leave a
 * file's times unchanged. If a file changed within this time before its state
 * was read, the next walk therefore reads the file again, as git does.
 */
export const RACY_NANOSECONDS: bigint = 2_000_000_000n;
