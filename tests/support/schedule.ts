import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { type ByteSource, collect } from "../../lib/bytes/source.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "../../lib/storage/storage.ts";

/** One of several actors that work on a storage at the same time. */
class Actor implements Storage {
  readonly location = "memory";
  /** The operations that wait. */
  readonly waiting: (() => Promise<void>)[] = [];
  /** A trace of the completed operations. */
  trace = "";
  isDone = false;
  readonly #inner: Storage;
  readonly #changed: () => void;

  constructor(inner: Storage, changed: () => void) {
    this.#inner = inner;
    this.#changed = changed;
  }

  async *get(name: string, options?: GetOptions): AsyncGenerator<Uint8Array> {
    yield await this.#turn(
      `get ${name}`,
      () => collect(this.#inner.get(name, options)),
    );
  }

  async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    const bytes = await collect(source);
    await this.#turn(
      `put ${name}`,
      () => this.#inner.put(name, bytes, options),
    );
  }

  async *list(prefix?: string): AsyncGenerator<StoredObject> {
    yield* await this.#turn(
      `list ${prefix}`,
      () => Array.fromAsync(this.#inner.list(prefix)),
    );
  }

  async delete(name: string): Promise<void> {
    await this.#turn(`delete ${name}`, () => this.#inner.delete(name));
  }

  /**
   * Waits for permission, carries the operation out, and records its result.
   */
  #turn<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push(async () => {
        try {
          const result = await work();
          this.#note(what, result);
          resolve(result);
        } catch (error) {
          this.#note(what, String(error));
          reject(error);
        }
      });
      this.#changed();
    });
  }

  #note(what: string, result: unknown): void {
    const hash = createHash("sha256").update(this.trace).update(what);
    if (result instanceof Uint8Array) hash.update(result);
    else hash.update(JSON.stringify(result) ?? "");
    this.trace = hash.digest("hex");
  }
}

/** The result of one schedule. */
export interface Played {
  /** The storage after the schedule. */
  storage: MemoryStorage;
  /** The result or error of each actor. */
  outcomes: PromiseSettledResult<unknown>[];
  /**
   * For each step: the actors that could continue, the state as a text, and the
   * actor that was chosen.
   */
  steps: { enabled: number[]; state: string; taken: number }[];
}

/**
 * Lets several actors work on a storage, one operation at a time, in a chosen
 * order. An operation takes effect as a whole. The next one is chosen after all
 * actors have reached their next operation or their end.
 *
 * @param objects The initial objects of the storage, which are copied.
 * @param works The works. Each gets its own storage object for the same
 *   objects.
 * @param choose Returns the actor that continues, which is one of `enabled`.
 */
export async function play(
  objects: ReadonlyMap<string, Uint8Array>,
  works: readonly ((storage: Storage) => Promise<unknown>)[],
  choose: (enabled: number[], step: number) => number,
): Promise<Played> {
  const storage = new MemoryStorage();
  for (const [name, bytes] of objects) storage.objects.set(name, bytes.slice());
  let wake = () => {};
  const changed = () => wake();
  const actors = works.map(() => new Actor(storage, changed));
  const ends = works.map((work, at) =>
    work(actors[at]).finally(() => {
      actors[at].isDone = true;
      changed();
    })
  );
  const all = Promise.allSettled(ends);
  const steps: Played["steps"] = [];
  while (true) {
    while (actors.some(({ isDone, waiting }) => !isDone && !waiting.length)) {
      await new Promise<void>((resolve) => wake = resolve);
    }
    const enabled = actors.flatMap(({ waiting }, at) =>
      waiting.length > 0 ? at : []
    );
    if (enabled.length === 0) break;
    const taken = choose(enabled, steps.length);
    steps.push({ enabled, state: stateOf(storage, actors), taken });
    await actors[taken].waiting.shift()!();
    // The consequences of the answer take place before the next choice.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { storage, outcomes: await all, steps };
}

/**
 * Returns a text that is equal for equal states: the stored objects, and what
 * each actor has read.
 */
function stateOf(storage: MemoryStorage, actors: readonly Actor[]): string {
  const hash = createHash("sha256");
  for (const name of [...storage.objects.keys()].sort()) {
    hash.update(name).update("\0").update(storage.objects.get(name)!);
  }
  for (const { trace } of actors) hash.update(trace);
  return hash.digest("hex");
}

/**
 * Runs every schedule. Schedules that have reached the same state continue in
 * the same way, so only one of them is run to its end.
 *
 * @param run Runs one schedule.
 * @param most The maximum number of schedules.
 * @returns The number of schedules that were run, and whether those were all.
 */
export async function playAll(
  run: (choose: (enabled: number[], step: number) => number) => Promise<Played>,
  most: number,
): Promise<{ played: number; isAll: boolean }> {
  const tried = new Set<string>();
  const todo: number[][] = [[]];
  let played = 0;
  for (let prefix = todo.pop(); prefix !== undefined; prefix = todo.pop()) {
    if (played === most) return { played, isAll: false };
    const begun = prefix;
    const { steps } = await run((enabled, step) =>
      enabled.includes(begun[step]) ? begun[step] : enabled[0]
    );
    played++;
    for (const [at, { enabled, state, taken }] of steps.entries()) {
      tried.add(`${state} ${taken}`);
      if (at < begun.length) continue;
      for (const other of enabled) {
        const key = `${state} ${other}`;
        if (tried.has(key)) continue;
        tried.add(key);
        todo.push([...steps.slice(0, at).map((step) => step.taken), other]);
      }
    }
  }
  return { played, isAll: true };
}
