import type { ChangeObject } from "diff";

/**
 * The maximum number of deleted and inserted lines, or words, that a comparison
 * finds. The time for a comparison grows with the square of this number. If two
 * texts differ in more lines or words, everything between their common
 * beginning and their common end counts as replaced.
 */
const MAX_EDITS = 2000;

/** A run of lines or words that are equal in two texts, or that differ. */
export interface Run {
  /** The lines or words of the run in the old text. */
  old: readonly string[];
  /** The lines or words of the run in the new text. */
  now: readonly string[];
  /** Whether the lines or words are equal in both texts. */
  isSame: boolean;
}

/**
 * One or more changes that are close to each other, with the unchanged lines
 * around them.
 */
export interface Hunk {
  /** The number of lines before the hunk in the old text. */
  oldStart: number;
  /** The number of lines before the hunk in the new text. */
  newStart: number;
  /** The changed and unchanged lines, in order. */
  runs: Run[];
}

/**
 * Returns the lines of a text, each with the line feed at its end. The last
 * line has no line feed if the text does not end with one.
 */
export function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => `${line}\n`);
  const last = lines.pop() ?? "";
  if (last !== "\n") lines.push(last.slice(0, -1));
  return lines;
}

/**
 * Returns the words of a text in order, with the line feeds and the runs of
 * other blanks between them. Only ASCII blanks separate words, because the text
 * can have any encoding.
 */
export function wordsOf(text: string): string[] {
  return text.match(/\n|[ \t\r\f\v]+|[^ \t\n\r\f\v]+/g) ?? [];
}

/** Compares two lists of lines or words, and returns their runs in order. */
export async function compareParts(
  old: readonly string[],
  now: readonly string[],
): Promise<Run[]> {
  const most = Math.min(old.length, now.length);
  let start = 0;
  while (start < most && old[start] === now[start]) start++;
  let end = 0;
  while (end < most - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const [oldEnd, nowEnd] = [old.length - end, now.length - end];
  return [
    sameRun(old.slice(0, start)),
    ...await compareMiddle(old.slice(start, oldEnd), now.slice(start, nowEnd)),
    sameRun(old.slice(oldEnd)),
  ].filter(({ old, now }) => old.length + now.length > 0);
}

/**
 * Compares two lists of lines or words that neither begin nor end with the same
 * element, and returns their runs in order.
 */
async function compareMiddle(
  old: readonly string[],
  now: readonly string[],
): Promise<Run[]> {
  const replaced = [{ old, now, isSame: false }];
  if (old.length === 0 || now.length === 0) return replaced;
  const { diffArrays } = await import("diff");
  // Each line or word is replaced by a number, because numbers are compared in
  // constant time, however long the lines or words are.
  const numbers = new Map<string, number>();
  const numbered = (parts: readonly string[]) =>
    parts.map((part) => {
      const number = numbers.get(part) ?? numbers.size;
      numbers.set(part, number);
      return number;
    });
  const changes: ChangeObject<number[]>[] | undefined = diffArrays(
    numbered(old),
    numbered(now),
    { maxEditLength: MAX_EDITS },
  );
  if (changes === undefined) return replaced;
  const runs: Run[] = [];
  let [oldAt, nowAt] = [0, 0];
  let [oldFrom, nowFrom] = [0, 0];
  const flush = () => {
    if (oldAt > oldFrom || nowAt > nowFrom) {
      runs.push({
        old: old.slice(oldFrom, oldAt),
        now: now.slice(nowFrom, nowAt),
        isSame: false,
      });
    }
  };
  for (const { added, removed, count } of changes) {
    if (removed) oldAt += count;
    else if (added) nowAt += count;
    else {
      flush();
      runs.push(sameRun(old.slice(oldAt, oldAt + count)));
      [oldFrom, nowFrom] = [oldAt += count, nowAt += count];
    }
  }
  flush();
  return runs;
}

function sameRun(parts: readonly string[]): Run {
  return { old: parts, now: parts, isSame: true };
}

/**
 * Returns the hunks of two texts that were compared line by line.
 *
 * @param runs The runs of lines, as `compareParts` returns them.
 * @param context The maximum number of unchanged lines before and after a
 * change.
 */
export function hunksOf(runs: readonly Run[], context: number): Hunk[] {
  const hunks: Hunk[] = [];
  let hunk: Hunk | undefined;
  let [oldAt, newAt] = [0, 0];
  for (const [at, run] of runs.entries()) {
    if (!run.isSame) {
      hunk ??= { oldStart: oldAt, newStart: newAt, runs: [] };
      hunk.runs.push(run);
    } else {
      const { old: lines } = run;
      const isLast = at === runs.length - 1;
      if (hunk !== undefined && !isLast && lines.length <= 2 * context) {
        hunk.runs.push(run);
      } else {
        if (hunk !== undefined) {
          hunk.runs.push(sameRun(lines.slice(0, context)));
          hunks.push(hunk);
          hunk = undefined;
        }
        if (!isLast) {
          const before = context === 0 ? [] : lines.slice(-context);
          const skipped = lines.length - before.length;
          hunk = {
            oldStart: oldAt + skipped,
            newStart: newAt + skipped,
            runs: [sameRun(before)],
          };
        }
      }
    }
    oldAt += run.old.length;
    newAt += run.now.length;
  }
  if (hunk !== undefined) hunks.push(hunk);
  return hunks;
}
