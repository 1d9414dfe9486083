const SEGMENT = /^[^./\\\p{Cc}][^/\\\p{Cc}]*$/u;

/**
 * Refuses what is not an object name as `Storage` defines it, before it can
 * reach a file system or a URL.
 *
 * @throws {TypeError} if `name` is not such a name.
 */
export function checkName(name: string): void {
  for (const segment of name.split("/")) {
    if (!SEGMENT.test(segment)) {
      throw new TypeError(`not an object name: ${JSON.stringify(name)}`);
    }
  }
}
