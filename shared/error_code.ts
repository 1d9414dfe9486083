/**
 * Returns the code of a thrown value, such as `ENOENT`, or `undefined` if the
 * value has no code or the code is not a string.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}
