import { InvalidArgumentError } from "commander";

/** The maximum length of a label, in characters. */
const MAX_LENGTH = 1000;

/**
 * Reads a label that was typed.
 *
 * @throws {InvalidArgumentError} If it is blank or too long.
 */
export function parseLabel(text: string): string {
  if (text !== "" && text.trim() === "") {
    throw new InvalidArgumentError("The label is blank.");
  }
  if (text.length <= MAX_LENGTH) return text;
  throw new InvalidArgumentError(
    `The label has ${text.length} characters, at most ${MAX_LENGTH}.`,
  );
}
