import { type Change, DeltarError } from "../mod.ts";
import { isWithin } from "../lib/tree/mod.ts";
import { formatBytes, formatCount } from "../shared/text.ts";
import { DAMAGE_ADVICE, isOfObject } from "./advice.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import {
  comparePair,
  type Comparison,
  type FilePair,
  filePairs,
  MAX_TEXT_BYTES,
  MAX_TEXT_LINES,
  patchOf,
  type PatchOptions,
  type PatchPart,
  type PatchState,
} from "./git_patch.ts";
import type { PagedOutput } from "./pager.ts";
import { patchBytes } from "./patch_view.ts";
import { showPath } from "./text.ts";

/** The command-line options for patches. */
export interface PatchFlags {
  /** The number of unchanged lines around a change. Default: 3. */
  unified?: number;
  /** Whether changed words are marked. */
  word?: boolean;
  /** Whether the patch includes binary files. */
  binary?: boolean;
}

/** The changes of a patch. */
export interface Patched {
  /** The old and the new state. */
  states: readonly [PatchState, PatchState];
  /** The files and folders to show; `""` stands for all. */
  paths: readonly string[];
  /** The changes, in path order. */
  changes: readonly Change[];
}

/** The patch of the changed files, which are compared one after the other. */
export class PatchContents {
  /**
   * The exit code: `EXIT.partial` if the content of a file could not be
   * compared or shown, otherwise `EXIT.done`.
   */
  code: number = EXIT.done;
  readonly #context: Context;
  readonly #out: Console;
  readonly #patched: Patched;
  readonly #told = new Set<string>();

  /**
   * Prepares the comparison without reading anything.
   *
   * @param context The context with the signal that stops the comparison.
   * @param out The console for warnings.
   * @param patched The changes.
   */
  constructor(context: Context, out: Console, patched: Patched) {
    this.#context = context;
    this.#out = out;
    this.#patched = patched;
  }

  /**
   * Prints the patch.
   *
   * @param output The output.
   * @param flags The command-line options.
   * @returns `false` if further output is not shown, as `output.write` reports.
   */
  async print(output: PagedOutput, flags: PatchFlags): Promise<boolean> {
    for await (const part of this.parts(flags)) {
      if (!await output.write(patchBytes(part))) return false;
    }
    return true;
  }

  /** Yields the parts of the patch. */
  async *parts(flags: PatchFlags = {}): AsyncGenerator<PatchPart> {
    const style = { context: flags.unified, words: flags.word };
    for await (const [pair, comparison] of this.compare(flags.binary)) {
      yield* this.#patch(pair, comparison, style);
    }
  }

  /**
   * Yields each pair of files, and the result of comparing their contents. If a
   * content cannot be read, prints the reason and continues with the next pair.
   *
   * @param wantsBinary Whether the patch includes binary files.
   * @throws {DeltarError} `aborted` if the comparison is interrupted.
   */
  async *compare(
    wantsBinary = false,
  ): AsyncGenerator<[FilePair, Comparison]> {
    const { states, paths, changes } = this.#patched;
    const isShown = (path: string) =>
      paths.some((folder) => isWithin(path, folder));
    for (const pair of filePairs(changes, states, isShown)) {
      if (this.#context.signal.aborted) {
        throw new DeltarError("aborted", "interrupted");
      }
      let comparison: Comparison;
      try {
        comparison = await comparePair(pair, wantsBinary);
      } catch (error) {
        this.#leaveOut(pair, error);
        continue;
      }
      if (comparison.kind === "binary" && comparison.isLarge) {
        const path = showPath(pair.now?.path ?? pair.old?.path ?? "");
        this.#tell(
          `${path}: compared as a binary file, because it is larger than ` +
            `${formatBytes(MAX_TEXT_BYTES)} or has more than ` +
            `${formatCount(MAX_TEXT_LINES)} lines`,
        );
      }
      yield [pair, comparison];
    }
  }

  /**
   * Yields the patch of a pair of files. If a content cannot be read or has
   * changed since it was compared, prints the reason. The output then omits the
   * pair or, if a file is large, has only the beginning of the pair's patch.
   */
  async *#patch(
    pair: FilePair,
    comparison: Comparison,
    style: PatchOptions,
  ): AsyncGenerator<PatchPart> {
    const parts = patchOf(pair, comparison, style);
    const isLarge = comparison.kind !== "binary" || comparison.isLarge;
    try {
      if (isLarge) yield* parts;
      else yield* await Array.fromAsync(parts);
    } catch (error) {
      this.#leaveOut(pair, error);
    }
  }

  /**
   * Prints why the contents of a pair of files cannot be compared or shown, and
   * sets the exit code to `EXIT.partial`.
   *
   * @throws The error, if it reports an interrupt or is not a `DeltarError`.
   */
  #leaveOut(pair: FilePair, error: unknown): void {
    if (!(error instanceof DeltarError) || error.code === "aborted") {
      throw error;
    }
    this.code = EXIT.partial;
    const path = showPath(pair.now?.path ?? pair.old?.path ?? "");
    const place = error.path === undefined ? `${path}: ` : "";
    const advice = isOfObject(error) ? `; ${DAMAGE_ADVICE}` : "";
    this.#tell(`${place}${error.message}${advice}`);
  }

  /** Prints a message, once. */
  #tell(text: string): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.#out.warn(text);
  }
}
