import { InvalidArgumentError } from "commander";

/** The most characters that the library takes. */
const MAX_LENGTH = 1000;

/**
 * Reads a label that was typed.
 *
 * @throws {InvalidArgumentError} If it is blank or too long.
 */
export function parseLabel(text: string): string {
  if (text !== "" && text.trim() === "") {
    throw new InvalidArgumentError("It is blank.");
  }
  if (text.length <= MAX_LENGTH) return text;
  throw new InvalidArgumentError(
    `It has ${text.length} characters, and may have ${MAX_LENGTH}.`,
  );
}
