import { DeltarError } from "../../lib/bytes/errors.ts";
import { type ByteSource, chunks } from "../../lib/bytes/source.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "../../lib/storage/storage.ts";

/**
 * A fault of an operation:
 *
 * - `before`: it fails before it did anything;
 * - `after`: it takes effect, or gives all it has, and then fails;
 * - `reset`: it fails in the middle: a `get` or `list` after a part, a `put`
 *   after it took a part of its source, of which nothing is stored;
 * - `short`: a `get` gives a part and ends as if that were all, which no
 *   storage may do and a bad proxy does; others are `reset`;
 * - `slow`: it works, some milliseconds later than others;
 * - `stale`: a `list` shows the names as they were some changes ago; others
 *   work as ever.
 */
export type Fault = "before" | "after" | "reset" | "short" | "slow" | "stale";

/** The kinds of faults that a storage may have according to its contract. */
export const HONEST: readonly Fault[] = ["before", "after", "reset", "slow"];

/** A call of a method of a storage. */
export interface Operation {
  /** The number of the call, counted from 1. */
  number: number;
  /** The method. */
  kind: "get" | "put" | "list" | "delete";
  /** The name of the object, or the prefix. */
  name: string;
}

/** Returns the fault of an operation, or `undefined`. */
export type FaultPlan = (operation: Operation) => Fault | undefined;

/** Returns a plan in which only one operation has a fault. */
export function failAt(number: number, fault: Fault): FaultPlan {
  return (operation) => operation.number === number ? fault : undefined;
}

/**
 * Returns a plan in which the machine crashes at an operation: this operation
 * and all later ones fail.
 */
export function dieAt(number: number, fault: Fault): FaultPlan {
  return (operation) =>
    operation.number < number
      ? undefined
      : operation.number === number
      ? fault
      : "before";
}

/**
 * Returns a plan in which each operation has one of `faults` with a
 * probability. The faults depend only on the seed.
 */
export function failByChance(
  seed: number,
  probability: number,
  faults: readonly Fault[] = HONEST,
): FaultPlan {
  const chance = generator(seed);
  return () => {
    const [hit, which] = [chance(), chance()];
    if (hit >= probability) return undefined;
    return faults[Math.floor(which * faults.length)];
  };
}

/**
 * Returns a generator of numbers from 0 up to, but not including, 1, which look
 * random (mulberry32).
 */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6D2B79F5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Returns whether a `FaultyStorage` made an error or its cause. */
export function isInjected(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at.message.includes(MARK)) return true;
  }
  return false;
}

const MARK = "injected fault";
/** The number of changes that a stale listing has not seen yet. */
const UNSEEN_CHANGES = 3;
/** The delay of a slow operation, in milliseconds. */
const SLOW_MS = 5;

/**
 * A storage whose operations have planned faults. The errors of these faults
 * have the code `io`. See `isInjected`.
 */
export class FaultyStorage implements Storage {
  /** The location of the storage, for messages. */
  readonly location: string;
  /** The calls so far, with their faults. */
  readonly calls: (Operation & { fault?: Fault })[] = [];
  readonly #inner: Storage;
  readonly #plan: FaultPlan;
  /** The objects before each of the last changes, the oldest first. */
  readonly #undo: { name: string; before: StoredObject | undefined }[] = [];

  /**
   * Wraps `inner`. By default, there are no faults, and calls are only counted.
   */
  constructor(inner: Storage, plan: FaultPlan = () => undefined) {
    this.#inner = inner;
    this.#plan = plan;
    this.location = inner.location;
  }

  /** The number of calls so far. */
  get operations(): number {
    return this.calls.length;
  }

  async *get(name: string, options?: GetOptions): AsyncGenerator<Uint8Array> {
    const { fault, fail } = await this.#begin("get", name);
    for await (const part of this.#inner.get(name, options)) {
      if (fault !== "reset" && fault !== "short") yield part;
      else {
        yield part.subarray(0, part.length >> 1);
        if (fault === "short") return;
        fail();
      }
    }
    if (fault === "after" || fault === "reset") fail();
  }

  async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    const { fault, fail } = await this.#begin("put", name);
    if (fault === "reset" || fault === "short") {
      for await (const _ of chunks(source)) break;
      fail();
    }
    const before = await this.#lookUp(name);
    await this.#inner.put(name, source, options);
    this.#changed(name, before);
    if (fault === "after") fail();
  }

  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    const { fault, fail } = await this.#begin("list", prefix);
    const objects = new Map<string, StoredObject>();
    for await (const object of this.#inner.list(prefix)) {
      objects.set(object.name, object);
    }
    if (fault === "stale") {
      for (const { name, before } of this.#undo.toReversed()) {
        if (before === undefined) objects.delete(name);
        else if (name.startsWith(prefix)) objects.set(name, before);
      }
    }
    let left = fault === "reset" || fault === "short"
      ? objects.size >> 1
      : Infinity;
    for (const object of objects.values()) {
      if (left-- <= 0) break;
      yield object;
    }
    if (fault === "after" || left <= 0) fail();
  }

  async delete(name: string): Promise<void> {
    const { fault, fail } = await this.#begin("delete", name);
    if (fault === "reset" || fault === "short") fail();
    const before = await this.#lookUp(name);
    await this.#inner.delete(name);
    this.#changed(name, before);
    if (fault === "after") fail();
  }

  async #begin(
    kind: Operation["kind"],
    name: string,
  ): Promise<{ fault: Fault | undefined; fail: () => never }> {
    const operation: Operation = { number: this.operations + 1, kind, name };
    const fault = this.#plan(operation);
    this.calls.push({ ...operation, ...fault && { fault } });
    const fail = (): never => {
      throw new DeltarError(
        "io",
        `${MARK} "${fault}" at operation ${operation.number}, ${kind}`,
        { object: name || this.location },
      );
    };
    if (fault === "before") fail();
    if (fault === "slow") {
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    }
    return { fault, fail };
  }

  async #lookUp(name: string): Promise<StoredObject | undefined> {
    for await (const object of this.#inner.list(name)) {
      if (object.name === name) return object;
    }
    return undefined;
  }

  #changed(name: string, before: StoredObject | undefined): void {
    this.#undo.push({ name, before });
    if (this.#undo.length > UNSEEN_CHANGES) this.#undo.shift();
  }
}
