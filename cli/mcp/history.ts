import { z } from "zod";
import { DeltarError } from "../../mod.ts";
import type { PathVersion } from "../../lib/repository/mod.ts";
import { DAMAGE_ADVICE } from "../advice.ts";
import { versionFields, versionWords } from "../log.ts";
import { formatDate, showPath } from "../text.ts";
import { pageInput, pageOf, pageOutput } from "./page.ts";
import {
  inputOf,
  messagesOutput,
  pathName,
  READS,
  snapshotName,
  type Tool,
} from "./tool.ts";

const input = inputOf({
  ...pageInput,
  path: pathName.describe(
    "The file or folder, relative to the directory. It need not exist now.",
  ),
  snapshot: snapshotName.optional()
    .describe("Only versions up to this snapshot. Default: latest."),
});

/** The tool that lists the versions of a path. */
export const historyTool: Tool<z.infer<typeof input>> = {
  name: "deltar_history",
  title: "List the versions of a file",
  description:
    "Lists the versions of a file or folder in the snapshots, the newest " +
    "first, and follows renames. Then deltar_read reads a version, and " +
    "deltar_restore brings it back.",
  input,
  output: z.object({
    path: z.string(),
    versions: z.array(z.looseObject({
      snapshot: z.string().describe("The first snapshot with this version."),
      time: z.string(),
      path: z.string().describe("The path of the file in this snapshot."),
      change: z.string(),
      size: z.int().optional(),
    })),
    ...pageOutput,
    ...messagesOutput,
  }),
  annotations: READS,
  async run(call, { path: word, snapshot = "latest", ...words }) {
    const { messages, signal } = call;
    const begun = await call.open();
    const named = await call.find(begun, snapshot);
    const [path] = call.pathsIn(named, [word]);
    if (path === "") {
      throw new DeltarError(
        "unsupported",
        "the path is the directory itself. Name a file or folder in it, or " +
          "call deltar_list for the snapshots of the directory.",
      );
    }
    const versions = begun.repository.history(named.record, path, {
      follow: true,
      signal,
      onDamage: ({ message }) => messages.warn(`${message}; ${DAMAGE_ADVICE}`),
    });
    const limits = { normal: 20, most: 200 };
    const page = await pageOf(versions, words, limits, versionFields);
    if (page.items.length === 0 && words.offset === undefined) {
      throw new DeltarError(
        "not-found",
        `${showPath(path)} is in no snapshot up to ${named.record.id}. Call ` +
          "deltar_find with a pattern such as `*.ts` to find its path.",
      );
    }
    return {
      text: [
        `Versions of ${showPath(path)}:`,
        ...page.results.map(lineOf),
        ...page.notes,
      ].join("\n"),
      data: {
        path,
        versions: page.items,
        nextOffset: page.nextOffset,
      },
    };
  },
};

function lineOf(version: PathVersion): string {
  const { record, entry, path } = version;
  const size = entry?.kind === "file" ? `  ${entry.size} bytes` : "";
  return `${record.id}  ${formatDate(record.time)}  ${showPath(path)}` +
    `${size}  ${versionWords(version)}`;
}
