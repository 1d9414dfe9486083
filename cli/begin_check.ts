import type { VerifyProgress } from "../lib/repository/mod.ts";
import { formatBytes, formatCount } from "../shared/text.ts";
import { begin, type Begun, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";

/** The output and repository of a check, and the display of its progress. */
export interface BegunCheck extends Begun {
  /** Called with the progress of the check. Shows the progress. */
  onProgress: (progress: VerifyProgress) => void;
}

/**
 * Prepares the output, and opens a repository to check all of its objects. The
 * repository is opened without the cache, and even if its settings are missing
 * or damaged.
 *
 * @param verb The verb that the displayed progress begins with, if any.
 */
export async function beginCheck(
  context: Context,
  options: CommonOptions,
  verb?: string,
): Promise<BegunCheck> {
  const begun = await begin(context, options, {
    onDamage: () => {},
    fresh: true,
  });
  const lead = verb === undefined ? "" : `${verb} `;
  return {
    ...begun,
    onProgress: ({ phase, done, bytes, name, doneBytes, allBytes }) =>
      begun.out.progress(
        () =>
          `${lead}${phase}: ${formatCount(done)}, ${formatBytes(bytes)} read`,
        name,
        { bytes: doneBytes, allBytes },
      ),
  };
}
