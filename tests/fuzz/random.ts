import { generator } from "../support/faulty_storage.ts";

/** A generator of random choices that depend only on the seed. */
export class Random {
  readonly #next: () => number;

  /** Starts with a seed and the number of a case of this seed. */
  constructor(seed: number, number = 0) {
    this.#next = generator(Math.imul(seed, 0x9E3779B1) ^ number);
    this.#next();
  }

  /** Returns a whole number from 0 up to, but not including, `end`. */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  /** Returns `true` with the given probability. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** Returns one of the values. */
  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)];
  }

  /** Returns some of the values, in their order. */
  some<Value>(values: readonly Value[], probability: number): Value[] {
    return values.filter(() => this.chance(probability));
  }
}
