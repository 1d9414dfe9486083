import { generator } from "../support/faulty_storage.ts";

/** Choices that are the same for the same seed. */
export class Random {
  readonly #next: () => number;

  /** Begins with a seed, and the number of a case in it. */
  constructor(seed: number, number = 0) {
    this.#next = generator(Math.imul(seed, 0x9E3779B1) ^ number);
    this.#next();
  }

  /** A whole number from 0 up to, and without, `end`. */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  /** Whether something happens that has this probability. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** One of some values. */
  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)];
  }

  /** Some of the values, in their order. */
  some<Value>(values: readonly Value[], probability: number): Value[] {
    return values.filter(() => this.chance(probability));
  }
}
