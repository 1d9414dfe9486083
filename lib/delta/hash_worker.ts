/** Indices of the shared control words. */
export const CONTROL = {
  /** Rises with each job; the worker sleeps on it. */
  job: 0,
  /** The next group of blocks to take; out of range while there is no job. */
  next: 1,
  /** How many groups there are. */
  groups: 2,
  /** How many groups are done; the owner sleeps on it. */
  done: 3,
  /** How many blocks a group has, except the last. */
  groupBlocks: 4,
  /** How many blocks there are. */
  blocks: 5,
  /** Size of a block in bytes. */
  blockSize: 6,
  /** How many bytes of each digest to keep. */
  keep: 7,
} as const;

/** What `worker.js` below is handed. */
export interface HashWorkerData {
  /** The control words. */
  control: SharedArrayBuffer;
  /** The blocks. */
  input: SharedArrayBuffer;
  /** The digests. */
  output: SharedArrayBuffer;
}

/**
 * The worker's program. It is text because that is what starts on every runtime
 * and out of a single binary alike, without a file of its own to be found.
 *
 * A group is taken by raising `next`, but only while it is in range; the owner
 * sets a job's parameters while it is not.
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
for (let job = 0;; job = Atomics.load(control, ${CONTROL.job})) {
  for (;;) {
    const group = Atomics.load(control, ${CONTROL.next});
    if (group >= Atomics.load(control, ${CONTROL.groups})) break;
    const taken = Atomics.compareExchange(
      control, ${CONTROL.next}, group, group + 1);
    if (taken !== group) continue;
    const size = control[${CONTROL.blockSize}];
    const keep = control[${CONTROL.keep}];
    const from = group * control[${CONTROL.groupBlocks}];
    const to = Math.min(
      from + control[${CONTROL.groupBlocks}], control[${CONTROL.blocks}]);
    for (let block = from; block < to; block++) {
      const sum = digest(input.subarray(block * size, block * size + size));
      for (let at = 0; at < keep; at++) {
        output[block * keep + at] =
          nibble(sum, 2 * at) << 4 | nibble(sum, 2 * at + 1);
      }
    }
    Atomics.add(control, ${CONTROL.done}, 1);
    Atomics.notify(control, ${CONTROL.done});
  }
  Atomics.wait(control, ${CONTROL.job}, job);
}
`;
