import { createHash } from "node:crypto";
import {
  DeltarError,
  DirIndex,
  type Repository,
  type SnapshotRecord,
  type Tree,
  Walker,
} from "../mod.ts";
import { chunks } from "../lib/storage/mod.ts";
import {
  type FileFacts,
  type HashedEntry,
  HashReader,
  type IndexOptions,
  type LargeFile,
  type Metadata,
  RACY_NANOSECONDS,
} from "../lib/tree/mod.ts";
import { cacheFolder, userFolder } from "./location.ts";
import { relativeError } from "./relative_error.ts";

/** One of the two states of a directory that `diff` compares. */
export interface ComparedState {
  /** The entries. */
  readonly index: DirIndex;
  /** The mode, time, owner and attributes of the directory itself. */
  readonly root: Metadata;
  /** The names of owners and groups, as far as they are known. */
  readonly owners: SnapshotRecord["owners"];
  /**
   * Returns the content of a file, in parts. Reading the parts throws if the
   * content does not match the index.
   */
  open(file: HashedEntry): AsyncIterable<Uint8Array>;
}

/**
 * Returns the state of a directory, or of a folder in it, in a snapshot.
 *
 * @param repository The repository that has the snapshot.
 * @param record The snapshot.
 * @param tree The tree of the snapshot, or of a folder in it.
 * @param folder The path of the folder, `""` for the root.
 * @param signal The signal that stops the reading of files.
 */
export function snapshotState(
  repository: Repository,
  record: SnapshotRecord,
  tree: Tree,
  folder: string,
  signal: AbortSignal,
): ComparedState {
  const { root, owners } = record;
  const read = repository.fileReader(record);
  return {
    index: tree.index,
    root,
    owners,
    async *open({ path }) {
      const whole = folder === "" ? path : `${folder}/${path}`;
      try {
        yield* chunks(await read(whole, { signal }));
      } catch (error) {
        throw relativeError(error, folder);
      }
    },
  };
}

/** Options for reading the state of a directory. */
interface DirectoryOptions
  extends Pick<IndexOptions, "onSkip" | "onProgress" | "signal"> {
  /**
   * The path of the repository, which never counts as part of the directory;
   * `undefined` for a remote repository.
   */
  repository: string | undefined;
  /** Whether files are read even if their size and time are unchanged. */
  checksum: boolean;
}

/**
 * Reads the current state of a snapshot's directory, with the exclude rules of
 * the snapshot. Without `checksum`, a file that has the same size and time as
 * in the snapshot counts as unchanged and is not read. The exception is a file
 * that was modified so shortly before the snapshot that a second change could
 * have left it with the same time.
 *
 * @param place The path of the directory.
 * @param record The snapshot.
 * @param previous The index of the directory in the snapshot.
 * @param options Options for reading the state.
 * @throws {DeltarError} `not-found` or `io` if the directory cannot be read;
 * `aborted` if the signal fired.
 */
export async function directoryState(
  place: string,
  record: SnapshotRecord,
  previous: DirIndex,
  { repository, checksum, ...options }: DirectoryOptions,
): Promise<ComparedState> {
  const walker = new Walker(place, {
    ...record.rules,
    neverTouch: [
      ...repository === undefined ? [] : [repository],
      cacheFolder(),
      userFolder("state"),
    ],
  });
  const settled = BigInt(record.time) * 1_000_000n - RACY_NANOSECONDS;
  const index = await DirIndex.of(walker, {
    ...options,
    previous,
    unchanged: ({ path, size, mtime }) => {
      const before = previous.get(path);
      return !checksum && mtime < settled && before?.size === size &&
        before.mtime === mtime;
    },
    reader: new SumReader(),
  });
  return {
    index,
    root: index.root,
    owners: ownersOf(walker, index, previous, record.root),
    async *open(file) {
      const { path } = file;
      const hash = createHash("sha256");
      let size = 0;
      try {
        for await (const part of chunks(walker.open(path))) {
          size += part.length;
          if (size > file.size) break;
          hash.update(part);
          yield part;
        }
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : String(cause);
        throw new DeltarError("io", `cannot be read: ${text}`, { path, cause });
      }
      // The recorded checksum of a sparse file is the checksum of its condensed
      // form, so only the size is compared.
      const isSame = size === file.size &&
        (file.sparse !== undefined || hash.digest("hex") === file.sha256);
      if (isSame) return;
      throw new DeltarError(
        "mismatch",
        "changed during the comparison; run the command again",
        { path },
      );
    },
  };
}

/** A reader of files that computes the same checksums as a snapshot. */
class SumReader extends HashReader {
  readonly condenses = true;

  constructor() {
    super(Infinity);
  }

  override async pieces(
    entry: LargeFile,
    open: () => Iterable<Uint8Array>,
  ): Promise<FileFacts> {
    const facts = await super.pieces(entry, open);
    const { fileSize } = entry;
    return fileSize === undefined
      ? facts
      : { ...facts, size: fileSize, sparse: facts.size };
  }
}

/**
 * Returns the names of the current owner and group of each entry that has a
 * different owner or group in the snapshot.
 */
function ownersOf(
  walker: Walker,
  index: DirIndex,
  previous: DirIndex,
  previousRoot: Metadata,
): SnapshotRecord["owners"] {
  const users: Record<number, string> = {};
  const groups: Record<number, string> = {};
  const add = (now: Metadata, before: Metadata | undefined) => {
    if (before === undefined) return;
    if (before.uid === now.uid && before.gid === now.gid) return;
    const { uname, gname } = walker.ownersOf(now);
    if (uname !== undefined) users[now.uid] = uname;
    if (gname !== undefined) groups[now.gid] = gname;
  };
  add(index.root, previousRoot);
  for (const entry of index.entries) add(entry, previous.get(entry.path));
  return { users, groups };
}
