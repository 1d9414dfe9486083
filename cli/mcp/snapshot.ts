import { z } from "zod";
import { isFault } from "../../lib/tree/mod.ts";
import { plural } from "../../shared/text.ts";
import { keepToSize } from "../max_size.ts";
import { takeSnapshot, WITHOUT_XATTRS } from "../take_snapshot.ts";
import { showPath } from "../text.ts";
import {
  snapshotFields,
  snapshotLine,
  snapshotOutput,
} from "./snapshot_fields.ts";
import { inputOf, messagesOutput, type Tool } from "./tool.ts";

const input = inputOf({
  label: z.string().min(1).max(200).optional().describe(
    "A few words about what is about to happen or what was done, such as " +
      "`before rewriting the parser`. Default: `agent`.",
  ),
});

/** The tool that takes a snapshot. */
export const snapshotTool: Tool<z.infer<typeof input>> = {
  name: "deltar_snapshot",
  title: "Take a snapshot",
  description:
    "Saves the current state of the whole directory, including files that " +
    "git ignores. Call this before risky work, such as a shell command that " +
    "deletes, moves or rewrites files. A snapshot is fast. If nothing has " +
    "changed since the last snapshot, no new snapshot is taken. Nothing in the " +
    "directory changes.",
  input,
  output: z.object({
    isNew: z.boolean().describe(
      "Whether a new snapshot was taken. False if nothing has changed.",
    ),
    snapshot: snapshotOutput,
    ...messagesOutput,
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false,
  },
  run: (call, { label = "agent" }, { session }) =>
    session.inTurn(async () => {
      const { context, messages, source, signal } = call;
      const { options } = session;
      const how = { ...options, label, onlyIfChanged: true };
      const taken = await takeSnapshot(context, messages, source, how);
      const { record, isNew, skipped } = taken.result;
      if (taken.lacksXattrs) messages.note(WITHOUT_XATTRS);
      if (isNew) await keepToSize(messages, taken.repository, options, signal);
      const faults = skipped.filter(isFault).length;
      const text = [
        isNew
          ? `Took a snapshot of ${showPath(record.directory)}:`
          : "Nothing changed since the last snapshot:",
        snapshotLine(record),
        ...faults > 0
          ? [`${plural(faults, "path")} could not be stored correctly.`]
          : [],
      ].join("\n");
      return { text, data: { isNew, snapshot: snapshotFields(record) } };
    }),
};
