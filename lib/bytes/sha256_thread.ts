import { builtin } from "./builtin.ts";
import { DeltarError } from "./errors.ts";
import type { Sha256 } from "./sha256.ts";

/** The maximum number of parts that wait for the thread. */
const SLOTS = 4;
/** The maximum size of a part, in bytes. */
const MAX_PART_BYTES = 2 ** 18;
/** The value that is passed instead of a length to request the sum. */
const END = -1;
/** The maximum time in milliseconds of one wait for progress of the thread. */
const MAX_WAIT_MS = 10_000;
/**
 * The number of consecutive waits without progress after which the thread
 * counts as stopped. One wait is not enough, because the process might have
 * been suspended for a while.
 */
const MAX_SILENCES = 6;

/**
 * The index of the control word with the number of parts passed to the thread.
 * The word at index `DONE` has the number of parts that the thread has hashed.
 * From index `FIRST` on, each slot has two words: the id of a sum, and the
 * length of a part or `END`.
 */
const CAME = 0;
const DONE = 1;
const FIRST = 2;

/**
 * The source text of the thread's program. Every runtime can start a thread
 * from text, even in a single binary, which has no separate file for the
 * program.
 */
const PROGRAM = `
const { workerData } = require("node:worker_threads");
const { createHash } = require("node:crypto");
const control = new Int32Array(workerData.control);
const bytes = new Uint8Array(workerData.bytes);
const sums = new Map();
for (let piece = 0;; piece++) {
  // The notification for an earlier part can end the wait, so the number of
  // parts is checked again.
  while (Atomics.load(control, ${CAME}) === piece) {
    Atomics.wait(control, ${CAME}, piece);
  }
  const slot = piece % ${SLOTS};
  const id = control[${FIRST} + 2 * slot];
  const length = control[${FIRST} + 2 * slot + 1];
  if (!sums.has(id)) sums.set(id, createHash("sha256"));
  const start = slot * ${MAX_PART_BYTES};
  if (length === ${END}) {
    bytes.set(sums.get(id).digest(), start);
    sums.delete(id);
  } else sums.get(id).update(bytes.subarray(start, start + length));
  Atomics.store(control, ${DONE}, piece + 1);
  Atomics.notify(control, ${DONE});
}
`;

/**
 * A thread that hashes the parts that are passed to it, while the caller
 * continues.
 */
class Sha256Thread {
  readonly #control = new Int32Array(
    new SharedArrayBuffer(4 * (FIRST + 2 * SLOTS)),
  );
  readonly #bytes = new Uint8Array(
    new SharedArrayBuffer(SLOTS * MAX_PART_BYTES),
  );
  #came = 0;
  #sums = 0;

  constructor(threads: NonNullable<ReturnType<typeof threadsOf>>) {
    const workerData = {
      control: this.#control.buffer,
      bytes: this.#bytes.buffer,
    };
    const worker = new threads.Worker(PROGRAM, { eval: true, workerData });
    // The error is ignored, because a caller that waits for the thread detects
    // that the thread has stopped.
    worker.on("error", () => {});
    worker.unref();
  }

  /**
   * Starts a sum. The thread keeps the state of the sum until its result is
   * requested.
   */
  create(): Sha256 {
    const id = this.#sums++;
    return {
      update: (bytes) => {
        for (let at = 0; at < bytes.length; at += MAX_PART_BYTES) {
          const piece = bytes.subarray(at, at + MAX_PART_BYTES);
          this.#hand(id, piece.length, piece);
        }
      },
      digest: () => {
        const start = this.#hand(id, END) * MAX_PART_BYTES;
        this.#await(this.#came);
        return this.#bytes.slice(start, start + 32);
      },
    };
  }

  /**
   * Waits for a free slot, passes a part or the request for a sum to the
   * thread, and returns the slot.
   */
  #hand(id: number, length: number, bytes?: Uint8Array): number {
    this.#await(this.#came - SLOTS + 1);
    const slot = this.#came % SLOTS;
    if (bytes) this.#bytes.set(bytes, slot * MAX_PART_BYTES);
    this.#control[FIRST + 2 * slot] = id;
    this.#control[FIRST + 2 * slot + 1] = length;
    Atomics.store(this.#control, CAME, ++this.#came);
    Atomics.notify(this.#control, CAME);
    return slot;
  }

  /** Waits until the thread has hashed `pieces` parts in total. */
  #await(pieces: number): void {
    for (let silences = 0; silences < MAX_SILENCES;) {
      const done = Atomics.load(this.#control, DONE);
      if (done >= pieces) return;
      const end = Atomics.wait(this.#control, DONE, done, MAX_WAIT_MS);
      silences = end === "timed-out" ? silences + 1 : 0;
    }
    shared = undefined;
    throw new DeltarError(
      "io",
      "the thread that computes checksums has stopped; try again",
    );
  }
}

let shared: Sha256Thread | undefined;

function threadsOf() {
  return builtin("node:worker_threads");
}

/**
 * Starts a SHA-256 on a separate thread. Returns `undefined` if no thread can
 * be started.
 */
export function createOnThread(): Sha256 | undefined {
  const threads = threadsOf();
  if (!threads) return undefined;
  try {
    return (shared ??= new Sha256Thread(threads)).create();
  } catch {
    return undefined;
  }
}
