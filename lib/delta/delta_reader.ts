import { DeltarError } from "../bytes/errors.ts";
import { DELTA_MAGIC } from "./delta_writer.ts";

/** A command of a delta. */
export type DeltaCommand =
  & {
    /**
     * The offset in the delta, in bytes, of the last byte of a copy command or
     * of the first byte of `bytes`.
     */
    at: number;
    /** The number of bytes that the command produces. */
    length: number;
  }
  & (
    /**
     * A command that copies a range of the basis. `offset` is the offset of the
     * range in bytes.
     */
    | { kind: "copy"; offset: number }
    /**
     * A command that contains literal bytes. A literal that spans several
     * chunks is yielded as several commands.
     */
    | { kind: "literal"; bytes: Uint8Array }
  );

/**
 * Parses librsync's delta format from chunks of any size. Memory holds only the
 * parameters of one command. Literals are passed on as views of the input.
 */
export class DeltaReader {
  readonly #object: string | undefined;
  /** The offset in the delta of the next byte to parse, in bytes. */
  #offset = 0;
  /**
   * The bytes read so far of the magic number or of a command and its
   * parameters.
   */
  readonly #header = new Uint8Array(17);
  #headerLength = 0;
  #headerWanted = 4;
  readonly #view = new DataView(this.#header.buffer);
  /** The number of bytes of the current literal that have not been read. */
  #literal = 0;
  #state: "magic" | "command" | "literal" | "end" = "magic";

  /**
   * Makes a reader.
   *
   * @param object The name of the delta, for error messages.
   */
  constructor(object?: string) {
    this.#object = object;
  }

  /**
   * Parses the next chunk of the delta, and yields the commands in it.
   *
   * @throws {DeltarError} `corrupt` if the delta is invalid.
   */
  *read(piece: Uint8Array): Generator<DeltaCommand, void, undefined> {
    let at = 0;
    while (at < piece.length) {
      if (this.#state === "literal") {
        const length = Math.min(this.#literal, piece.length - at);
        const bytes = piece.subarray(at, at + length);
        yield { kind: "literal", bytes, length, at: this.#offset };
        at += length;
        this.#offset += length;
        this.#literal -= length;
        if (this.#literal === 0) this.#state = "command";
        continue;
      }
      const byte = piece[at++];
      this.#offset++;
      if (this.#state === "end") this.#fail("the delta has data after its end");
      this.#header[this.#headerLength++] = byte;
      if (this.#state === "command" && this.#headerLength === 1) {
        this.#headerWanted = this.#lengthOf(byte);
      }
      if (this.#headerLength < this.#headerWanted) continue;
      this.#headerLength = 0;
      const copy = this.#execute();
      if (copy !== undefined) yield copy;
    }
  }

  /**
   * Checks that the delta has ended.
   *
   * @throws {DeltarError} `truncated` if the delta has not ended.
   */
  finish(): void {
    if (this.#state === "end") return;
    throw new DeltarError(
      "truncated",
      "the delta ends before its end command",
      {
        object: this.#object,
        offset: this.#offset,
      },
    );
  }

  /** Returns the length of a command with its parameters, in bytes. */
  #lengthOf(command: number): number {
    if (command <= 0x40) return 1;
    if (command <= 0x44) return 1 + (1 << command - 0x41);
    if (command <= 0x54) {
      return 1 + (1 << (command - 0x45 >>> 2)) + (1 << (command - 0x45 & 3));
    }
    return this.#fail(`unknown command in a delta: 0x${command.toString(16)}`);
  }

  #execute(): DeltaCommand | undefined {
    if (this.#state === "magic") {
      if (this.#view.getUint32(0) !== DELTA_MAGIC) {
        this.#headerWanted = 4;
        this.#offset = 1;
        this.#fail("the data is not a delta: its first bytes are wrong");
      }
      this.#state = "command";
      return;
    }
    const command = this.#header[0];
    if (command === 0) {
      this.#state = "end";
    } else if (command <= 0x44) {
      this.#literal = command <= 0x40
        ? command
        : this.#number(1, command - 0x41);
      if (this.#literal === 0) {
        this.#fail("a literal command of the delta is empty");
      }
      this.#state = "literal";
    } else {
      const offsetWidth = command - 0x45 >>> 2;
      const offset = this.#number(1, offsetWidth);
      const length = this.#number(1 + (1 << offsetWidth), command - 0x45 & 3);
      if (length === 0) this.#fail("a copy command of the delta is empty");
      return { kind: "copy", offset, length, at: this.#offset - 1 };
    }
  }

  #number(at: number, width: number): number {
    if (width === 0) return this.#view.getUint8(at);
    if (width === 1) return this.#view.getUint16(at);
    if (width === 2) return this.#view.getUint32(at);
    const value = Number(this.#view.getBigUint64(at));
    if (!Number.isSafeInteger(value)) {
      this.#fail(
        `a parameter of the delta is too large: ${value}, at most 2^53 - 1`,
      );
    }
    return value;
  }

  #fail(message: string): never {
    throw new DeltarError("corrupt", message, {
      object: this.#object,
      offset: this.#offset - 1,
    });
  }
}
