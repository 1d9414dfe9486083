import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { collectAtMost, toStream } from "../bytes/source.ts";
import { inTurns, turnIfDue } from "../bytes/turns.ts";
import type { Storage } from "../storage/storage.ts";
import { MAX_LISTING_BYTES } from "../bytes/listing.ts";
import { scanArchives } from "./archive_scan.ts";
import { type CompressOptions, compressTree } from "./compress_tree.ts";
import { extractMembers, type ExtractOptions } from "./extract_members.ts";
import { IndexedReader } from "./indexed_reader.ts";
import type { TarMember } from "./tar_member.ts";
import {
  folderOf,
  indexName,
  type TarVolumeOptions,
  TarVolumeWriter,
} from "./tar_volume_writer.ts";
import type { Metadata } from "../tree/entry.ts";
import { withOwnersHere } from "../tree/owner_fields.ts";
import type { TreeSink, TreeSource } from "./tree_sink.ts";
import { decodeIndexSteps, type VolumeIndex } from "./volume_index.ts";

/** Options for opening an archive. */
export interface OpenOptions {
  /**
   * The archive's index, or `null` to read without an index. By default, the
   * index is read from the storage if it exists.
   */
  index?: VolumeIndex | null;
  /**
   * The object names of the volumes, in order, for an archive without an index.
   * Default: the names that are found in the storage.
   */
  volumes?: readonly string[];
  /**
   * The signal that aborts opening the archive, and all later reads of it, with
   * an error of code `aborted`.
   */
  signal?: AbortSignal;
}

/**
 * A tar archive that is split into volumes. Each volume is an archive that
 * `tar` can read. An index has the positions of the members, so that one file
 * can be read without the other files. Without the index, each volume is read
 * from its start.
 *
 * @example Write an archive and read one file from it
 * ```ts
 * import { MemoryStorage, TarVolume } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const storage = new MemoryStorage();
 * const writer = TarVolume.create(storage, "notes");
 * await writer.add("docs/hello.txt", new TextEncoder().encode("hello"));
 * await writer.close();
 *
 * const archive = await TarVolume.open(storage, "notes");
 * const text = await new Response(archive.extractFile("docs/hello.txt")).text();
 * assert.equal(text, "hello");
 * ```
 */
export class TarVolume {
  /** The object names of the volumes, in order. */
  readonly volumes: readonly string[];
  /** The archive's index, if there is one. */
  readonly index: VolumeIndex | undefined;
  readonly #storage: Storage;
  readonly #signal: AbortSignal | undefined;
  readonly #reader: IndexedReader | undefined;

  private constructor(
    storage: Storage,
    volumes: readonly string[],
    folder: string,
    index: VolumeIndex | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#storage = storage;
    this.volumes = volumes;
    this.index = index;
    this.#signal = signal;
    this.#reader = index && new IndexedReader(storage, folder, index, signal);
  }

  /**
   * Starts an archive. With gzip, its volumes are the objects `{key}.vol0.tgz`,
   * `{key}.vol1.tgz` and so on. With zstd, they are `{key}.vol0.tar.zst` and so
   * on. The index of the archive is `{key}.index.ndjson`.
   *
   * @param storage The storage of the archive.
   * @param key The prefix of the object names of the archive.
   * @param options Options for writing.
   * @returns The writer of the archive.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If `volumeSize` is less than 4,096 or `frameSize` is
   *   less than 1,024.
   */
  static create(
    storage: Storage,
    key: string,
    options: TarVolumeOptions = {},
  ): TarVolumeWriter {
    return new TarVolumeWriter(storage, key, options);
  }

  /**
   * Stores a whole tree as an archive.
   *
   * @param tree The tree, such as a `Dir`.
   * @param storage The storage of the archive.
   * @param key The prefix of the object names of the archive.
   * @param options Options for writing, and a callback for skipped paths.
   * @returns The stored index.
   * @throws {DeltarError} `aborted` if the signal fired, and the errors of the
   *   tree and of the storage, such as `exists` if an object of the archive
   *   already exists.
   * @throws {TypeError} As for `create`.
   * @throws {RangeError} As for `create`.
   */
  static compress(
    tree: TreeSource,
    storage: Storage,
    key: string,
    options: CompressOptions = {},
  ): Promise<VolumeIndex> {
    return compressTree(tree, storage, key, options);
  }

  /**
   * Opens an archive by its key.
   *
   * @param storage The storage of the archive.
   * @param key The prefix of the object names of the archive.
   * @param options The index, if the caller has it; the names of the volumes;
   *   and the signal.
   * @returns The archive.
   * @throws {DeltarError} `not-found` if there is no such archive or if,
   *   without an index, a volume before the last one is missing; `limit` if the
   *   index is larger than 1 GiB; `aborted` if the signal fired; the errors of
   *   `VolumeIndex.decode` if the index is damaged; the errors of the storage.
   */
  static async open(
    storage: Storage,
    key: string,
    options: OpenOptions = {},
  ): Promise<TarVolume> {
    const { signal } = options;
    const index = options.index === undefined
      ? await loadIndex(storage, indexName(key), signal)
      : options.index ?? undefined;
    const folder = folderOf(key);
    const names = index
      ? index.volumes.map(({ name }) => folder + name)
      : options.volumes ?? await findVolumes(storage, key);
    return new TarVolume(storage, names, folder, index, signal);
  }

  /**
   * Opens archives by their object names, without an index. Archives that other
   * programs wrote, such as tar and gzip, can also be opened.
   *
   * @param storage The storage of the archives.
   * @param names The object names of the archives, in order.
   * @param options The signal that aborts all reads.
   * @returns An archive that consists of the given archives.
   */
  static fromVolumes(
    storage: Storage,
    names: readonly string[],
    options: { signal?: AbortSignal } = {},
  ): TarVolume {
    return new TarVolume(storage, names, "", undefined, options.signal);
  }

  /**
   * Yields the members in the order of the archive.
   *
   * @throws {DeltarError} `aborted` if the signal fired; without an index, also
   *   `unsafe` for a member with an invalid path, and the errors of `readTar`,
   *   the codecs and the storage.
   */
  async *members(): AsyncGenerator<TarMember> {
    if (this.index !== undefined) {
      for (const member of this.index.members) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(this.#signal);
        yield member;
      }
    } else {
      for await (const { member } of this.#scan()) yield member;
    }
  }

  /**
   * Returns the content of a file, or of the file that a hard link points to.
   * With an index, only the byte range that holds the content is read, and the
   * content is checked against its SHA-256. Without an index, the first member
   * with the given path is read.
   *
   * @param path The path of the file in the archive.
   * @returns The content. The stream fails with `not-found` if there is no such
   *   file, with `corrupt` if the content does not match the index, and with
   *   the errors of the codec and the storage; without an index, also with
   *   `unsafe` for a member with an invalid path, and the errors of `readTar`.
   */
  extractFile(path: string): ReadableStream<Uint8Array> {
    return toStream(this.#reader?.content(path) ?? this.#find(path));
  }

  /**
   * Extracts a file, a link, or a directory with everything in it, to the same
   * path below the target.
   *
   * @param path The path in the archive; `""` stands for the whole archive.
   * @param target The path of the directory to write to, or a sink.
   * @param options The signal, a callback for skipped members, and whether
   *   owners are set by number.
   * @throws {DeltarError} `not-found` if the archive has no member at the path,
   *   `unsafe` if a member would be written outside the target, `corrupt` if
   *   the content of a file does not match the index, and the errors of reading
   *   the archive and writing to the target.
   */
  async extract(
    path: string,
    target: string | TreeSink,
    options: ExtractOptions = {},
  ): Promise<void> {
    const count = typeof target === "string"
      ? await intoDirectory(
        target,
        options,
        (sink) => this.#give(path, sink, options),
      )
      : await this.#give(path, target, options);
    if (count === 0 && path !== "") {
      throw new DeltarError("not-found", "no such member in the archive", {
        path,
      });
    }
  }

  /**
   * Extracts all members.
   *
   * @param target The target, as for `extract`.
   * @param options The options, as for `extract`.
   * @throws {DeltarError} As for `extract`.
   */
  extractAll(
    target: string | TreeSink,
    options: ExtractOptions = {},
  ): Promise<void> {
    return this.extract("", target, options);
  }

  /**
   * Writes the members at or below a path to a sink. Returns the number of
   * these members, including skipped ones.
   */
  async #give(
    path: string,
    sink: TreeSink,
    options: ExtractOptions,
  ): Promise<number> {
    if (this.#reader) return await this.#reader.extract(path, sink, options);
    return await extractMembers(
      this.#scan(),
      path,
      sink,
      (existing) => this.#find(existing),
      options,
    );
  }

  #scan(): ReturnType<typeof scanArchives> {
    return scanArchives(this.#storage, this.volumes, this.#signal);
  }

  /**
   * Yields the content of a file, or of the file that a hard link points to.
   *
   * @param isTarget Whether `path` is the target of a hard link. If so, the
   *   member at `path` must be a file.
   */
  async *#find(path: string, isTarget = false): AsyncGenerator<Uint8Array> {
    for await (const { member, body } of this.#scan()) {
      if (member.path !== path) continue;
      if (member.kind === "file") return yield* body;
      if (member.kind !== "hardlink" || isTarget) break;
      return yield* this.#find(member.target, true);
    }
    throw new DeltarError("not-found", "no such file in the archive", { path });
  }
}

/**
 * Calls `work` with a sink that writes to a directory, and closes the sink
 * afterwards. Returns the result of `work`.
 */
async function intoDirectory<Result>(
  path: string,
  { numericOwner, onSkip }: ExtractOptions,
  work: (sink: TreeSink) => Promise<Result>,
): Promise<Result> {
  // These modules are loaded only here, because they need a file system, which
  // some runtimes do not have.
  const { TreeWriter } = await import("../tree/tree_writer.ts");
  const { canUseRawNames } = await import("../tree/open_folder.ts");
  const { SystemOwners } = await import("../tree/owner_names.ts");
  const writer = new TreeWriter(path, {
    onUnsetXattrs: (path, { message }) =>
      onSkip?.({ path, reason: "changed", detail: message }),
  });
  const system = new SystemOwners();
  const here = (metadata: Metadata) =>
    numericOwner ? metadata : withOwnersHere(metadata, system);
  const isSkipped = (path: string, target = "") => {
    const isText = path.isWellFormed() && target.isWellFormed();
    if (isText || canUseRawNames()) return false;
    const detail = "the path or link target is not valid UTF-8";
    onSkip?.({ path, reason: "name", detail });
    return true;
  };
  try {
    return await work({
      directory: (path, metadata) =>
        isSkipped(path) ? undefined : writer.directory(path, here(metadata)),
      file: (path, source, metadata) =>
        isSkipped(path) ? undefined : writer.file(path, source, here(metadata)),
      symlink: (path, target, metadata) =>
        isSkipped(path, target)
          ? undefined
          : writer.symlink(path, target, here(metadata)),
      special: (path, kind, device, metadata) =>
        isSkipped(path)
          ? undefined
          : writer.special(path, kind, device, here(metadata)),
      hardLink: (path, existing) =>
        isSkipped(path, existing) ? undefined : writer.hardLink(path, existing),
      finish: () => writer.finish(),
    });
  } finally {
    writer.close();
  }
}

async function loadIndex(
  storage: Storage,
  name: string,
  signal: AbortSignal | undefined,
): Promise<VolumeIndex | undefined> {
  try {
    const source = storage.get(name, { signal });
    const bytes = await collectAtMost(source, MAX_LISTING_BYTES, name);
    return await inTurns(decodeIndexSteps(bytes, name), signal);
  } catch (error) {
    if (error instanceof DeltarError && error.code === "not-found") return;
    throw error;
  }
}

/**
 * Returns the object names of an archive's volumes in the order of their
 * numbers.
 *
 * @throws {DeltarError} `not-found` if there are no volumes, or if a volume
 *   before the last one is missing.
 */
async function findVolumes(storage: Storage, key: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.list(`${key}.vol`)) {
    const match = /^(\d{1,9})\.(?:tgz|tar\.zst)$/.exec(
      name.slice(key.length + 4),
    );
    if (match !== null) found[Number(match[1])] = name;
  }
  if (found.length === 0) {
    throw new DeltarError("not-found", "no such archive", {
      object: key,
    });
  }
  for (let n = 0; n < found.length; n++) {
    if (found[n] === undefined) {
      throw new DeltarError("not-found", `volume ${n} is missing`, {
        object: key,
      });
    }
  }
  return found;
}
