import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { turnIfDue, withTurns } from "../bytes/turns.ts";
import type { Storage } from "../storage/storage.ts";
import { isSpecial } from "../tree/entry.ts";
import { isWithin } from "../tree/path.ts";
import { type Codec, codecFor } from "./codec.ts";
import { readContent, readRange } from "./content_reader.ts";
import type { ContentReference } from "./content_reference.ts";
import {
  type ExtractOptions,
  giveSpecial,
  SMALL_BYTES,
} from "./extract_members.ts";
import type { TreeSink } from "./tree_sink.ts";
import type {
  IndexedFile,
  IndexedMember,
  VolumeIndex,
} from "./volume_index.ts";

/** The maximum number of ranges that are read ahead of the current range. */
const MAX_RANGES_AHEAD = 3;
/**
 * The maximum decompressed size, in bytes, of a range that is held in memory
 * while the files in it are extracted.
 */
const MAX_RANGE_BYTES = 16 << 20;

/**
 * Reads an archive with the help of its index. Names and metadata come from the
 * index alone. Only content is read from the volumes, and this content is
 * checked against the index.
 */
export class IndexedReader {
  readonly #storage: Storage;
  readonly #folder: string;
  readonly #index: VolumeIndex;
  readonly #codec: Codec;
  readonly #signal: AbortSignal | undefined;

  /**
   * Makes a reader.
   *
   * @param storage The storage of the volumes.
   * @param folder The prefix of the volumes' object names. The names in the
   *   index do not have this prefix.
   * @param index The index.
   * @param signal The signal that aborts all reads.
   */
  constructor(
    storage: Storage,
    folder: string,
    index: VolumeIndex,
    signal?: AbortSignal,
  ) {
    this.#storage = storage;
    this.#folder = folder;
    this.#index = index;
    this.#codec = codecFor(index.codec);
    this.#signal = signal;
  }

  /**
   * Reads the content of a file, or of the file that a hard link points to.
   *
   * @param path The path of the member.
   * @param signal The signal that aborts this read. The signal of the reader
   *   aborts the read, too.
   * @throws {DeltarError} `not-found` if there is no such file, `corrupt` if
   *   the content does not have the SHA-256 that the index records, and the
   *   errors of `readContent`.
   */
  async *content(
    path: string,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const member = this.#file(path);
    const sum = createSha256();
    const pieces = readContent(
      this.#storage,
      this.#reference(member),
      member.size,
      this.#codec,
      { path, signal: eitherOf(this.#signal, signal) },
    );
    for await (const chunk of withTurns(pieces, this.#signal, signal)) {
      sum.update(chunk);
      yield chunk;
    }
    checkSum(member, sum.digest());
  }

  /**
   * Writes members to a sink.
   *
   * @param within The path to extract, with everything below it. `""` extracts
   *   everything.
   * @param sink The sink that the members are written to.
   * @param options The signal that aborts this extraction, and a callback for
   *   skipped members. The signal of the reader aborts the extraction, too.
   * @returns The number of members, including skipped ones.
   * @throws {DeltarError} The errors of `content` and of the sink.
   */
  async extract(
    within: string,
    sink: TreeSink,
    options: ExtractOptions,
  ): Promise<number> {
    const { signal } = options;
    checkAborted(signal);
    const members = this.#index.members.filter(({ path }) =>
      isWithin(path, within)
    );
    const ranges = new RangeQueue(
      members.filter(isSmall).map((member) => this.#reference(member)),
      (range) =>
        readRange(this.#storage, range, this.#codec, {
          signal: eitherOf(this.#signal, signal),
          limit: MAX_RANGE_BYTES,
        }).catch(unlessTooLarge),
    );
    for (const member of members) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(this.#signal);
      checkAborted(signal);
      const { path, kind, target } = member;
      if (kind === "directory") await sink.directory(path, member);
      else if (kind === "symlink") {
        await sink.symlink(path, target, member);
      } else if (kind === "file") {
        const range = isSmall(member)
          ? await ranges.next(this.#reference(member))
          : undefined;
        const content = range === undefined
          ? this.content(path, signal)
          : part(member, range);
        await sink.file(path, content, member);
      } else if (kind !== "hardlink") {
        await giveSpecial(sink, member, kind, options);
      } else if (isWithin(target, within)) {
        await sink.hardLink(path, target, member);
      } else {
        const linked = this.#index.get(target);
        if (linked !== undefined && isSpecial(linked)) {
          await giveSpecial(sink, { ...linked, path }, linked.kind, options);
        } else await sink.file(path, this.content(path, signal), member);
      }
    }
    await sink.finish();
    return members.length;
  }

  #file(path: string): IndexedFile {
    let member = this.#index.get(path);
    if (member?.kind === "hardlink") member = this.#index.get(member.target);
    if (member?.kind === "file") return member;
    throw new DeltarError("not-found", "no such file in the archive", { path });
  }

  #reference({ content }: IndexedFile): ContentReference {
    return { ...content, volume: this.#folder + content.volume };
  }
}

/**
 * Reads each range once, in order, and up to `MAX_RANGES_AHEAD` ranges in
 * advance.
 */
class RangeQueue {
  readonly #ranges: ContentReference[] = [];
  readonly #read: (range: ContentReference) => Promise<Uint8Array | undefined>;
  readonly #reading: Promise<Uint8Array | undefined>[] = [];
  #at = -1;
  #current: Uint8Array | undefined;

  constructor(
    references: ContentReference[],
    read: (range: ContentReference) => Promise<Uint8Array | undefined>,
  ) {
    this.#read = read;
    for (const reference of references) {
      const last = this.#ranges.at(-1);
      if (last === undefined || !isSameRange(last, reference)) {
        this.#ranges.push(reference);
      }
    }
  }

  /**
   * Returns the decompressed bytes of a range, or `undefined` if the range is
   * too large to hold in memory. The range must be the same as in the previous
   * call, or the next range in the queue.
   */
  async next(reference: ContentReference): Promise<Uint8Array | undefined> {
    const same = this.#at >= 0 &&
      isSameRange(this.#ranges[this.#at], reference);
    if (!same) {
      this.#at += 1;
      const end = Math.min(
        this.#at + 1 + MAX_RANGES_AHEAD,
        this.#ranges.length,
      );
      for (let at = this.#at + this.#reading.length; at < end; at++) {
        const bytes = this.#read(this.#ranges[at]);
        bytes.catch(() => {});
        this.#reading.push(bytes);
      }
      this.#current = await this.#reading.shift();
    }
    return this.#current;
  }
}

/**
 * Returns `undefined` for an error of code `limit`, and throws any other error.
 * A range over the limit is read separately for each file in it.
 */
function unlessTooLarge(error: unknown): undefined {
  if (error instanceof DeltarError && error.code === "limit") return;
  throw error;
}

function isSmall(member: IndexedMember): member is IndexedFile {
  return member.kind === "file" && member.size <= SMALL_BYTES;
}

function isSameRange(left: ContentReference, right: ContentReference): boolean {
  return left.offset === right.offset && left.length === right.length &&
    left.volume === right.volume;
}

/**
 * Returns a member's content, cut from `range` and checked against its SHA-256.
 */
function part(member: IndexedFile, range: Uint8Array): Uint8Array {
  const { skip } = member.content;
  const bytes = range.subarray(skip, skip + member.size);
  checkSum(member, sha256(bytes));
  return bytes;
}

function checkSum(member: IndexedFile, sum: Uint8Array): void {
  if (toHex(sum) === member.sha256) return;
  throw new DeltarError(
    "corrupt",
    "the content does not match its SHA-256 in the index",
    {
      object: member.content.volume,
      path: member.path,
      offset: member.content.offset,
    },
  );
}

/** Returns a signal that fires when either of two signals fires. */
function eitherOf(
  one: AbortSignal | undefined,
  other: AbortSignal | undefined,
): AbortSignal | undefined {
  return one && other ? AbortSignal.any([one, other]) : one ?? other;
}
