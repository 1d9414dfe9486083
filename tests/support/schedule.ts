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

/** One of several that work on a storage at the same time. */
class Actor implements Storage {
  readonly location = "memory";
  /** The work that waits. */
  readonly waiting: (() => Promise<void>)[] = [];
  /** A trace of the work that was done. */
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

  /** Waits to be let go on, does it, and notes what came of it. */
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
  /** The storage afterwards. */
  storage: MemoryStorage;
  /** The result or error of each work. */
  outcomes: PromiseSettledResult<unknown>[];
  /** Before each step: which actors could go on, and the state as a text. */
  steps: { enabled: number[]; state: string; taken: number }[];
}

/**
 * Lets several work on a storage, one operation at a time, in an order that is
 * chosen: an operation takes effect as a whole, and the next is not chosen
 * before all have come to where they wait for theirs, or to their end.
 *
 * @param objects What the storage has; it is copied.
 * @param works What is done, each on a storage of its own over the same one.
 * @param choose Which actor goes on; one of `enabled`.
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
    // What follows from the answer happens before the next choice.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { storage, outcomes: await all, steps };
}

/** The same text for the same state: what is stored, and what each has seen. */
function stateOf(storage: MemoryStorage, actors: readonly Actor[]): string {
  const hash = createHash("sha256");
  for (const name of [...storage.objects.keys()].sort()) {
    hash.update(name).update("\0").update(storage.objects.get(name)!);
  }
  for (const { trace } of actors) hash.update(trace);
  return hash.digest("hex");
}

/**
 * Plays every schedule; those that have come to the same state go on the same,
 * so only one of them is played to its end.
 *
 * @param run Plays one schedule.
 * @param most Ends after so many schedules.
 * @returns How many were played, and whether those were all.
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
