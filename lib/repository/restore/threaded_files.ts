import { fileForThread, type TreeWriter } from "../../tree/tree_writer.ts";
import { temporaryName } from "../../storage/temporary.ts";
import type {
  PackedFrame,
  ThreadFile,
  WriterThreads,
} from "../../tree/writer_threads.ts";
import { type ContentReader, keyOf } from "../content/content.ts";
import type { StoredPiece, TreeFileEntry } from "../layers/tree_layer.ts";
import type { CreateStep } from "./plan.ts";

/** The maximum number of open batches, to which files can still be added. */
const MAX_OPEN_BATCHES = 64;
/**
 * The maximum total size, in bytes, of the compressed frames of all batches.
 * The frame that was added last can exceed this limit.
 */
const MAX_PACKED_BYTES = 32 << 20;
/** The maximum number of files in a batch. */
const MAX_FILES_PER_BATCH = 1024;
/** The maximum number of folders that are kept open for files. */
const MAX_OPEN_FOLDERS = 512;

/** The creation of a small file whose content is a single piece. */
export type SmallFileStep = CreateStep & { entry: TreeFileEntry };

/** New files whose content is in the same frame. */
interface Batch {
  piece: StoredPiece;
  /**
   * The compressed frame, which is requested as soon as the batch is made.
   * `undefined` if the content cannot be read, or is not in a single zstd frame
   * of less than 4 MiB.
   */
  frame: Promise<PackedFrame | undefined>;
  steps: SmallFileStep[];
  files: ThreadFile[];
}

/** Options for writing files on threads. */
export interface ThreadedFilesOptions {
  /** The threads that write the files. */
  threads: WriterThreads;
  /** The writer of the target. */
  writer: TreeWriter;
  /** The reader of the contents of files. */
  reader: ContentReader;
  /** Called with the step of each file after the file was written. */
  onDone: (step: SmallFileStep) => void;
  /**
   * Called with the step of each file that a thread cannot write. The callback
   * must write the file.
   */
  onFailed: (step: SmallFileStep) => Promise<void>;
}

/**
 * Writes new small files on threads. Files with content in the same frame are
 * written together. If a thread cannot write a file, `onFailed` is called on
 * the calling thread to write it.
 */
export class ThreadedFiles {
  readonly #options: ThreadedFilesOptions;
  /**
   * The open batches, by frame. The batch to which a file was added last is at
   * the end.
   */
  readonly #open = new Map<string, Batch>();
  /** The total size of the compressed frames of all batches, in bytes. */
  #packed = 0;
  readonly #running = new Set<Promise<void>>();
  /** The paths of files that were added but are not finished. */
  readonly #unfinished = new Set<string>();
  /**
   * The number of unfinished files in each folder, by the folder's file
   * descriptor.
   */
  readonly #folders = new Map<number, number>();

  /** Prepares to write files. */
  constructor(options: ThreadedFilesOptions) {
    this.#options = options;
  }

  /**
   * Adds a file. The file is written when its batch is sent to the threads, at
   * the latest when `finish` is called. The caller must ensure that no other
   * process writes to the file's folder.
   *
   * @returns A promise that resolves when further files can be added;
   * `undefined` if they can be added now.
   */
  add(step: SmallFileStep): Promise<void> | undefined {
    const { path, entry } = step;
    const [piece] = entry.content;
    const { writer, onFailed } = this.#options;
    const { skip } = piece.reference;
    const file = fileForThread(writer, path, entry, skip);
    if (file === undefined) return onFailed(step);
    this.#unfinished.add(path);
    const batch = this.#batchOf(piece);
    batch.steps.push(step);
    batch.files.push(file);
    this.#folders.set(file.fd, (this.#folders.get(file.fd) ?? 0) + 1);
    const isFull = batch.files.length >= MAX_FILES_PER_BATCH;
    if (isFull) return this.#send(batch);
    return this.#isFull ? this.#makeRoom() : undefined;
  }

  get #isFull(): boolean {
    return this.#open.size > MAX_OPEN_BATCHES ||
      this.#folders.size > MAX_OPEN_FOLDERS || this.#packed > MAX_PACKED_BYTES;
  }

  /**
   * Sends batches, and waits until further files can be added. The batch to
   * which no file has been added for the longest time is sent first.
   */
  async #makeRoom(): Promise<void> {
    while (this.#isFull) {
      const [oldest] = this.#open.values();
      if (oldest === undefined) await Promise.race(this.#running);
      else await this.#send(oldest);
    }
  }

  /** Returns whether a file was added but is not finished. */
  has(path: string): boolean {
    return this.#unfinished.has(path);
  }

  /**
   * Sends all open batches, and waits until all added files are finished.
   *
   * @throws The errors of `onFailed`.
   */
  async finish(): Promise<void> {
    for (const batch of [...this.#open.values()]) await this.#send(batch);
    await Promise.all(this.#running);
  }

  /**
   * Waits until the threads have written the files that were sent to them.
   * Other files are not written.
   */
  async abandon(): Promise<void> {
    for (const { files } of this.#open.values()) this.#release(files);
    this.#open.clear();
    await Promise.allSettled(this.#running);
  }

  #batchOf(piece: StoredPiece): Batch {
    const key = keyOf(piece);
    let batch = this.#open.get(key);
    if (batch === undefined) {
      const frame = this.#options.reader.readPacked(piece);
      // The error is handled where the frame is awaited.
      frame.catch(() => {});
      batch = { piece, frame, steps: [], files: [] };
      this.#packed += piece.reference.length;
    } else this.#open.delete(key);
    this.#open.set(key, batch);
    return batch;
  }

  /**
   * Sends a batch to the threads. Resolves when the threads can take another
   * batch.
   */
  async #send(batch: Batch): Promise<void> {
    this.#open.delete(keyOf(batch.piece));
    const { capacity } = this.#options.threads;
    const running: Promise<void> = this.#write(batch)
      .finally(() => this.#running.delete(running));
    // The error is handled where the running batches are awaited.
    running.catch(() => {});
    this.#running.add(running);
    while (this.#running.size >= capacity) await Promise.race(this.#running);
  }

  async #write({ piece, frame, steps, files }: Batch): Promise<void> {
    const { threads, onDone, onFailed } = this.#options;
    let written: readonly boolean[] = [];
    try {
      const packed = await frame;
      if (packed !== undefined) {
        written = await threads.write(packed, files, temporaryName());
      }
    } finally {
      this.#packed -= piece.reference.length;
      this.#release(files);
    }
    for (const [index, step] of steps.entries()) {
      if (written[index]) onDone(step);
      else await onFailed(step);
      this.#unfinished.delete(step.path);
    }
  }

  #release(files: readonly ThreadFile[]): void {
    for (const { folder, fd } of files) {
      const others = (this.#folders.get(fd) ?? 0) - 1;
      if (others > 0) this.#folders.set(fd, others);
      else this.#folders.delete(fd);
      folder.release?.();
    }
  }
}
