import type { Codec } from "./codec.ts";

/**
 * Compresses pieces, several at a time, and hands them on in order.
 *
 * `pending` counts the pieces that were pushed and not yet handed on; the
 * memory held is `pending` plain pieces and their compressed forms.
 */
export class FrameQueue<Item> {
  /** The number of pieces in the queue. */
  pending = 0;
  readonly #codec: Codec;
  readonly #place: (item: Item, packed: Uint8Array) => Promise<void>;
  readonly #most: number;
  #last: Promise<void> = Promise.resolve();
  #failed = false;
  #failure: unknown;
  #room: PromiseWithResolvers<void> | undefined;

  /**
   * Makes a queue.
   *
   * @param codec How to compress.
   * @param place Takes each compressed piece; it is not called again until it
   * has resolved.
   * @param most How many pieces may be pending before `ready` makes wait.
   */
  constructor(
    codec: Codec,
    place: (item: Item, packed: Uint8Array) => Promise<void>,
    most: number,
  ) {
    this.#codec = codec;
    this.#place = place;
    this.#most = most;
  }

  /** Takes a piece; it must not change until it was handed on. */
  push(item: Item, plain: Uint8Array): void {
    this.pending += 1;
    const before = this.#last;
    const packed = this.#codec.compress(plain);
    // Its fault is met below, in order; until then nobody listens.
    packed.catch(() => {});
    this.#last = (async () => {
      await before;
      if (this.#failed) return;
      try {
        await this.#place(item, await packed);
      } catch (error) {
        this.fail(error);
      }
      this.pending -= 1;
      if (this.pending < this.#most) {
        this.#room?.resolve();
        this.#room = undefined;
      }
    })();
  }

  /**
   * Resolves when there is room again; `undefined` if there is room.
   *
   * @throws What the compression or the placing failed with.
   */
  ready(): Promise<void> | undefined {
    if (this.#failed) return Promise.reject(this.#failure);
    if (this.pending < this.#most) return undefined;
    if (this.#room === undefined) {
      this.#room = Promise.withResolvers();
      this.#room.promise.catch(() => {});
    }
    return this.#room.promise;
  }

  /** Resolves when nothing is pending any more, be it handed on or dropped. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** Throws what has failed, if anything. */
  check(): void {
    if (this.#failed) throw this.#failure;
  }

  /** Drops what is pending; all later calls fail with `reason`. */
  fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = reason;
    this.#room?.reject(reason);
  }
}
