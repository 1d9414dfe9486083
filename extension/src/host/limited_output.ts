/** The maximum number of characters that are logged in one period. */
const MAX_CHARACTERS = 65_536;

/** The period to which `MAX_CHARACTERS` applies, in milliseconds. */
const PERIOD_MS = 60_000;

/**
 * Returns a function that writes the output of a process to a log. In each
 * minute, only the beginning of the output is written, so that a process that
 * keeps reporting errors does not fill the disk.
 *
 * @param write Called with each text to add to the log.
 * @param now Returns the time in milliseconds.
 */
export function limitedOutput(
  write: (text: string) => void,
  now = () => performance.now(),
): (text: string) => void {
  let started = -Infinity;
  let left = 0;
  let isTold = false;
  return (text) => {
    if (now() - started >= PERIOD_MS) {
      started = now();
      left = MAX_CHARACTERS;
      isTold = false;
    }
    const written = text.slice(0, left).trimEnd();
    if (written !== "") write(written);
    const isWhole = text.length <= left;
    left = isWhole ? left - text.length : 0;
    if (isWhole || isTold) return;
    isTold = true;
    write(
      "The process writes too much. No output is logged for up to a minute.",
    );
  };
}
