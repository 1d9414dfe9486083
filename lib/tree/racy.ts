/**
 * The time, in nanoseconds, within which a change may leave a file's times
 * unchanged: the coarsest file systems keep two seconds. A file that changed
 * this shortly before it was looked at is read again, as git does with its
 * index.
 */
export const RACY_NANOSECONDS: bigint = 2_000_000_000n;
