const SEGMENT = /^[^./\\\p{Cc}][^/\\\p{Cc}]*$/u;

/** The end of the names of encrypted objects. */
export const AGE_SUFFIX = ".age";

/** Returns the name of an object without the suffix `.age`, if it has one. */
export function withoutAge(name: string): string {
  return name.endsWith(AGE_SUFFIX) ? name.slice(0, -AGE_SUFFIX.length) : name;
}

/**
 * Returns whether a text is a valid segment of an object's name. Slashes
 * separate the segments.
 */
export function isSegment(text: string): boolean {
  return SEGMENT.test(text);
}

/** Returns whether a value is an object name as `Storage` defines it. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value.split("/").every(isSegment);
}

/**
 * Checks that a value is an object name as `Storage` defines it, before the
 * value becomes part of a path or URL.
 *
 * @param name The value to check.
 * @throws {TypeError} If `name` is not an object name.
 */
export function checkName(name: string): void {
  if (!isName(name)) {
    throw new TypeError(`not an object name: ${JSON.stringify(name)}`);
  }
}
