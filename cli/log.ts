import { Command } from "commander";
import { DeltarError, type SnapshotRecord } from "../mod.ts";
import type { PathVersion } from "../lib/repository/mod.ts";
import { formatBytes } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { begin, type Begun, type CommonOptions } from "./begin.ts";
import { type ChangeOfBoth, changeWords, fieldsOf } from "./change_words.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { PagedOutput } from "./pager.ts";
import { PatchContents, type PatchFlags } from "./patch_contents.ts";
import { parseCount, parseSome } from "./quantity.ts";
import { findFolder, FOLDER_HELP, joinPath, suggesting } from "./suggest.ts";
import { paint } from "./terminal.ts";
import { formatDate, showPath, withNanoseconds } from "./text.ts";
import { patchedBy } from "./version_patch.ts";

interface Options extends CommonOptions, PatchFlags {
  limit?: number;
  patch?: boolean;
  pager: boolean;
}

/** Makes the command `deltar log`. */
export function logCommand(context: Context): Command {
  return new Command("log")
    .argument("<path>", "A file or folder, even one that no longer exists")
    .argument(
      "[snapshot]",
      `Only versions up to this snapshot. ${FOLDER_HELP} (default: latest)`,
    )
    .option(
      "--limit <count>",
      "Show at most this number of versions",
      parseSome,
    )
    .option("-p, --patch", "Print the changed lines of each version")
    .option(
      "-U, --unified <n>",
      "Print the changed lines with n unchanged lines around them (default: 3)",
      parseCount,
    )
    .option("--word", "Print the changed lines and mark changed words")
    .option("--no-pager", "Do not use a pager")
    .action(async (
      path: string,
      snapshot: string | undefined,
      options: Options,
      command: Command,
    ) => {
      if (options.json && isPatch(options)) {
        command.error(
          "error: a patch cannot be printed as JSON: omit `--json`, or omit " +
            "`--patch`, `--unified` and `--word`",
          { exitCode: EXIT.usage },
        );
      }
      context.code = await run(context, path, snapshot, options);
    });
}

/** Returns whether the options ask for patches. */
function isPatch({ patch, unified, word }: Options): boolean {
  return Boolean(patch || word) || unified !== undefined;
}

async function run(
  context: Context,
  word: string,
  snapshot: string | undefined,
  options: Options,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const { record, folder, below } = await findFolder(
    begun,
    snapshot ?? "latest",
    { asMade: true },
  );
  let code: number = EXIT.done;
  const warned = new Set<string>();
  const settings = {
    follow: true,
    signal: context.signal,
    onDamage: ({ message }: DeltarError) => {
      code = EXIT.partial;
      if (!warned.has(message)) out.warn(`${message}; ${DAMAGE_ADVICE}`);
      warned.add(message);
    },
  };
  // The path is first looked up in the folder of `SNAPSHOT:FOLDER` or, without
  // such a folder, in the current directory. If the path has no versions there,
  // it is looked up from the root of the snapshot.
  const paths = new Set(
    [folder || below, folder].map((base) => joinPath(base, word)),
  );
  for (const path of paths) {
    if (path === "") throw rootError(record);
    const versions = repository.history(record, path, settings);
    if (isPatch(options)) {
      const shown = await showPatches(context, begun, versions, options);
      if (shown === undefined) continue;
      return Math.max(code, shown);
    }
    if (await show(out, path, versions, options.limit ?? Infinity) === 0) {
      continue;
    }
    return code;
  }
  const [path] = paths;
  return await suggesting(repository, record, () => {
    throw new DeltarError(
      "not-found",
      "the path is not in any snapshot up to this one. `deltar find NAME` " +
        "finds files and folders by name.",
      { object: record.id, path },
    );
  });
}

/**
 * Prints at most `limit` versions of a path, and returns the number of versions
 * that were printed.
 */
async function show(
  out: Console,
  path: string,
  versions: AsyncIterable<PathVersion>,
  limit: number,
): Promise<number> {
  const shown: object[] = [];
  let count = 0;
  for await (const version of versions) {
    if (out.json) shown.push(versionFields(version));
    else {
      if (count === 0) {
        if (version.path !== path) {
          const [old, now] = [path, version.path].map(showPath);
          out.line(`${old} was renamed to ${now}`);
        }
        out.line(HEAD);
      }
      out.line(describe(version));
    }
    if (++count >= limit) break;
  }
  if (out.json && count > 0) out.object("log", { path, versions: shown });
  return count;
}

/**
 * Prints versions with their patches, and returns the exit code, or `undefined`
 * if there are no versions.
 */
async function showPatches(
  context: Context,
  { out, repository }: Begun,
  versions: AsyncIterable<PathVersion>,
  options: Options,
): Promise<number | undefined> {
  const { limit = Infinity } = options;
  const output = new PagedOutput(context, options.pager);
  let code: number = EXIT.done;
  let count = 0;
  try {
    for await (const version of versions) {
      if (++count > 1 && !await output.line("")) break;
      if (!await output.line(describe(version))) break;
      const patched = await patchedBy(repository, version, context.signal);
      const contents = new PatchContents(context, out, patched);
      const isOpen = await contents.print(output, options);
      code = Math.max(code, contents.code);
      if (count >= limit || !isOpen) break;
    }
  } finally {
    await output.close();
  }
  if (output.isInterrupted) return EXIT.interrupted;
  return count === 0 ? undefined : code;
}

function rootError({ directory }: SnapshotRecord): DeltarError {
  return new DeltarError(
    "unsupported",
    "the path is the directory itself; name a file or folder in it. " +
      "`deltar list` lists all snapshots.",
    { object: directory },
  );
}

const HEAD = "Snapshot".padEnd(23) + "  Time                    Size  Change";

/** Returns a version as a line. */
function describe(version: PathVersion): string {
  const { record, entry } = version;
  const { id, time, label } = record;
  const size = entry?.kind === "file" ? formatBytes(entry.size) : "";
  return [
    paint("bold", id),
    formatDate(time),
    size.padStart(8),
    versionWords(version),
    label && showPath(label),
  ].filter((part) => part !== undefined).join("  ");
}

/** Returns what changed in a version, in words. */
export function versionWords(version: PathVersion): string {
  const { change, from, to, inside, record, recordBefore } = version;
  switch (change) {
    case "created":
      return paint("green", change);
    case "renamed":
    case "copied":
      return paint("cyan", `${change} from ${showPath(from ?? "")}`);
    case "deleted":
      return paint(
        "red",
        to === undefined ? change : `deleted: renamed to ${showPath(to)}`,
      );
  }
  const both = changeOf(version);
  const details = [
    ...inside === undefined ? [] : Object.entries(inside)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `${count} ${kind}`),
    ...both === undefined
      ? []
      : changeWords(recordBefore ?? record, record, both),
  ];
  const text = details.length === 0
    ? change
    : `${change}: ${details.join(", ")}`;
  return paint(change === "updated" ? "yellow" : "dim", text);
}

/**
 * Returns the change of an entry that was updated or touched, or `undefined`
 * for any other kind of change. The time of a folder counts as unchanged.
 */
function changeOf(
  { change, entry, before }: PathVersion,
): ChangeOfBoth | undefined {
  if (entry === undefined || before === undefined) return undefined;
  if (change !== "updated" && change !== "touched") return undefined;
  const isFolder = entry.kind === "directory" && before.kind === "directory";
  return {
    change,
    entry: isFolder ? { ...entry, mtime: before.mtime } : entry,
    before,
  };
}

/** Returns the fields of a version for JSON. */
export function versionFields(
  version: PathVersion,
): Record<string, unknown> {
  const { record, path, change, entry, from, to, inside } = version;
  const both = changeOf(version);
  return {
    snapshot: record.id,
    time: new Date(record.time).toISOString(),
    ...record.label !== undefined && { label: record.label },
    path,
    change,
    ...entry !== undefined && {
      kind: entry.kind,
      size: entry.size,
      mtime: withNanoseconds(entry.mtime),
      ...entry.sha256 !== undefined && entry.sparse === undefined &&
        { sha256: entry.sha256 },
    },
    ...both !== undefined && { fields: fieldsOf(both) },
    ...from !== undefined && { from },
    ...to !== undefined && { renamedTo: to },
    ...inside !== undefined && { inside },
  };
}
