/** The exit codes of the command. */
export const EXIT = {
  /** Everything was done. */
  done: 0,
  /**
   * The command failed, or `verify`, `drill` or `doctor` found a fault. The
   * output names the failure or fault.
   */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  /**
   * Everything was done except for what the output names, such as files that
   * could not be read.
   */
  partial: 3,
  /** The command was interrupted. */
  interrupted: 130,
} as const;
