import { DeltarError } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaReader } from "./delta_reader.ts";
import type { RandomAccess } from "./random_access.ts";

/** Bytes of the delta that are parsed in one go. */
const PIECE = 2 ** 16;
/** Each command takes 16 bytes of memory: this many take 64 MiB. */
const MOST_COMMANDS = 2 ** 22;

/** A range of what a delta makes, and where its bytes come from. */
export interface Origin {
  /** Whether they come from the basis, or are literals in the delta. */
  kind: "copy" | "literal";
  /** Offset in the basis or in the delta. */
  offset: number;
  /** How many bytes. */
  length: number;
}

/** Where each byte of a delta's result comes from. */
export class DeltaIndex {
  /** Where each command's bytes start in the result. */
  #starts = new Float64Array(64);
  /** A copy's offset in the basis, or the literal's in the delta as -1 - it. */
  #origins = new Float64Array(64);
  #count = 0;
  #size = 0;

  /**
   * Reads a delta's commands.
   *
   * @param delta The delta; literals are passed over, not kept.
   * @throws {DeltarError} `corrupt` or `truncated` if it is damaged, `limit` if
   * it has more than four million commands.
   */
  static async read(
    delta: RandomAccess,
    options: { object?: string; signal?: AbortSignal } = {},
  ): Promise<DeltaIndex> {
    const index = new DeltaIndex();
    const reader = new DeltaReader(options.object);
    for (let at = 0; at < delta.size; at += PIECE) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(options.signal);
      const piece = await delta.read(at, Math.min(PIECE, delta.size - at));
      for (const command of reader.read(piece)) {
        const origin = command.kind === "copy"
          ? command.offset
          : -1 - command.at;
        index.#add(origin, command.length, options.object);
      }
    }
    reader.finish();
    return index;
  }

  /** Size of the delta's result in bytes. */
  get size(): number {
    return this.#size;
  }

  /**
   * Where a range of the result comes from, in order.
   *
   * @param offset The first byte; the range lies inside `size`.
   * @param length How many bytes.
   */
  *origins(offset: number, length: number): Generator<Origin> {
    const end = offset + length;
    let command = this.#find(offset);
    for (let at = offset; at < end; command++) {
      const next = command + 1 < this.#count
        ? this.#starts[command + 1]
        : this.#size;
      const origin = this.#origins[command];
      const skip = at - this.#starts[command];
      const taken = Math.min(next, end) - at;
      yield origin < 0
        ? { kind: "literal", offset: -1 - origin + skip, length: taken }
        : { kind: "copy", offset: origin + skip, length: taken };
      at += taken;
    }
  }

  /** The last command that starts at or before `offset`. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#count;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (this.#starts[middle] <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  #add(origin: number, length: number, object: string | undefined): void {
    if (this.#count === this.#starts.length) {
      if (this.#count >= MOST_COMMANDS) {
        throw new DeltarError(
          "limit",
          `more than ${MOST_COMMANDS} commands`,
          { object },
        );
      }
      this.#starts = doubled(this.#starts);
      this.#origins = doubled(this.#origins);
    }
    this.#starts[this.#count] = this.#size;
    this.#origins[this.#count++] = origin;
    this.#size += length;
    if (!Number.isSafeInteger(this.#size)) {
      throw new DeltarError("limit", "the result is too large", { object });
    }
  }
}

function doubled(
  numbers: Float64Array<ArrayBuffer>,
): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
