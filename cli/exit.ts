/** The exit codes of the command. */
export const EXIT = {
  /** All was done. */
  done: 0,
  /** It failed; the message says why. */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  /** It was done, but some files could not be; each is named. */
  partial: 3,
  /** It was interrupted. */
  interrupted: 130,
} as const;
