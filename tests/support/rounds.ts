import { type ByteSource, collect } from "../../lib/bytes/source.ts";
import { pause } from "../../lib/bytes/pause.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "../../lib/storage/storage.ts";

/** The maximum number of objects that one request lists, as in S3. */
const MAX_LISTED = 1000;
/** The number of pauses without a new request after which a round ends. */
const QUIET_PAUSES = 8;
/** The length of a pause in milliseconds. */
const PAUSE_MS = 5;

/** The requests of some work. */
export interface Rounds {
  /**
   * The number of rounds. All requests of a round are under way at the same
   * time. A round begins when the round before it has ended.
   */
  rounds: number;
  /** The number of requests. */
  requests: number;
  /** The maximum number of requests that were under way at the same time. */
  most: number;
}

/**
 * A storage with a virtual clock, on which each request takes one round.
 * Requests wait until the program makes no further request without the response
 * to one of them. Then all of them are carried out, and the next round begins.
 */
export class RoundStorage implements Storage {
  readonly location: string;
  /** The requests of the last work that was counted, with their rounds. */
  readonly trace: string[] = [];
  readonly #inner: Storage;
  #waiting: (() => void)[] = [];
  #counts: Rounds = { rounds: 0, requests: 0, most: 0 };

  constructor(inner: Storage) {
    this.location = inner.location;
    this.#inner = inner;
  }

  /** Does some work, and returns its requests. */
  async count(work: () => Promise<unknown>): Promise<Rounds> {
    this.#counts = { rounds: 0, requests: 0, most: 0 };
    this.trace.splice(0);
    await work();
    return this.#counts;
  }

  async *get(name: string, options?: GetOptions): AsyncGenerator<Uint8Array> {
    await this.#request(`get ${name}`);
    yield* this.#inner.get(name, options);
  }

  async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    const bytes = await collect(source);
    await this.#request(`put ${name}`);
    await this.#inner.put(name, bytes, options);
  }

  async *list(prefix?: string): AsyncGenerator<StoredObject> {
    const objects = this.#inner.list(prefix)[Symbol.asyncIterator]();
    for (let isOver = false; !isOver;) {
      const page: StoredObject[] = [];
      await this.#request(`list ${prefix}`);
      while (!isOver && page.length < MAX_LISTED) {
        const { done, value } = await objects.next();
        if (done) isOver = true;
        else page.push(value);
      }
      yield* page;
    }
  }

  async delete(name: string): Promise<void> {
    await this.#request(`delete ${name}`);
    await this.#inner.delete(name);
  }

  async tidy(): Promise<void> {
    await this.#request("tidy");
  }

  /** Waits for the end of the round. */
  #request(what: string): Promise<void> {
    this.#counts.requests++;
    this.trace.push(`${this.#counts.rounds + 1}: ${what}`);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#endRound();
    });
  }

  async #endRound(): Promise<void> {
    let before = 0;
    for (let quiet = 0; quiet < QUIET_PAUSES; quiet++) {
      await pause(PAUSE_MS, undefined);
      if (before < this.#counts.requests) quiet = 0;
      before = this.#counts.requests;
    }
    this.#counts.rounds++;
    const round = this.#waiting.splice(0);
    this.#counts.most = Math.max(this.#counts.most, round.length);
    for (const resolve of round) resolve();
  }
}
