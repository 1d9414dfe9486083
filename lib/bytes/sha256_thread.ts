import { builtin } from "./builtin.ts";
import { DeltarError } from "./errors.ts";
import type { Sha256 } from "./sha256.ts";

/** Pieces that may wait for the thread. */
const SLOTS = 4;
/** The maximum size of a piece, in bytes. */
const PIECE = 2 ** 18;
/** A value in place of a length, which asks for the sum. */
const END = -1;
/** The silence in milliseconds after which a thread may have died. */
const PATIENCE = 10_000;
/**
 * The number of silences in a row after which the thread counts as dead. One is
 * not enough, because the process may have been stopped for a while.
 */
const MOST_SILENCES = 6;

/**
 * Words of control: how many pieces came, how many are done, then the slots'.
 */
const CAME = 0;
const DONE = 1;
const FIRST = 2;

/**
 * The thread's program. It is text because that is what starts on every runtime
 * and out of a single binary alike, without a file of its own to be found.
 */
const PROGRAM = `
const { workerData } = require("node:worker_threads");
const { createHash } = require("node:crypto");
const control = new Int32Array(workerData.control);
const bytes = new Uint8Array(workerData.bytes);
const sums = new Map();
for (let piece = 0;; piece++) {
  // Being woken is no word that a piece has come: that may be of the one before.
  while (Atomics.load(control, ${CAME}) === piece) {
    Atomics.wait(control, ${CAME}, piece);
  }
  const slot = piece % ${SLOTS};
  const id = control[${FIRST} + 2 * slot];
  const length = control[${FIRST} + 2 * slot + 1];
  if (!sums.has(id)) sums.set(id, createHash("sha256"));
  const start = slot * ${PIECE};
  if (length === ${END}) {
    bytes.set(sums.get(id).digest(), start);
    sums.delete(id);
  } else sums.get(id).update(bytes.subarray(start, start + length));
  Atomics.store(control, ${DONE}, piece + 1);
  Atomics.notify(control, ${DONE});
}
`;

/** A thread that sums up what it is handed, while the caller goes on. */
class Sha256Thread {
  readonly #control = new Int32Array(
    new SharedArrayBuffer(4 * (FIRST + 2 * SLOTS)),
  );
  readonly #bytes = new Uint8Array(new SharedArrayBuffer(SLOTS * PIECE));
  #came = 0;
  #sums = 0;

  constructor(threads: NonNullable<ReturnType<typeof threadsOf>>) {
    const workerData = {
      control: this.#control.buffer,
      bytes: this.#bytes.buffer,
    };
    const worker = new threads.Worker(PROGRAM, { eval: true, workerData });
    // Whoever waits for it notices.
    worker.on("error", () => {});
    worker.unref();
  }

  /** Starts a sum; one that is never asked for costs next to nothing. */
  create(): Sha256 {
    const id = this.#sums++;
    return {
      update: (bytes) => {
        for (let at = 0; at < bytes.length; at += PIECE) {
          const piece = bytes.subarray(at, at + PIECE);
          this.#hand(id, piece.length, piece);
        }
      },
      digest: () => {
        const start = this.#hand(id, END) * PIECE;
        this.#await(this.#came);
        return this.#bytes.slice(start, start + 32);
      },
    };
  }

  /** Hands a piece over; says in which slot it is. */
  #hand(id: number, length: number, bytes?: Uint8Array): number {
    this.#await(this.#came - SLOTS + 1);
    const slot = this.#came % SLOTS;
    if (bytes) this.#bytes.set(bytes, slot * PIECE);
    this.#control[FIRST + 2 * slot] = id;
    this.#control[FIRST + 2 * slot + 1] = length;
    Atomics.store(this.#control, CAME, ++this.#came);
    Atomics.notify(this.#control, CAME);
    return slot;
  }

  /** Waits until this number of pieces is done. */
  #await(pieces: number): void {
    for (let silences = 0; silences < MOST_SILENCES;) {
      const done = Atomics.load(this.#control, DONE);
      if (done >= pieces) return;
      const end = Atomics.wait(this.#control, DONE, done, PATIENCE);
      silences = end === "timed-out" ? silences + 1 : 0;
    }
    shared = undefined;
    throw new DeltarError("io", "the thread that sums up files has died");
  }
}

let shared: Sha256Thread | undefined;

function threadsOf() {
  return builtin("node:worker_threads");
}

/**
 * A sum on a thread of its own, or `undefined` where there is no such thread.
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
