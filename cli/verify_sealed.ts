import { verifySealed } from "../lib/repository/mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { locate } from "./location.ts";
import { storageAt } from "./open_repository.ts";
import { signersIn } from "./signers.ts";
import { showPath, showText } from "./text.ts";

/**
 * The maximum number of names of objects that are printed in one list. The JSON
 * output has all names.
 */
const MAX_NAMED = 20;

/** Verifies an encrypted repository without a key. Returns the exit code. */
export async function verifyWithoutKey(
  context: Context,
  options: { repo?: string; json?: boolean; data?: boolean; signers?: string },
): Promise<number> {
  const out = new Console(context, options.json ?? false);
  const storage = storageAt(locate(options.repo, "."), context.opened);
  const { data = false } = options;
  const result = await verifySealed(storage, {
    data,
    ...options.signers !== undefined && {
      signers: signersIn(options.signers),
    },
    onProgress: ({ objects, bytes }) =>
      out.progress(
        () => `${plural(objects, "object")}, ${formatBytes(bytes)}`,
        storage.location,
      ),
    signal: context.signal,
  });
  const { objects, bytes, damage, unlisted, uncovered, manifests } = result;
  const code = damage.length > 0 ? EXIT.failed : EXIT.done;
  if (out.json) {
    out.object("verify", {
      repository: storage.location,
      data,
      withoutKey: true,
      ...result,
    });
    return code;
  }
  for (const { object, message } of damage) {
    out.line(`${showPath(object)}: ${showText(message)}`);
  }
  if (unlisted.length > 0) {
    out.line(
      `Found ${plural(unlisted.length, "object")} that no trusted manifest ` +
        "lists. Such objects belong to a running or interrupted snapshot or " +
        "prune, or are forged. To see which snapshots are trusted, run " +
        "`deltar verify` with a key. The objects are:",
    );
    tellNames(out, unlisted);
  }
  if (uncovered.length > 0) {
    out.line(
      `Found ${plural(uncovered.length, "key or note", "keys or notes")} ` +
        "without a manifest. Such keys and notes were stored by an earlier " +
        "version of deltar, or are forged. They were not checked:",
    );
    tellNames(out, uncovered);
  }
  const how = data ? "compared every byte" : "compared names and sizes";
  out.line(
    `Compared ${plural(objects, "object")}, ${formatBytes(bytes)}, with ` +
      `manifests: ${how}`,
  );
  for (const [signer, count] of Object.entries(manifests)) {
    out.line(
      signer === ""
        ? `  ${plural(count, "manifest")} without a signature`
        : `  ${plural(count, "manifest")} signed by ${showText(signer)}`,
    );
  }
  const found = damage.length > 0
    ? `Found ${plural(damage.length, "damaged or missing object")}`
    : "Found no damage";
  out.line(data ? `${found}.` : `${found}. To check contents too, use --data.`);
  return code;
}

function tellNames(out: Console, names: readonly string[]): void {
  for (const name of names.slice(0, MAX_NAMED)) {
    out.line(`  ${showPath(name)}`);
  }
  if (names.length > MAX_NAMED) {
    out.line(`  and ${names.length - MAX_NAMED} more; --json names all`);
  }
}
