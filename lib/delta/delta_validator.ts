import { DeltarError } from "../bytes/errors.ts";
import type { DeltaCommand } from "./delta_reader.ts";

/** Checks each command of a delta before it is executed. */
export class DeltaValidator {
  readonly #basisSize: number;
  readonly #maxSize: number;
  readonly #object: string | undefined;
  #size = 0;

  constructor(basisSize: number, maxSize: number, object: string | undefined) {
    this.#basisSize = basisSize;
    this.#maxSize = maxSize;
    this.#object = object;
  }

  /** The size in bytes of the result of all commands checked so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Checks a command, and adds the length of its result to `size`.
   *
   * @throws {DeltarError} `mismatch` if the command copies from beyond the
   *   basis, `limit` if the result would be larger than the maximum.
   */
  check(command: DeltaCommand): void {
    const place = { object: this.#object, offset: command.at };
    if (command.kind === "copy") {
      const end = command.offset + command.length;
      if (end > this.#basisSize) {
        throw new DeltarError(
          "mismatch",
          `the delta copies up to byte ${end} of a basis of ${this.#basisSize} bytes`,
          place,
        );
      }
    }
    this.#size += command.length;
    if (this.#size > this.#maxSize) {
      throw new DeltarError(
        "limit",
        `the result of the delta has more than ${this.#maxSize} bytes`,
        place,
      );
    }
  }
}
