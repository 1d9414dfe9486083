/**
 * A file that changed so shortly before it was looked at may change again with
 * no change of its times, in nanoseconds: the coarsest file systems keep two
 * seconds. It is read again, as git does with its index.
 */
export const RACY_NANOSECONDS: bigint = 2_000_000_000n;
