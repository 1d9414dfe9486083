import { DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Returns a number as four big-endian bytes (RFC 4251, section 5). */
export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/**
 * Returns the UTF-8 bytes of a string, or the given bytes, preceded by their
 * length in four bytes (RFC 4251, section 5).
 */
export function string(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return concat([uint32(bytes.length), bytes]);
}

/** A reader of fields in the encoding of RFC 4251. */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /**
   * Makes a reader.
   *
   * @param bytes The encoded fields.
   * @param what The subject of error messages, such as `the private key`.
   */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Whether all bytes have been read. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /**
   * Returns the next `length` bytes.
   *
   * @throws {DeltarError} `corrupt` if fewer bytes are left.
   */
  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.invalid("ends early");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Reads a big-endian number of four bytes. */
  uint32(): number {
    const { buffer, byteOffset } = this.bytes(4);
    return new DataView(buffer, byteOffset).getUint32(0);
  }

  /** Reads bytes that are preceded by their length. */
  string(): Uint8Array {
    return this.bytes(this.uint32());
  }

  /** Reads a UTF-8 string that is preceded by its length in bytes. */
  text(): string {
    return decoder.decode(this.string());
  }

  /**
   * Returns an error with the code `corrupt`.
   *
   * @param why The rest of the message, after its subject, such as
   * `is damaged`.
   */
  invalid(why: string): DeltarError {
    return new DeltarError("corrupt", `${this.#what} ${why}`);
  }
}
