import { z } from "zod";
import { belowOf } from "../../lib/repository/mod.ts";
import { DAMAGE_ADVICE } from "../advice.ts";
import { showPath } from "../text.ts";
import { pageInput, pageOf, pageOutput } from "./page.ts";
import {
  snapshotFields,
  snapshotLine,
  snapshotOutput,
} from "./snapshot_fields.ts";
import { inputOf, messagesOutput, READS, type Tool } from "./tool.ts";

const input = inputOf({
  ...pageInput,
  safety: z.boolean().optional().describe(
    "Whether to list safety snapshots, too. They have only the paths that a " +
      "restore, undo or redo was about to change. Default: false.",
  ),
});

/** The tool that lists snapshots. */
export const listTool: Tool<z.infer<typeof input>> = {
  name: "deltar_list",
  title: "List snapshots",
  description:
    "Lists the snapshots of the directory, newest first, with the changes " +
    "in each. To name a snapshot in other tools, use an id from this list, " +
    "or `latest`, `latest~1` and so on.",
  input,
  output: z.object({
    directory: z.string(),
    count: z.int().describe("The number of snapshots on all pages together."),
    snapshots: z.array(snapshotOutput),
    ...pageOutput,
    ...messagesOutput,
  }),
  annotations: READS,
  async run(call, { safety = false, ...words }) {
    const { place, messages, signal } = call;
    const { repository } = await call.open();
    const records = await repository.snapshots({
      signal,
      onDamage: ({ message }) => messages.warn(`${message}; ${DAMAGE_ADVICE}`),
    });
    const shown = records.filter((record) =>
      belowOf(record, place) !== undefined && (safety || !record.safety)
    ).reverse();
    const limits = { normal: 20, most: 200 };
    const page = await pageOf(shown, words, limits, snapshotFields);
    return {
      text: [
        shown.length === 0
          ? `There are no snapshots of ${showPath(place)}.`
          : `Snapshots of ${showPath(place)}: ${shown.length}`,
        ...page.results.map(snapshotLine),
        ...page.notes,
      ].join("\n"),
      data: {
        directory: place,
        count: shown.length,
        snapshots: page.items,
        nextOffset: page.nextOffset,
      },
    };
  },
};
