/**
 * The coarsest precision of file times, in nanoseconds: some file systems store
 * times in steps of two seconds. If a file changes twice within this time, its
 * times can be the same after both changes. The next walk therefore reads a
 * file again if the file changed less than two seconds before its state was
 * read, as git does.
 */
export const RACY_NANOSECONDS: bigint = 2_000_000_000n;
