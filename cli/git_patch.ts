/**
 * Writes the changes between two states as a patch for `git apply` and
 * `patch -p1`.
 *
 * The content of files is handled as text in which each character stands for
 * one byte (`latin1`), so that the patch contains the bytes of the files
 * unchanged, whatever their encoding.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Change } from "../mod.ts";
import { encodeName, type HashedEntry } from "../lib/tree/mod.ts";
import type { ComparedState } from "./compared_state.ts";
import { gitLiteral } from "./git_binary.ts";
import { gitFileName, gitName, gitPairName } from "./git_name.ts";
import {
  compareParts,
  type Hunk,
  hunksOf,
  linesOf,
  type Run,
  wordsOf,
} from "../shared/text_diff.ts";

/** The maximum size of a file that is compared as text, in bytes. */
export const MAX_TEXT_BYTES = 8 << 20;

/** The maximum number of lines of a file that is compared as text. */
export const MAX_TEXT_LINES = 500_000;

/**
 * The number of bytes at the start of a file in which git looks for a zero
 * byte. A file with a zero byte there is binary.
 */
const BINARY_BYTES = 8000;

/** The number of digits of a shortened checksum. */
const SHORT_SUM_DIGITS = 7;

/** The checksum that stands for a file that does not exist. */
const NO_SUM = "0".repeat(40);

/** One of the two states that a patch compares. */
export interface PatchState extends Pick<ComparedState, "open"> {
  /** The entries by path. */
  readonly index: { get: (path: string) => HashedEntry | undefined };
}

/** A part of a patch. Each character of its text stands for one byte. */
export interface PatchPart {
  /** The kind of the part, which determines its color. */
  kind: "header" | "range" | "deleted" | "inserted" | "plain";
  /** The text (`latin1`). */
  text: string;
}

/** Options for writing patches. */
export interface PatchOptions {
  /** The number of unchanged lines around a change. Default: 3. */
  context?: number;
  /**
   * Whether the patch marks changed words instead of changed lines. `git apply`
   * cannot read such a patch. Default: `false`.
   */
  words?: boolean;
}

/** The modes of a file, an executable file and a symlink in git. */
type GitMode = "100644" | "100755" | "120000";

/** A file or symlink of one of the two states. */
interface GitFile {
  path: string;
  mode: GitMode;
  /** The size in bytes. */
  size: number;
  /** The key of the content. Contents with equal keys are equal. */
  key: string;
  /** Called to read the file. Returns the content, in parts. */
  open: () => AsyncIterable<Uint8Array>;
}

/** The old and the new file of a change, for one section of a patch. */
export interface FilePair {
  /** The old file; absent if the new one was created. */
  old?: GitFile;
  /** The new file; absent if the old one was deleted. */
  now?: GitFile;
  /** Whether the old file was renamed to the path of the new one. */
  isRename?: boolean;
}

/** The result of comparing a file pair. Only text files have runs of lines. */
export type Comparison =
  | { kind: "same" }
  | { kind: "text"; runs: readonly Run[]; sums: [string, string] }
  | { kind: "binary"; isLarge: boolean; sums?: [string, string] };

/**
 * Yields the file pairs of changes. git records only files and symlinks, and
 * only one part of a file's mode: whether the owner can execute the file. Other
 * changes have no pair. A copied file counts as created, because
 * `git apply --reverse` and `patch` cannot handle every copy.
 *
 * @param changes The changes, in path order.
 * @param states The old and the new state.
 * @param isShown Called with the old path of a renamed file. Returns whether
 * the patch includes changes to this path. If not, the file counts as created.
 */
export function* filePairs(
  changes: readonly Change[],
  [before, after]: readonly [PatchState, PatchState],
  isShown: (path: string) => boolean,
): Generator<FilePair> {
  /**
   * The old paths of the renamed files so far. If an old path has a second new
   * path, the second one counts as created.
   */
  const renamed = new Set<string>();
  for (const change of changes) {
    const now = "entry" in change ? fileOf(after, change.entry) : undefined;
    if (change.change === "renamed" || change.change === "copied") {
      const { from } = change;
      const isFirst = change.change === "renamed" && isShown(from) &&
        !renamed.has(from);
      const source = isFirst ? before.index.get(from) : undefined;
      const old = source && fileOf(before, source);
      if (now !== undefined && old?.key === now.key) {
        renamed.add(from);
        yield { old, now, isRename: true };
      } else if (now !== undefined) yield { now };
      continue;
    }
    const old = "before" in change ? fileOf(before, change.before) : undefined;
    if (old === undefined || now === undefined) {
      if (old !== now) yield { old, now };
    } else if (isLink(old) !== isLink(now)) {
      yield { old };
      yield { now };
    } else if (old.key !== now.key || old.mode !== now.mode) yield { old, now };
  }
}

function isLink({ mode }: GitFile): boolean {
  return mode === "120000";
}

/**
 * Returns an entry as a file for git, or `undefined` if git does not record
 * entries of this kind, such as folders.
 */
function fileOf(
  state: PatchState,
  entry: HashedEntry,
): GitFile | undefined {
  const { path } = entry;
  if (entry.kind === "symlink") {
    const bytes = encodeName(entry.target);
    return {
      path,
      mode: "120000",
      size: bytes.length,
      key: `link ${entry.target}`,
      open: async function* () {
        yield bytes;
      },
    };
  }
  const file = entry.kind === "hardlink"
    ? state.index.get(entry.target)
    : entry;
  if (file?.kind !== "file") return undefined;
  return {
    path,
    mode: file.mode & 0o100 ? "100755" : "100644",
    size: file.size,
    key: `${file.sha256} ${file.sparse}`,
    open: () => state.open(file),
  };
}

/**
 * Compares the contents of a file pair.
 *
 * @param pair The files.
 * @param wantsBinary Whether the patch includes the contents of binary files.
 * If so, their checksums are computed.
 */
export async function comparePair(
  { old, now }: FilePair,
  wantsBinary = false,
): Promise<Comparison> {
  if (old?.key === now?.key) return { kind: "same" };
  const binary = async (isLarge: boolean): Promise<Comparison> => ({
    kind: "binary",
    isLarge,
    ...wantsBinary && { sums: [await sumOf(old), await sumOf(now)] },
  });
  const files = [old, now];
  if (files.some((file) => file !== undefined && file.size > MAX_TEXT_BYTES)) {
    return await binary(true);
  }
  const contents: [string, string] = ["", ""];
  const sums: [string, string] = [NO_SUM, NO_SUM];
  for (const [at, file] of files.entries()) {
    if (file === undefined) continue;
    const parts: Uint8Array[] = [];
    for await (const part of file.open()) parts.push(part);
    const bytes = Buffer.concat(parts);
    if (bytes.subarray(0, BINARY_BYTES).includes(0)) {
      return await binary(false);
    }
    if (lineCount(bytes) > MAX_TEXT_LINES) {
      return await binary(true);
    }
    contents[at] = bytes.toString("latin1");
    sums[at] = blobHash(file.size).update(bytes).digest("hex");
  }
  const [before, after] = contents.map(linesOf);
  return { kind: "text", runs: await compareParts(before, after), sums };
}

function lineCount(bytes: Uint8Array): number {
  let count = 1;
  for (const byte of bytes) if (byte === 0x0a) count++;
  return count;
}

/**
 * Returns a SHA-1 hash that has been updated with the header of a git blob.
 *
 * @param size The size of the blob in bytes.
 */
function blobHash(size: number): ReturnType<typeof createHash> {
  return createHash("sha1").update(`blob ${size}\0`);
}

/** Returns git's checksum of a file, or `NO_SUM` for an absent file. */
async function sumOf(file: GitFile | undefined): Promise<string> {
  if (file === undefined) return NO_SUM;
  const hash = blobHash(file.size);
  for await (const part of file.open()) hash.update(part);
  return hash.digest("hex");
}

/**
 * Yields the patch of a file pair.
 *
 * @param pair The files.
 * @param comparison The result of `comparePair`.
 * @param options Options for writing patches.
 */
export async function* patchOf(
  pair: FilePair,
  comparison: Comparison,
  options: PatchOptions = {},
): AsyncGenerator<PatchPart> {
  const { old, now } = pair;
  const sums = comparison.kind === "same" ? undefined : comparison.sums;
  const isWhole = comparison.kind === "binary" && sums !== undefined;
  const header = [...headerOf(pair)];
  if (sums !== undefined) {
    const [from, to] = isWhole
      ? sums
      : sums.map((sum) => sum.slice(0, SHORT_SUM_DIGITS));
    const mode = old?.mode === now?.mode ? ` ${now?.mode}` : "";
    header.push(`index ${from}..${to}${mode}`);
  }
  const names = [
    old === undefined ? "/dev/null" : `a/${old.path}`,
    now === undefined ? "/dev/null" : `b/${now.path}`,
  ];
  const isText = comparison.kind === "text" && comparison.runs.length > 0;
  if (isText) {
    header.push(`--- ${gitFileName(names[0])}`, `+++ ${gitFileName(names[1])}`);
  }
  yield { kind: "header", text: `${header.join("\n")}\n` };
  if (isText) {
    for (const hunk of hunksOf(comparison.runs, options.context ?? 3)) {
      yield* options.words ? hunkOfWords(hunk) : hunkOfLines(hunk);
    }
  } else if (isWhole) {
    yield { kind: "plain", text: "GIT binary patch\n" };
    for (const file of [now, old]) {
      const content = file?.open() ?? nothing();
      for await (const text of gitLiteral(file?.size ?? 0, content)) {
        yield { kind: "plain", text };
      }
    }
  } else if (comparison.kind === "binary") {
    const [from, to] = names.map(gitName);
    yield { kind: "plain", text: `Binary files ${from} and ${to} differ\n` };
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Yields the lines of a header that precede the line with the checksums. */
function* headerOf({ old, now, isRename }: FilePair): Generator<string> {
  const from = old?.path ?? now?.path ?? "";
  const to = now?.path ?? from;
  yield `diff --git ${gitPairName(`a/${from}`)} ${gitPairName(`b/${to}`)}`;
  if (old === undefined) yield `new file mode ${now?.mode}`;
  else if (now === undefined) yield `deleted file mode ${old.mode}`;
  else if (old.mode !== now.mode) {
    yield `old mode ${old.mode}`;
    yield `new mode ${now.mode}`;
  }
  if (isRename) {
    yield "similarity index 100%";
    yield `rename from ${gitName(from)}`;
    yield `rename to ${gitName(to)}`;
  }
}

/** Returns the line with the positions of a hunk in the two texts. */
function rangeOf({ oldStart, newStart, runs }: Hunk): PatchPart {
  const range = (start: number, side: "old" | "now") => {
    const count = runs.reduce((sum, run) => sum + run[side].length, 0);
    const first = count === 0 ? start : start + 1;
    return count === 1 ? `${first}` : `${first},${count}`;
  };
  const [old, now] = [range(oldStart, "old"), range(newStart, "now")];
  return { kind: "range", text: `@@ -${old} +${now} @@\n` };
}

/** Yields a hunk with the signs `-` and `+` before changed lines. */
function* hunkOfLines(hunk: Hunk): Generator<PatchPart> {
  yield rangeOf(hunk);
  for (const { old, now, isSame } of hunk.runs) {
    if (isSame) yield* signed("plain", " ", old);
    else {
      yield* signed("deleted", "-", old);
      yield* signed("inserted", "+", now);
    }
  }
}

function* signed(
  kind: PatchPart["kind"],
  sign: string,
  lines: readonly string[],
): Generator<PatchPart> {
  for (const line of lines) {
    yield { kind, text: sign + ended(line) };
    if (line.endsWith("\n")) continue;
    yield { kind: "plain", text: "\\ No newline at end of file\n" };
  }
}

function ended(line: string): string {
  return line.endsWith("\n") ? line : `${line}\n`;
}

/** Yields a hunk in which words are marked as in `git diff --word-diff`. */
async function* hunkOfWords(hunk: Hunk): AsyncGenerator<PatchPart> {
  yield rangeOf(hunk);
  for (const { old, now, isSame } of hunk.runs) {
    if (isSame) {
      yield { kind: "plain", text: ended(old.join("")) };
      continue;
    }
    const [before, after] = [old, now].map((lines) =>
      wordsOf(lines.map(ended).join(""))
    );
    for (const run of await compareParts(before, after)) {
      if (run.isSame) yield { kind: "plain", text: run.now.join("") };
      else {
        yield* marked("deleted", "[-", run.old, "-]");
        yield* marked("inserted", "{+", run.now, "+}");
      }
    }
  }
}

/** Yields words between two marks. Each line has its own marks. */
function* marked(
  kind: PatchPart["kind"],
  begin: string,
  words: readonly string[],
  end: string,
): Generator<PatchPart> {
  for (const line of linesOf(words.join(""))) {
    const text = line.replace(/\n$/, "");
    if (text !== "") yield { kind, text: begin + text + end };
    if (text !== line) yield { kind: "plain", text: "\n" };
  }
}
