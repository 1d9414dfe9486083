import { z } from "zod";
import { DeltarError } from "../../mod.ts";
import type { PathVersion } from "../../lib/repository/mod.ts";
import { DAMAGE_ADVICE } from "../advice.ts";
import { versionFields, versionWords } from "../log.ts";
import { formatDate, showPath } from "../text.ts";
import { pageInput, pageOf, pageOutput } from "./page.ts";
import { servedPath } from "./served_directories.ts";
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
    "The path of the file or folder, relative to the directory. The file or " +
      "folder need not exist now.",
  ),
  snapshot: snapshotName.optional()
    .describe("Only versions up to this snapshot. Default: latest."),
});

/** The tool that lists the versions of a path. */
export const historyTool: Tool<z.infer<typeof input>> = {
  name: "deltar_history",
  title: "List the versions of a file",
  description:
    "Lists the versions of a file or folder in the snapshots, newest " +
    "first, and follows renames. Use deltar_read to read a version, and " +
    "deltar_restore to bring it back.",
  input,
  output: z.object({
    path: z.string(),
    versions: z.array(z.looseObject({
      snapshot: z.string().describe("The first snapshot with this version."),
      time: z.string(),
      path: z.string().describe(
        "The path of the file or folder in this snapshot.",
      ),
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
    const [whole] = call.pathsIn(named, [word]);
    const path = servedPath(named.below, whole);
    if (!path) {
      throw new DeltarError(
        "unsupported",
        "the path is the directory itself. Name a file or folder in it, or " +
          "call deltar_list for the snapshots of the directory.",
      );
    }
    const versions = begun.repository.history(named.record, whole, {
      follow: true,
      signal,
      onDamage: ({ message }) => messages.warn(`${message}; ${DAMAGE_ADVICE}`),
    });
    const limits = { normal: 20, most: 200 };
    const served = servedVersions(versions, named.below);
    const page = await pageOf(served, words, limits, versionFields);
    if (page.items.length === 0 && words.offset === undefined) {
      throw new DeltarError(
        "not-found",
        `${showPath(path)} is in no snapshot up to ${named.record.id}. Call ` +
          "deltar_find with a pattern such as `*.ts` to find the right path.",
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

/**
 * Yields versions with paths relative to the served directory. A file that was
 * moved into this directory counts as created, and a file that was moved out of
 * it as deleted. Versions outside the directory are omitted.
 *
 * @param versions The versions.
 * @param below The path of the served directory relative to the snapshot's
 * directory.
 */
async function* servedVersions(
  versions: AsyncIterable<PathVersion>,
  below: string,
): AsyncGenerator<PathVersion> {
  const served = (path: string | undefined) =>
    path === undefined ? undefined : servedPath(below, path);
  for await (const version of versions) {
    const [path, from, to] = [version.path, version.from, version.to]
      .map(served);
    if (path !== undefined) {
      const isMovedIn = version.from !== undefined && from === undefined;
      const change = isMovedIn ? "created" : version.change;
      yield { ...version, path, from, to, change };
    } else if (from !== undefined && version.change === "renamed") {
      const { record, before } = version;
      yield { record, path: from, change: "deleted", entry: undefined, before };
    }
  }
}

function lineOf(version: PathVersion): string {
  const { record, entry, path } = version;
  const size = entry?.kind === "file" ? `  ${entry.size} bytes` : "";
  return `${record.id}  ${formatDate(record.time)}  ${showPath(path)}` +
    `${size}  ${versionWords(version)}`;
}
