/** The first version of Node with zstd and `process.getBuiltinModule`. */
const LEAST_NODE: readonly [major: number, minor: number] = [22, 15];

/** The versions by which runtimes are told apart. */
interface Versions {
  node?: string;
  deno?: string;
  bun?: string;
}

/**
 * Refuses a version of Node that lacks what deltar is made of: there, calls
 * would wait for ever or fail with words about something else.
 *
 * @param versions The versions of the runtime; none in a browser.
 * @throws {Error} With the version that is needed.
 */
export function checkRuntime(versions: Versions | undefined): void {
  const { node, deno, bun } = versions ?? {};
  if (node === undefined || deno !== undefined || bun !== undefined) return;
  const [major, minor] = node.split(".").map(Number);
  const [least, leastMinor] = LEAST_NODE;
  if (major > least || major === least && minor >= leastMinor) return;
  throw new Error(
    `deltar needs Node ${LEAST_NODE.join(".")} or later, and this is Node ` +
      `${node}. Install a newer one, or use Deno or Bun.`,
  );
}
