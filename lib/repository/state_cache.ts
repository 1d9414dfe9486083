import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import type { WalkedEntry } from "../tree/entry.ts";
import { isCount } from "../tree/entry_line.ts";
import { readFileBytes, writeFileAtomic } from "../tree/file.ts";
import { decodeLines, encodeLines, type Line } from "../tree/lines.ts";

/** What told a file unchanged when it was last seen, as text. */
type Stamp = string;

const FORMAT = "deltar-state";
const VERSION = 1;

/**
 * A file that changed so shortly before it was looked at may change again with
 * no change of its times (the coarsest file systems keep two seconds), so it
 * is read again, as git does with its index. In nanoseconds.
 */
const RACY = 2_000_000_000n;

/**
 * What a machine remembers of a directory between snapshots: size, times and
 * inode of each file, so that an unchanged one is not read. It may be lost or
 * damaged at any time; that costs reading the files again.
 */
export class StateCache {
  readonly #file: string | undefined;
  readonly #stamps = new Map<string, Stamp>();
  readonly #seen = new Map<string, Stamp>();
  readonly #newest: bigint;

  private constructor(file: string | undefined, now: number) {
    this.#file = file;
    this.#newest = BigInt(now) * 1_000_000n - RACY;
  }

  /**
   * Reads what is remembered of a directory as it was in a snapshot.
   *
   * @param folder Where caches are kept; none remembers nothing.
   * @param repository The repository's id.
   * @param directory The directory's absolute path.
   * @param snapshot The snapshot that the tree at hand is of.
   * @param now The time, in milliseconds since 1970.
   */
  static async read(
    folder: string | undefined,
    repository: string,
    directory: string,
    snapshot: string | undefined,
    now: number,
  ): Promise<StateCache> {
    const key = toHex(sha256(new TextEncoder().encode(directory)));
    const file = folder && `${folder}/${repository}-${key.slice(0, 16)}.ndjson`;
    const cache = new StateCache(file, now);
    if (snapshot !== undefined) await cache.#read(snapshot);
    return cache;
  }

  /** Whether a file is as it was; either way it is remembered for `write`. */
  isUnchanged(entry: WalkedEntry): boolean {
    const { size, mtime, ctime, inode } = entry;
    const stamp = `${size} ${mtime} ${ctime} ${inode}`;
    if (mtime < this.#newest && ctime < this.#newest) {
      this.#seen.set(entry.path, stamp);
    }
    return this.#stamps.get(entry.path) === stamp;
  }

  /** Forgets a file that changed while it was read. */
  forget(path: string): void {
    this.#seen.delete(path);
  }

  /**
   * Remembers the files that were seen, as the state of a snapshot. A fault
   * is none of the snapshot's.
   */
  async write(snapshot: string): Promise<void> {
    if (this.#file === undefined) return;
    const lines = function* (seen: Map<string, Stamp>): Generator<Line> {
      for (const [path, stamp] of seen) yield { path, stamp };
    };
    try {
      const bytes = encodeLines(
        FORMAT,
        VERSION,
        { snapshot, files: this.#seen.size },
        lines(this.#seen),
      );
      await writeFileAtomic(this.#file, bytes, { inNewFolder: true });
    } catch {
      // The next snapshot reads the files again.
    }
  }

  async #read(snapshot: string): Promise<void> {
    if (this.#file === undefined) return;
    try {
      const bytes = await readFileBytes(this.#file);
      const { header, lines } = decodeLines(
        bytes,
        FORMAT,
        VERSION,
        this.#file,
      );
      if (header.snapshot !== snapshot || !isCount(header.files)) return;
      for (const [{ path, stamp }] of lines) {
        this.#stamps.set(path as string, stamp as string);
      }
    } catch {
      // Absent or damaged, it is as if nothing were remembered.
      this.#stamps.clear();
    }
  }
}
