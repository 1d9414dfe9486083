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
  /**
   * `run` could not take the snapshot before the command and so did not run the
   * command, or could not take the snapshot after a command that succeeded.
   * Other programs that run a command, such as `env`, use this code for their
   * own failures, too.
   */
  noSnapshot: 125,
  /** The command of `run` exists, but could not be run. */
  notRunnable: 126,
  /** The command of `run` does not exist. */
  noProgram: 127,
  /** The command was interrupted. */
  interrupted: 130,
} as const;
