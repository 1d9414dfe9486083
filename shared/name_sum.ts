import process from "node:process";

/**
 * Returns the first 16 hexadecimal digits of a text's SHA-256, which identify
 * the text in file names and URLs.
 */
export function nameSum(text: string): string {
  // The module is loaded here, because loading it takes a while and not every
  // command needs it.
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
