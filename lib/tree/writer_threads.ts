import { builtin } from "../bytes/builtin.ts";
import { libraryForThreads } from "../bytes/native_library.ts";
import { nodeOs } from "../bytes/node.ts";
import type { Folder } from "./folder.ts";
import { folderAccess } from "./open_folder.ts";

/** The maximum number of threads. */
const MAX_THREADS = 4;

/** A small file that a thread writes. */
export interface ThreadFile {
  /**
   * The folder of the file. The folder must stay open until the file is
   * written.
   */
  folder: Folder;
  /** The descriptor of the folder. */
  fd: number;
  /** The name in the folder. An existing file with this name is replaced. */
  name: string;
  /** The offset of the file's content in the decompressed frame, in bytes. */
  skip: number;
  /** The length of the content in bytes. */
  size: number;
  /** The SHA-256 of the content, in hexadecimal. */
  sha256: string;
  /** The permission bits. */
  mode: number;
  /** The whole seconds of the modification time, since 1970. */
  seconds: number;
  /** The nanoseconds of the modification time, from 0 to 999,999,999. */
  nanos: number;
  /** The owner to set; `undefined` to leave the owner as it is. */
  owner: { uid: number; gid: number } | undefined;
}

/** A zstd frame with the content of small files. */
export interface PackedFrame {
  /** The compressed frame, in a buffer that nothing else uses. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The size of the decompressed frame in bytes, from the frame's header. */
  size: number;
}

/** A job as it is sent to a thread. */
interface Job {
  /** The compressed frame, whose memory is moved to the thread. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The size of the decompressed frame in bytes. */
  size: number;
  /** The beginning of the temporary names of the files. */
  temporary: string;
  /** The names of the files, with a `/` between them. */
  names: string;
  /** The SHA-256 of each file as 64 hexadecimal digits, one after the other. */
  sums: string;
  /**
   * `WORDS_PER_FILE` numbers for each file, in this order: `fd`, `skip`,
   * `size`, `mode`, `uid`, `gid`, `seconds` and `nanos`.
   */
  words: Float64Array<ArrayBuffer>;
}

/** The number of elements of `Job.words` for each file. */
const WORDS_PER_FILE = 8;
/**
 * The value of `uid` and `gid` in `Job.words` if the owner is left as it is.
 */
const NO_OWNER = -1;

/**
 * The program of a thread, for Bun on Linux. The program is a string, so that a
 * thread needs no file of its own, even in a compiled binary.
 *
 * A thread decompresses the frame of a job and writes the files as
 * `TreeWriter.file` does. The thread checks the content of a file, writes the
 * content under a temporary name, sets the owner, mode and time, and renames
 * the file into place. If anything fails, the thread deletes the temporary
 * file. The caller then writes the file itself, and reports the error if that
 * fails, too.
 */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const { zstdDecompressSync } = require("node:zlib");
const { dlopen } = process.getBuiltinModule("bun:ffi");
const calls = dlopen(workerData.library, {
  openat: { args: ["i32", "ptr", "i32", "u32"], returns: "i32" },
  pwrite64: { args: ["i32", "ptr", "u64", "i64"], returns: "i64" },
  fchownat: { args: ["i32", "ptr", "u32", "u32", "i32"], returns: "i32" },
  fchmod: { args: ["i32", "u32"], returns: "i32" },
  futimens: { args: ["i32", "ptr"], returns: "i32" },
  renameat: { args: ["i32", "ptr", "i32", "ptr"], returns: "i32" },
  unlinkat: { args: ["i32", "ptr", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
}).symbols;
const AT_EMPTY_PATH = 0x1000;
// The flags are O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC and O_NOFOLLOW. The value of
// O_NOFOLLOW depends on the architecture.
const NEW_FILE_FLAGS = 2 | 0o100 | 0o200 | 0o2000000 |
  (process.arch === "arm64" ? 0o100000 : 0o400000);
const encoder = new TextEncoder();
const temporary = new Uint8Array(1024);
const name = new Uint8Array(1024);
const empty = new Uint8Array(1);
const times = new BigInt64Array(4);
const timeBytes = new Uint8Array(times.buffer);
const put = (target, text) => {
  if (!text.isWellFormed()) return false;
  const { read, written } = encoder.encodeInto(text, target);
  if (read < text.length || written === target.length) return false;
  target[written] = 0;
  return true;
};
const fill = (fd, part, words, at) => {
  for (let done = 0; done < part.length;) {
    const rest = done === 0 ? part : part.subarray(done);
    const put = Number(calls.pwrite64(fd, rest, rest.length, done));
    if (put <= 0) return false;
    done += put;
  }
  const [uid, gid] = [words[at + 4], words[at + 5]];
  if (uid !== ${NO_OWNER} &&
    calls.fchownat(fd, empty, uid, gid, AT_EMPTY_PATH) !== 0) return false;
  if (calls.fchmod(fd, words[at + 3]) !== 0) return false;
  times[0] = times[2] = BigInt(words[at + 6]);
  times[1] = times[3] = BigInt(words[at + 7]);
  return calls.futimens(fd, timeBytes) === 0;
};
const write = (folder, part, words, at) => {
  const fd = calls.openat(folder, temporary, NEW_FILE_FLAGS, 0o600);
  if (fd < 0) return false;
  const isFilled = fill(fd, part, words, at);
  calls.close(fd);
  if (isFilled && calls.renameat(folder, temporary, folder, name) === 0) {
    return true;
  }
  calls.unlinkat(folder, temporary, 0);
  return false;
};
parentPort.on("message", (job) => {
  const { bytes, size, sums, words } = job;
  const names = job.names.split("/");
  const done = new Uint8Array(names.length);
  try {
    const options = { chunkSize: size + 1024, maxOutputLength: size + 1024 };
    const plain = zstdDecompressSync(bytes, options);
    for (let file = 0; file < names.length; file++) {
      const at = ${WORDS_PER_FILE} * file;
      const end = words[at + 1] + words[at + 2];
      if (end > plain.length) continue;
      const part = plain.subarray(words[at + 1], end);
      const sum = Bun.SHA256.hash(part, "hex");
      if (sum !== sums.slice(64 * file, 64 * file + 64)) continue;
      if (!put(name, names[file])) continue;
      if (!put(temporary, job.temporary + "-" + file)) continue;
      if (write(words[at], part, words, at)) done[file] = 1;
    }
    // The memory is freed now instead of at the next garbage collection. A
    // buffer of less than 64 KiB is not freed, because Bun might share its
    // memory with other buffers.
    if (plain.buffer.byteLength >= 1 << 16) plain.buffer.transfer(0);
    bytes.buffer.transfer(0);
  } catch {
    // The caller writes the files that are not marked as done, and reports the
    // error if that fails, too.
  }
  parentPort.postMessage(done);
});
`;

type Worker = InstanceType<
  NonNullable<ReturnType<typeof builtin<"node:worker_threads">>>["Worker"]
>;

/** A thread, and the callers that wait for its results, the oldest first. */
interface WriterThread {
  worker: Worker;
  waiting: ((done: Uint8Array | undefined) => void)[];
  isDead: boolean;
}

/**
 * Threads that write small files. A zstd frame contains many small files. Each
 * thread decompresses a frame, checks the content of the files, and writes
 * them.
 */
export class WriterThreads {
  readonly #threads: WriterThread[] = [];

  private constructor(
    start: (program: string) => Worker,
    count: number,
  ) {
    for (let at = 0; at < count; at++) {
      const worker = start(PROGRAM);
      const thread: WriterThread = { worker, waiting: [], isDead: false };
      const settle = (done: Uint8Array | undefined) => {
        thread.waiting.shift()?.(done);
        if (thread.waiting.length === 0) worker.unref();
      };
      worker.on("message", settle);
      const fail = () => {
        thread.isDead = true;
        while (thread.waiting.length > 0) settle(undefined);
      };
      worker.on("error", fail);
      worker.on("exit", fail);
      worker.unref();
      this.#threads.push(thread);
    }
  }

  /**
   * Starts the threads. Returns `undefined`, and starts no threads, on a
   * runtime other than Bun, on a system other than Linux, on a machine with a
   * single core, or if system calls are not available.
   */
  static start(): WriterThreads | undefined {
    const threads = builtin("node:worker_threads");
    const library = folderAccess() === "calls"
      ? libraryForThreads()
      : undefined;
    const cores = nodeOs.availableParallelism?.() ?? 1;
    if (threads === undefined || library === undefined || cores < 2) {
      return undefined;
    }
    const workerData = { library };
    return new WriterThreads(
      (program) => new threads.Worker(program, { eval: true, workerData }),
      Math.min(cores, MAX_THREADS),
    );
  }

  /** The number of unfinished jobs that is enough to keep all threads busy. */
  get capacity(): number {
    return 2 * this.#threads.length + 1;
  }

  /**
   * Writes files whose content is in one frame. The promise never rejects.
   *
   * @param frame The frame. Its memory is moved to a thread.
   * @param files The files. Their folders must stay open until the promise
   * resolves.
   * @param temporary The beginning of the temporary names of the files. No
   * other file must have a name that begins with this text.
   * @returns For each file, whether it was written. The temporary file of a
   * file that was not written is deleted, unless the thread itself failed.
   */
  async write(
    { bytes, size }: PackedFrame,
    files: readonly ThreadFile[],
    temporary: string,
  ): Promise<readonly boolean[]> {
    const words = new Float64Array(WORDS_PER_FILE * files.length);
    let at = 0;
    for (const { fd, skip, size, mode, owner, seconds, nanos } of files) {
      words[at++] = fd;
      words[at++] = skip;
      words[at++] = size;
      words[at++] = mode;
      words[at++] = owner?.uid ?? NO_OWNER;
      words[at++] = owner?.gid ?? NO_OWNER;
      words[at++] = seconds;
      words[at++] = nanos;
    }
    const done = await this.#run({
      bytes,
      size,
      temporary,
      names: files.map(({ name }) => name).join("/"),
      sums: files.map(({ sha256 }) => sha256).join(""),
      words,
    });
    return files.map((_, index) => done?.[index] === 1);
  }

  /** Ends the threads. */
  close(): void {
    for (const { worker } of this.#threads) worker.terminate();
  }

  #run(job: Job): Promise<Uint8Array | undefined> {
    const [first, ...others] = this.#threads.filter(({ isDead }) => !isDead);
    if (first === undefined) return Promise.resolve(undefined);
    const thread = others.reduce(
      (least, other) =>
        other.waiting.length < least.waiting.length ? other : least,
      first,
    );
    return new Promise((resolve) => {
      thread.waiting.push(resolve);
      thread.worker.ref();
      const moved = [job.bytes.buffer, job.words.buffer];
      thread.worker.postMessage(job, moved);
    });
  }
}
