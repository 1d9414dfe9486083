/**
 * The default grace period, in milliseconds: 7 days. During this time, a
 * removed snapshot can be brought back.
 */
export const DEFAULT_GRACE_MS: number = 7 * 24 * 60 * 60 * 1000;

/**
 * The default time, in milliseconds, for which a prune watches another prune or
 * run without a heartbeat before it considers that prune or run dead: three
 * intervals between heartbeats.
 */
export const DEFAULT_PATIENCE_MS = 45_000;

/**
 * The default share of needed bytes, from 0 to 1, below which a volume is
 * repacked.
 */
export const DEFAULT_REPACK_BELOW = 0.5;

/**
 * The default time for which safety snapshots are kept, in milliseconds: 30
 * days. The note of a restore into a new or empty directory is kept for the
 * same time, unless the record of its snapshot is deleted earlier. The restore
 * can be undone only as long as its note exists.
 */
export const DEFAULT_SAFETY_MS: number = 30 * 24 * 60 * 60 * 1000;
