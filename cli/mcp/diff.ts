import { Buffer } from "node:buffer";
import { z } from "zod";
import { isFault, isWithin } from "../../lib/tree/mod.ts";
import {
  changeFields,
  changeLine,
  skipOf,
  skipsByPath,
} from "../change_line.ts";
import type { ComparedState } from "../compared_state.ts";
import {
  inFolders,
  shownChanges,
  withDirectory,
  withSnapshot,
} from "../comparison.ts";
import { PatchContents } from "../patch_contents.ts";
import { checkPath, joinPath } from "../suggest.ts";
import { showPath } from "../text.ts";
import type { Call } from "./call.ts";
import { pageInput, pageOf, pageOutput } from "./page.ts";
import { pathInside } from "./served_directories.ts";
import {
  inputOf,
  messagesOutput,
  pathName,
  READS,
  snapshotName,
  type Tool,
} from "./tool.ts";

/** The maximum length of a patch in an answer, in UTF-16 code units. */
const MAX_PATCH_LENGTH = 50_000;

const input = inputOf({
  ...pageInput,
  from: snapshotName.optional()
    .describe("The old snapshot. Default: latest."),
  to: snapshotName.optional()
    .describe("The new snapshot. Default: the directory as it is now."),
  paths: z.array(pathName).max(100).optional()
    .describe("Only these files and folders, relative to the directory."),
  patch: z.boolean().optional().describe(
    "Whether the answer includes the changed lines as a patch. Default: true.",
  ),
});

/** The tool that compares two states of the directory. */
export const diffTool: Tool<z.infer<typeof input>> = {
  name: "deltar_diff",
  title: "Compare snapshots",
  description:
    "Compares two snapshots, or a snapshot with the directory as it is now, " +
    "and returns the changed paths and a patch of the text files. By " +
    "default, it shows what changed since the latest snapshot.",
  input,
  output: z.object({
    from: z.string(),
    to: z.string().optional()
      .describe(
        "The new snapshot. Absent for a comparison with the directory as it " +
          "is now.",
      ),
    count: z.int().describe("The total number of changes."),
    changes: z.array(z.looseObject({
      change: z.string(),
      path: z.string(),
      kind: z.string(),
      size: z.int(),
    })),
    patch: z.string().optional(),
    isPatchCut: z.boolean().optional()
      .describe(
        "Whether the patch was cut because it was too long for one answer.",
      ),
    ...pageOutput,
    ...messagesOutput,
  }),
  annotations: READS,
  async run(call, { from = "latest", to, paths, patch = true, ...words }) {
    const { context, messages, signal } = call;
    const begun = await call.open();
    const old = await call.find(begun, from);
    const now = to === undefined ? undefined : await call.find(begun, to);
    const chosen = paths?.map((path) => pathInside(call.place, "", path));
    const last = now ?? old;
    const whole = { ...old, below: "" };
    const compared = inFolders(
      now === undefined
        ? await withDirectory(context, begun, whole, [])
        : await withSnapshot(
          context,
          begun,
          [whole, { ...now, below: "" }],
          [],
        ),
      [old.below, last.below],
      chosen,
    );
    const { states, skipped, before, after } = compared;
    const skips = skipsByPath(skipped);
    const changes = shownChanges(compared);
    if (changes.length === 0) {
      for (const path of compared.paths) {
        const isThere = ({ index }: ComparedState) =>
          path === "" || index.get(path) !== undefined;
        if (states.some(isThere)) continue;
        const { record, below } = last;
        await checkPath(
          begun.repository,
          [record],
          joinPath(below, path),
          below,
        );
      }
    }
    for (const skip of after === undefined ? skipped.filter(isFault) : []) {
      if (!compared.paths.some((path) => isWithin(skip.path, path))) continue;
      messages.warn(`${showPath(skip.path)}: ${skip.detail ?? skip.reason}`);
    }
    const limits = { normal: 100, most: 500 };
    const page = await pageOf(
      changes,
      words,
      limits,
      (change) => changeFields(change, skipOf(change, skips)),
    );
    const shown = page.results
      .filter((change) => skipOf(change, skips) === undefined);
    const made = patch
      ? await patchWithin(
        call,
        new PatchContents(context, begun.out, { ...compared, changes: shown }),
      )
      : undefined;
    signal.throwIfAborted();
    return {
      text: [
        changes.length === 0
          ? "No differences."
          : `Changes from ${from} to ${to ?? "now"}: ${changes.length}`,
        ...page.results.map((change) => changeLine(change, states, skips)),
        ...page.notes,
        ...made?.text ? ["", made.text] : [],
        ...made?.isCut ? [CUT] : [],
      ].join("\n"),
      data: {
        from: before.id,
        to: after?.id,
        count: changes.length,
        changes: page.items,
        nextOffset: page.nextOffset,
        ...made?.isCut && { isPatchCut: true },
      },
      ...made?.text && { content: { patch: made.text } },
    };
  },
};

const CUT = "The patch is cut here, because it is too long for one answer. " +
  "Call the tool again with `paths` to see the rest.";

/**
 * Returns the patch of the changed files. A patch that is longer than
 * `MAX_PATCH_LENGTH` is cut.
 */
async function patchWithin(
  { signal }: Call,
  contents: PatchContents,
): Promise<{ text: string; isCut: boolean }> {
  let text = "";
  for await (const part of contents.parts()) {
    signal.throwIfAborted();
    // Each character of `part.text` stands for one byte.
    text += Buffer.from(part.text, "latin1").toString("utf8");
    if (text.length > MAX_PATCH_LENGTH) {
      const end = text.lastIndexOf("\n", MAX_PATCH_LENGTH) + 1;
      return { text: text.slice(0, end || MAX_PATCH_LENGTH), isCut: true };
    }
  }
  return { text, isCut: false };
}
