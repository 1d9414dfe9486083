import { mirror } from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { locate } from "./location.ts";
import { storageAt } from "./open_repository.ts";
import { signersIn } from "./signers.ts";
import { formatDuration, showPath, showText } from "./text.ts";

/**
 * Copies a repository as it is stored, without a key. Returns the exit code.
 */
export async function copyWithoutKey(
  context: Context,
  options: { repo?: string; json?: boolean; to: string; signers?: string },
): Promise<number> {
  const out = new Console(context, options.json ?? false);
  const from = storageAt(locate(options.repo, "."), context.opened);
  const to = storageAt(locate(options.to, "."), context.opened);
  const started = performance.now();
  const result = await mirror(from, to, {
    ...options.signers !== undefined && {
      signers: signersIn(options.signers),
    },
    onProgress: ({ objects, bytes, name }) =>
      out.progress(
        () => `${plural(objects, "object")}, ${formatBytes(bytes)}`,
        name,
        { bytes },
      ),
    signal: context.signal,
  });
  const { objects, bytes, present, damage, unlisted } = result;
  const code = damage.length + unlisted.length > 0 ? EXIT.partial : EXIT.done;
  if (out.json) {
    out.object("copy", {
      repository: from.location,
      to: to.location,
      mirror: true,
      ...result,
    });
    return code;
  }
  for (const { object, message } of damage) {
    out.line(`${showPath(object)}: not copied: ${showText(message)}`);
  }
  for (const name of unlisted) {
    out.line(
      `${showPath(name)}: not copied: no trusted manifest lists the object`,
    );
  }
  out.line(
    `Copied ${plural(objects, "object")} (${formatBytes(bytes)}) to ` +
      `${showPath(to.location)} in ` +
      `${formatDuration(performance.now() - started)}; ` +
      `${formatCount(present)} ${present === 1 ? "was" : "were"} already there`,
  );
  return code;
}
