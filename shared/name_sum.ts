import process from "node:process";

/**
 * Returns 16 hexadecimal digits that stand for a text in names of files and in
 * addresses: the first of its SHA-256.
 */
export function nameSum(text: string): string {
  // Few commands need it, and the runtime takes a while to load it.
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
