import type { Codec } from "./codec.ts";

/**
 * Compresses several frames at the same time, and passes them on in order. The
 * queue holds the plain and compressed bytes of the pending frames.
 */
export class FrameQueue<Item> {
  /** The number of frames that have been pushed but not yet passed on. */
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
   * @param codec The codec that compresses the frames.
   * @param place Called with each compressed frame. The next call is made after
   *   the returned promise has resolved.
   * @param most The maximum number of pending frames. When this number is
   *   reached, `ready` returns a promise.
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

  /**
   * Adds a frame. The bytes `plain` must not change until the frame has been
   * passed on.
   */
  push(item: Item, plain: Uint8Array): void {
    this.pending += 1;
    const before = this.#last;
    const packed = this.#codec.compress(plain);
    // An error is handled below, after the earlier frames have been passed on.
    // Without a handler until then, the runtime would report an unhandled
    // rejection.
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
   * Returns a promise that resolves when there is room for another frame, or
   * `undefined` if there is room now. The promise rejects with the error of the
   * compression or of `place`, or with the reason that was passed to `fail`.
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

  /** Waits until every frame has been passed on or dropped. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** Throws the first error of the queue, if there is one. */
  check(): void {
    if (this.#failed) throw this.#failure;
  }

  /**
   * Drops the pending frames. Later calls to `ready` and `check` fail with
   * `reason`.
   */
  fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = reason;
    this.#room?.reject(reason);
  }
}
