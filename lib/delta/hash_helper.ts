import { builtin } from "../bytes/builtin.ts";
import {
  CLOSED,
  CONTROL,
  GROUP_BITS,
  HASH_WORKER,
  type HashWorkerData,
  MAX_JOB_BYTES,
  SLOT_WORDS,
  SLOTS,
  STARTED,
} from "./hash_worker.ts";
import { type StrongSum, strongSum } from "./strong_sum.ts";

/**
 * The maximum size in bytes of a block that is hashed on two threads. With this
 * limit, a job has room for at least four blocks, which are divided between the
 * threads.
 */
const MAX_HELPED_BLOCK_BYTES = MAX_JOB_BYTES / 4;
/**
 * The approximate size of a group in bytes. The blocks of a job are divided
 * into groups, and each of the two threads takes one group at a time.
 */
const GROUP_BYTES = 2 ** 15;
/**
 * The time in milliseconds without progress after which a worker counts as
 * stopped.
 */
const DEFAULT_PATIENCE_MS = 10_000;

/**
 * Called when a job is finished, with the SHA-256 digests of its blocks, in the
 * order of the blocks. Each digest is cut to the length that was passed to
 * `start`. The array is valid until the call returns.
 */
type Deliver = (digests: Uint8Array) => void;

/**
 * Computes the SHA-256 of many blocks on two threads. The blocks are passed in
 * jobs. Up to four jobs can be open at the same time. A worker hashes the
 * blocks while the caller reads the file and starts more jobs. When the caller
 * needs the digests, or room for another job, it hashes the remaining blocks
 * together with the worker. The caller then waits synchronously for the last
 * blocks of the worker, so the caller need not be asynchronous. The wait is
 * short unless the worker has stopped.
 */
export class HashHelper {
  readonly #control = new Int32Array(
    new SharedArrayBuffer(4 * (STARTED + 1)),
  );
  readonly #input = new Uint8Array(
    new SharedArrayBuffer(SLOTS * MAX_JOB_BYTES),
  );
  readonly #output = new Uint8Array(
    new SharedArrayBuffer(SLOTS * MAX_JOB_BYTES),
  );
  /** The function that receives the digests, for each slot with an open job. */
  readonly #deliver: (Deliver | undefined)[] = [];
  readonly #patience: number;
  #started = 0;
  /**
   * Whether the worker counts as stopped because a job has made no progress.
   */
  #isDead = false;
  #keep = 32;
  #digest: StrongSum = strongSum("sha256", 32);

  /**
   * Returns the helper of this thread for blocks of `blockSize` bytes. Starts a
   * new helper if no helper exists or the worker of the existing helper has
   * stopped. Returns `undefined` if no helper can be started, for example
   * because the runtime has no `node:worker_threads`, or if `blockSize` is less
   * than 64 bytes or more than 64 KiB.
   */
  static get(blockSize: number): HashHelper | undefined {
    if (blockSize > MAX_HELPED_BLOCK_BYTES || blockSize < 64) return undefined;
    try {
      return shared ??= new HashHelper();
    } catch {
      return undefined;
    }
  }

  /**
   * Starts a worker.
   *
   * @param program The source text of the program that the worker runs.
   * @param patience The time in milliseconds without progress after which the
   *   worker counts as stopped.
   * @throws {TypeError} If the runtime has no `node:worker_threads`.
   */
  constructor(program = HASH_WORKER, patience = DEFAULT_PATIENCE_MS) {
    this.#patience = patience;
    const threads = builtin("node:worker_threads");
    if (!threads) {
      throw new TypeError("this runtime has no node:worker_threads");
    }
    for (let slot = 0; slot < SLOTS; slot++) this.#close(slot);
    const workerData: HashWorkerData = {
      control: this.#control.buffer as SharedArrayBuffer,
      input: this.#input.buffer as SharedArrayBuffer,
      output: this.#output.buffer as SharedArrayBuffer,
    };
    const worker = new threads.Worker(program, { eval: true, workerData });
    // The error is ignored, because the caller hashes all blocks if the worker
    // has failed. `unref` lets the process end while the worker is running.
    worker.on("error", () => {});
    worker.unref();
  }

  /** Returns the maximum total size of the blocks of a job, in bytes. */
  capacity(blockSize: number): number {
    return MAX_JOB_BYTES - MAX_JOB_BYTES % blockSize;
  }

  /**
   * Opens a job, which the worker can start immediately. If four jobs are
   * already open, the oldest job is finished first.
   *
   * @param bytes One or more whole blocks, at most `capacity` bytes in total.
   *   The bytes are copied.
   * @param blockSize The size of a block in bytes.
   * @param keep The number of bytes to keep of each digest.
   * @param deliver Called with the digests, `keep` bytes each, during this call
   *   or a later call to `start` or `finish`.
   */
  start(
    bytes: Uint8Array,
    blockSize: number,
    keep: number,
    deliver: Deliver,
  ): void {
    const slot = this.#started % SLOTS;
    this.#finish(slot);
    this.#deliver[slot] = deliver;
    const control = this.#control;
    const words = slot * SLOT_WORDS;
    const blocks = bytes.length / blockSize;
    const groupBlocks = Math.max(1, Math.floor(GROUP_BYTES / blockSize));
    this.#input.set(bytes, slot * MAX_JOB_BYTES);
    control[words + CONTROL.blocks] = blocks;
    control[words + CONTROL.blockSize] = blockSize;
    control[words + CONTROL.keep] = keep;
    control[words + CONTROL.groupBlocks] = groupBlocks;
    control[words + CONTROL.done] = 0;
    control[words + CONTROL.groups] = Math.ceil(blocks / groupBlocks);
    this.#started++;
    Atomics.store(control, words + CONTROL.next, this.#ticket);
    Atomics.add(control, STARTED, 1);
    Atomics.notify(control, STARTED);
    this.#finishIfDead();
  }

  /** Finishes all open jobs together with the worker, the oldest first. */
  finish(): void {
    for (let at = 0; at < SLOTS; at++) {
      this.#finish((this.#started + at) % SLOTS);
    }
  }

  /** The first ticket of the newest job. */
  get #ticket(): number {
    return (this.#started << GROUP_BITS) & 0x7fff_ffff;
  }

  #close(slot: number): void {
    const next = slot * SLOT_WORDS + CONTROL.next;
    Atomics.store(this.#control, next, this.#ticket | CLOSED);
  }

  #finish(slot: number): void {
    const deliver = this.#deliver[slot];
    if (!deliver) return;
    this.#deliver[slot] = undefined;
    const control = this.#control;
    const words = slot * SLOT_WORDS;
    const done = words + CONTROL.done;
    const groups = control[words + CONTROL.groups];
    for (let other = 0; other < SLOTS; other++) {
      while (Atomics.load(control, done) < groups) {
        if (!this.#hashOne((slot + other) % SLOTS)) break;
      }
    }
    for (;;) {
      const count = Atomics.load(control, done);
      if (count === groups) break;
      if (
        this.#isDead ||
        Atomics.wait(control, done, count, this.#patience) === "timed-out"
      ) {
        for (let group = 0; group < groups; group++) this.#hash(slot, group);
        this.#isDead = true;
        shared = undefined;
        break;
      }
    }
    this.#close(slot);
    const start = slot * MAX_JOB_BYTES;
    const length = control[words + CONTROL.blocks] *
      control[words + CONTROL.keep];
    deliver(this.#output.subarray(start, start + length));
    this.#finishIfDead();
  }

  /**
   * Finishes all open jobs if the worker has stopped. The next job might be
   * passed to a new helper, and these jobs would then never be finished.
   */
  #finishIfDead(): void {
    if (this.#isDead) this.finish();
  }

  /**
   * Takes the next group of a slot's job and hashes it. Returns `false` if no
   * group is left.
   */
  #hashOne(slot: number): boolean {
    const control = this.#control;
    const words = slot * SLOT_WORDS;
    const next = words + CONTROL.next;
    for (;;) {
      const ticket = Atomics.load(control, next);
      const group = ticket & CLOSED;
      if (group >= control[words + CONTROL.groups]) return false;
      if (
        Atomics.compareExchange(control, next, ticket, ticket + 1) === ticket
      ) {
        this.#hash(slot, group);
        Atomics.add(control, words + CONTROL.done, 1);
        return true;
      }
    }
  }

  #hash(slot: number, group: number): void {
    const control = this.#control;
    const words = slot * SLOT_WORDS;
    const size = control[words + CONTROL.blockSize];
    const keep = control[words + CONTROL.keep];
    const from = group * control[words + CONTROL.groupBlocks];
    const to = Math.min(
      from + control[words + CONTROL.groupBlocks],
      control[words + CONTROL.blocks],
    );
    if (keep !== this.#keep) {
      this.#keep = keep;
      this.#digest = strongSum("sha256", keep);
    }
    const start = slot * MAX_JOB_BYTES;
    for (let block = from; block < to; block++) {
      const at = start + block * size;
      const sum = this.#digest(this.#input.subarray(at, at + size));
      this.#output.set(sum, start + block * keep);
    }
  }
}

let shared: HashHelper | undefined;
