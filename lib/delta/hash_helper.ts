import { builtin } from "../bytes/builtin.ts";
import { CONTROL, HASH_WORKER, type HashWorkerData } from "./hash_worker.ts";
import { strongSum } from "./strong_sum.ts";

/** Most bytes of a job. */
const CAPACITY = 2 ** 19;
/** Blocks up to this size are shared out finely enough. */
const LARGEST_BLOCK = CAPACITY / 8;
/** About how many bytes are taken at a time. */
const GROUP = 2 ** 15;
/** No job is open: higher than any group. */
const CLOSED = 2 ** 30;
/** A worker that is silent for so many milliseconds has died. */
const PATIENCE = 10_000;

/**
 * SHA-256 of many blocks on two threads: a worker and the caller take groups of
 * blocks in turns until none is left. The worker goes on while the caller reads
 * the next piece. All waiting is synchronous and short, so the code that hashes
 * need not be asynchronous.
 */
export class HashHelper {
  readonly #control = new Int32Array(new SharedArrayBuffer(64));
  readonly #input = new Uint8Array(new SharedArrayBuffer(CAPACITY));
  readonly #output = new Uint8Array(
    new SharedArrayBuffer(CAPACITY),
  );
  #deliver: ((digests: Uint8Array) => void) | undefined;
  #digest = strongSum("sha256", 32);

  /**
   * The one helper of this thread, started on the first call; `undefined` where
   * there are no such workers or blocks are too large or too small to share.
   */
  static get(blockSize: number): HashHelper | undefined {
    if (blockSize > LARGEST_BLOCK || blockSize < 64) return undefined;
    try {
      return shared ??= new HashHelper();
    } catch {
      return undefined;
    }
  }

  private constructor() {
    const threads = builtin("node:worker_threads");
    if (!threads) throw new TypeError("no workers");
    this.#control[CONTROL.next] = CLOSED;
    const workerData: HashWorkerData = {
      control: this.#control.buffer as SharedArrayBuffer,
      input: this.#input.buffer as SharedArrayBuffer,
      output: this.#output.buffer as SharedArrayBuffer,
    };
    const worker = new threads.Worker(HASH_WORKER, { eval: true, workerData });
    // Without it the work is only slower, and it holds no process open.
    worker.on("error", () => {});
    worker.unref();
  }

  /** How many bytes of whole blocks fit in a job. */
  capacity(blockSize: number): number {
    return CAPACITY - CAPACITY % blockSize;
  }

  /**
   * Opens a job; the worker starts at once. A job that is still open is finished
   * before.
   *
   * @param bytes Whole blocks, at most `capacity`; they are copied.
   * @param keep How many bytes of each digest to keep.
   * @param deliver Gets the digests, `keep` bytes each, which are valid until it
   * returns: on the next `start` or `finish`.
   */
  start(
    bytes: Uint8Array,
    blockSize: number,
    keep: number,
    deliver: (digests: Uint8Array) => void,
  ): void {
    this.finish();
    this.#deliver = deliver;
    const control = this.#control;
    const blocks = bytes.length / blockSize;
    const groupBlocks = Math.max(1, Math.floor(GROUP / blockSize));
    if (keep !== control[CONTROL.keep]) {
      this.#digest = strongSum("sha256", keep);
    }
    this.#input.set(bytes);
    control[CONTROL.blocks] = blocks;
    control[CONTROL.blockSize] = blockSize;
    control[CONTROL.keep] = keep;
    control[CONTROL.groupBlocks] = groupBlocks;
    control[CONTROL.done] = 0;
    control[CONTROL.groups] = Math.ceil(blocks / groupBlocks);
    Atomics.store(control, CONTROL.next, 0);
    Atomics.add(control, CONTROL.job, 1);
    Atomics.notify(control, CONTROL.job);
  }

  /** Helps with the open job, if there is one, until it is done. */
  finish(): void {
    const deliver = this.#deliver;
    if (!deliver) return;
    this.#deliver = undefined;
    const control = this.#control;
    const groups = control[CONTROL.groups];
    for (;;) {
      const group = Atomics.load(control, CONTROL.next);
      if (group >= groups) break;
      const { next } = CONTROL;
      if (Atomics.compareExchange(control, next, group, group + 1) === group) {
        this.#hash(group);
        Atomics.add(control, CONTROL.done, 1);
      }
    }
    for (;;) {
      const done = Atomics.load(control, CONTROL.done);
      if (done === groups) break;
      if (Atomics.wait(control, CONTROL.done, done, PATIENCE) === "timed-out") {
        for (let group = 0; group < groups; group++) this.#hash(group);
        shared = undefined;
        break;
      }
    }
    Atomics.store(control, CONTROL.next, CLOSED);
    const length = control[CONTROL.blocks] * control[CONTROL.keep];
    deliver(this.#output.subarray(0, length));
  }

  #hash(group: number): void {
    const control = this.#control;
    const size = control[CONTROL.blockSize];
    const keep = control[CONTROL.keep];
    const from = group * control[CONTROL.groupBlocks];
    const to = Math.min(
      from + control[CONTROL.groupBlocks],
      control[CONTROL.blocks],
    );
    for (let block = from; block < to; block++) {
      const sum = this.#digest(
        this.#input.subarray(block * size, (block + 1) * size),
      );
      this.#output.set(sum, block * keep);
    }
  }
}

let shared: HashHelper | undefined;
