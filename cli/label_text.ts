import { InvalidArgumentError } from "commander";
import { MAX_LABEL_LENGTH } from "../lib/repository/mod.ts";

/**
 * Checks a label that the user typed, and returns it. An empty label is valid.
 *
 * @throws {InvalidArgumentError} If the label has only whitespace, or is longer
 * than `MAX_LABEL_LENGTH`.
 */
export function parseLabel(text: string): string {
  if (text !== "" && text.trim() === "") {
    throw new InvalidArgumentError("The label is blank.");
  }
  if (text.length <= MAX_LABEL_LENGTH) return text;
  throw new InvalidArgumentError(
    `The label is too long: ${text.length} characters, at most ${MAX_LABEL_LENGTH}.`,
  );
}
