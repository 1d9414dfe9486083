/** A description of an error of the operating system. */
export interface SystemErrorText {
  /** The reason, which is shown after a colon. */
  reason: string;
  /**
   * The beginning of a sentence of advice, in the imperative. Absent if nothing
   * can be done about the error at this location.
   */
  remedy?: string;
}

const CHECK = "Check the owner and mode";

/**
 * The reason and the remedy for each error of the operating system that deltar
 * explains. The keys are the codes of the errors.
 */
export const SYSTEM_ERRORS = {
  EACCES: { reason: "permission denied", remedy: CHECK },
  EPERM: { reason: "operation not permitted", remedy: CHECK },
  EROFS: {
    reason: "the file system is read-only",
    remedy: "Remount the file system as writable",
  },
  ENOSPC: { reason: "the disk is full", remedy: "Free some space on the disk" },
  EDQUOT: {
    reason: "the disk quota is exceeded",
    remedy: "Delete some of your files",
  },
  ENOTDIR: { reason: "a part of the path is not a directory" },
  ENAMETOOLONG: { reason: "the name or path is too long" },
  ELOOP: { reason: "the path leads through too many symlinks" },
  EIO: { reason: "the disk reported an error" },
} as const satisfies Record<string, SystemErrorText>;
