import { createCipheriv, createHash } from "node:crypto";

/** Bytes and numbers that look random and are the same for the same seed. */
export class Random {
  readonly #cipher: ReturnType<typeof createCipheriv>;

  /** Starts a sequence from a seed. */
  constructor(seed: string) {
    const key = createHash("sha256").update(seed).digest().subarray(0, 16);
    this.#cipher = createCipheriv("aes-128-ctr", key, new Uint8Array(16));
  }

  /** Returns the next bytes. */
  bytes(length: number): Uint8Array {
    return new Uint8Array(this.#cipher.update(new Uint8Array(length)));
  }

  /** Returns a random whole number from 0 to `end - 1`. */
  below(end: number): number {
    let number = 0;
    for (const byte of this.bytes(6)) number = number * 256 + byte;
    return number % end;
  }

  /**
   * Returns a text of random words, with `length` or `length - 1` characters.
   */
  text(length: number): string {
    const words: string[] = [];
    for (let left = length; left > 0;) {
      const word = WORDS[Math.floor((this.below(1024) / 1024) ** 2 * 4096)];
      words.push(word);
      left -= word.length + 1;
    }
    return words.join(" ").slice(0, length);
  }
}

const SYLLABLES = "ba de ki lo mu na pe ri so tu va we xi yo zu sha".split(" ");
const WORDS = Array.from(
  { length: 4096 },
  (_, at) =>
    [at & 15, at >> 4 & 15, at >> 8 & 15].map((one) => SYLLABLES[one]).join(""),
);
