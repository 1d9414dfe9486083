import { Console } from "../console.ts";
import type { Context } from "../context.ts";
import { redact, showText } from "../text.ts";

/** The maximum number of messages in an answer. */
const MAX_MESSAGES = 20;

/**
 * The messages of one call. They become part of the answer, because standard
 * output is reserved for the protocol.
 */
export class Messages extends Console {
  readonly #texts: string[] = [];
  #count = 0;

  /** Makes an empty list of messages. */
  constructor(context: Context) {
    super({ terminal: context.terminal, verbosity: "quiet" }, false);
  }

  /**
   * Adds a message, unless the list already has it. After `MAX_MESSAGES`
   * messages, further messages are only counted.
   */
  override warn(text: string): void {
    const shown = showText(redact(text));
    if (this.#texts.includes(shown)) return;
    if (++this.#count <= MAX_MESSAGES) this.#texts.push(shown);
  }

  /** Adds a message in the same way as `warn`. */
  override note(text: string): void {
    this.warn(text);
  }

  /**
   * The first `MAX_MESSAGES` messages, and a line with the number of further
   * messages, if there are any.
   */
  get texts(): string[] {
    const more = this.#count - this.#texts.length;
    return more > 0
      ? [...this.#texts, `and ${more} more messages`]
      : [...this.#texts];
  }
}
