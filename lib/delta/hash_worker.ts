/** The number of slots. Each slot can hold one open job. */
export const SLOTS = 4;
/** The maximum total size of the blocks of a job, in bytes. */
export const MAX_JOB_BYTES = 2 ** 18;
/** The number of control words of each slot. */
export const SLOT_WORDS = 8;
/**
 * The number of low bits of a ticket that contain the number of the group. The
 * other bits identify the job.
 */
export const GROUP_BITS = 12;
/**
 * The group number in the ticket of a slot without a job. It is higher than the
 * number of any group, and is also the mask for the group number of a ticket.
 */
export const CLOSED = 2 ** GROUP_BITS - 1;

/**
 * The index of the control word that counts the jobs that have been started, in
 * all slots. The worker waits on this word.
 */
export const STARTED: number = SLOTS * SLOT_WORDS;

/** The index of each control word among the control words of its slot. */
export const CONTROL = {
  /** The ticket of the next group to take. */
  next: 0,
  /** The number of groups of the job. */
  groups: 1,
  /**
   * The number of groups that have been hashed. The thread that started the job
   * waits on this word.
   */
  done: 2,
  /** The number of blocks of each group except the last one. */
  groupBlocks: 3,
  /** The number of blocks of the job. */
  blocks: 4,
  /** The size of each block in bytes. */
  blockSize: 5,
  /** The number of bytes of each digest to keep. */
  keep: 6,
} as const;

/** The data that is passed to the worker. */
export interface HashWorkerData {
  /** The control words of all slots, followed by the word at `STARTED`. */
  control: SharedArrayBuffer;
  /** The blocks, `MAX_JOB_BYTES` bytes for each slot. */
  input: SharedArrayBuffer;
  /** The digests, `MAX_JOB_BYTES` bytes for each slot. */
  output: SharedArrayBuffer;
}

/**
 * The source text of the worker's program. Every runtime that has
 * `node:worker_threads` can start a worker from text, even in a program that
 * was compiled into one binary, which has no separate file for the worker.
 *
 * A thread takes a group by incrementing the slot's ticket. Groups of the
 * oldest job are taken first. The thread that starts a job sets the job's
 * control words while the slot's ticket is closed. Tickets repeat only after
 * 2^19 jobs, so an old ticket is not mistaken for a ticket of a later job.
 */
export const HASH_WORKER: string = `
const { workerData } = require("node:worker_threads");
const { createHash, hash } = require("node:crypto");
const control = new Int32Array(workerData.control);
const input = new Uint8Array(workerData.input);
const output = new Uint8Array(workerData.output);
const digest = hash
  ? (block) => hash("sha256", block, "hex")
  : (block) => createHash("sha256").update(block).digest("hex");
const nibble = (text, at) => {
  const code = text.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
};
const work = (slot) => {
  const words = slot * ${SLOT_WORDS};
  for (;;) {
    const ticket = Atomics.load(control, words + ${CONTROL.next});
    const group = ticket & ${CLOSED};
    if (group >= Atomics.load(control, words + ${CONTROL.groups})) return;
    const taken = Atomics.compareExchange(
      control, words + ${CONTROL.next}, ticket, ticket + 1);
    if (taken !== ticket) continue;
    const size = control[words + ${CONTROL.blockSize}];
    const keep = control[words + ${CONTROL.keep}];
    const from = group * control[words + ${CONTROL.groupBlocks}];
    const to = Math.min(
      from + control[words + ${CONTROL.groupBlocks}],
      control[words + ${CONTROL.blocks}]);
    for (let block = from; block < to; block++) {
      const start = slot * ${MAX_JOB_BYTES} + block * size;
      const sum = digest(input.subarray(start, start + size));
      const place = slot * ${MAX_JOB_BYTES} + block * keep;
      for (let at = 0; at < keep; at++) {
        output[place + at] =
          nibble(sum, 2 * at) << 4 | nibble(sum, 2 * at + 1);
      }
    }
    Atomics.add(control, words + ${CONTROL.done}, 1);
    Atomics.notify(control, words + ${CONTROL.done});
  }
};
for (;;) {
  const started = Atomics.load(control, ${STARTED});
  for (let at = 0; at < ${SLOTS}; at++) work((started + at) % ${SLOTS});
  Atomics.wait(control, ${STARTED}, started);
}
`;
