import { z } from "zod";
import type { FoundPath } from "../../lib/repository/mod.ts";
import { isAbsent } from "../../lib/tree/mod.ts";
import { DAMAGE_ADVICE } from "../advice.ts";
import { toPattern } from "../patterns.ts";
import { showPath } from "../text.ts";
import { pageInput, pageOf, pageOutput } from "./page.ts";
import { servedPath } from "./served_directories.ts";
import { inputOf, messagesOutput, READS, type Tool } from "./tool.ts";

const input = inputOf({
  ...pageInput,
  pattern: z.string().min(1).max(1000).describe(
    "A pattern in gitignore's syntax, such as `*.sqlite` or `src/**/*.ts`.",
  ),
  deleted: z.boolean().optional().describe(
    "Whether to find only paths that do not exist in the directory now. " +
      "Default: false.",
  ),
});

/** The tool that finds paths in all snapshots. */
export const findTool: Tool<z.infer<typeof input>> = {
  name: "deltar_find",
  title: "Find files in snapshots",
  description:
    "Finds files and folders by name in all snapshots of the directory, " +
    "including files that no longer exist. Use this to find a lost file.",
  input,
  output: z.object({
    paths: z.array(z.object({
      path: z.string().describe("The path relative to the directory."),
      kind: z.string(),
      size: z.int(),
      first: z.string().describe("The first snapshot that has the path."),
      last: z.string().describe("The last snapshot that has the path."),
      count: z.int().describe("The number of snapshots that have the path."),
    })),
    ...pageOutput,
    ...messagesOutput,
  }),
  annotations: READS,
  async run(call, { pattern, deleted = false, ...words }) {
    const { place, messages, signal } = call;
    const begun = await call.open();
    // This call throws if the directory has no snapshots. Without the call, the
    // search could then find paths in the snapshots of another directory.
    const { below } = await call.find(begun, "latest", () => {});
    const gitignore = patternBelow(below, toPattern(pattern, place));
    const all = await begun.repository.findPaths(gitignore, {
      directory: place,
      signal,
      onDamage: ({ message }) => messages.warn(`${message}; ${DAMAGE_ADVICE}`),
    });
    const served = all.flatMap((one) => {
      const path = servedPath(below, one.path);
      return path ? [{ ...one, path }] : [];
    });
    // The paths are not joined with `join`, because Bun's `join` changes names
    // that are not valid UTF-8.
    const isDeleted = ({ path }: FoundPath) => isAbsent(`${place}/${path}`);
    const found = deleted ? served.filter(isDeleted) : served;
    const page = await pageOf(
      found,
      words,
      { normal: 50, most: 200 },
      fieldsOf,
    );
    return {
      text: [
        found.length === 0
          ? `No snapshot has a path that matches ${showPath(pattern)}.`
          : `Paths that match: ${found.length}`,
        ...page.results.map(lineOf),
        ...page.notes,
      ].join("\n"),
      data: { paths: page.items, nextOffset: page.nextOffset },
    };
  },
};

/**
 * Converts a pattern relative to a folder into a pattern relative to the
 * directory that contains the folder. A pattern that has no slash, or a slash
 * only at its end, matches names in any folder. It is returned unchanged.
 */
function patternBelow(folder: string, pattern: string): string {
  if (folder === "" || !pattern.slice(0, -1).includes("/")) return pattern;
  const start = folder.replace(/[\\*?[\] ]/g, "\\$&");
  return `/${start}/${pattern.replace(/^\//, "")}`;
}

function fieldsOf({ path, entry, first, last, count }: FoundPath): object {
  const { kind, size } = entry;
  return { path, kind, size, first: first.id, last: last.id, count };
}

function lineOf({ path, entry, last }: FoundPath): string {
  const mark = entry.kind === "directory" ? "/" : "";
  return `${showPath(path)}${mark}  (last in ${last.id})`;
}
