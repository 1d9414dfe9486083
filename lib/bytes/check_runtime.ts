/** The first version of Node 22 with zstd and `process.getBuiltinModule`. */
const MIN_NODE: readonly [major: number, minor: number] = [22, 15];

/** The versions that identify the runtime. */
interface Versions {
  node?: string;
  deno?: string;
  bun?: string;
}

/**
 * Throws an error for a version of Node that is too old for deltar. On such a
 * version, calls could fail with unrelated errors or never return.
 *
 * @param versions The versions of the runtime, or `undefined` in a browser.
 * @throws {Error} If the version is too old. The message names the version that
 *   is needed.
 */
export function checkRuntime(versions: Versions | undefined): void {
  const { node, deno, bun } = versions ?? {};
  if (node === undefined || deno !== undefined || bun !== undefined) return;
  const [major, minor] = node.split(".").map(Number);
  const [least, leastMinor] = MIN_NODE;
  if (major > least || major === least && minor >= leastMinor) return;
  throw new Error(
    `deltar needs Node ${MIN_NODE.join(".")} or later, but runs on Node ` +
      `${node}. Install a newer version, or use Deno or Bun.`,
  );
}
