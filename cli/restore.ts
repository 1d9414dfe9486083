import { resolve } from "node:path";
import { Command } from "commander";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { openRepository } from "./location.ts";
import {
  formatBytes,
  formatDuration,
  plural,
  showPath,
  treePath,
} from "./text.ts";

interface Options {
  repo?: string;
  to: string;
  json?: boolean;
}

/** `deltar restore`. */
export function restoreCommand(context: Context): Command {
  return new Command("restore")
    .description(
      "Restore a snapshot, or some paths of it, into a new directory",
    )
    .argument("<snapshot>", "an id, its beginning, latest, latest~N")
    .argument("[path...]", "only these files and folders")
    .requiredOption("--to <dir>", "the directory: empty, or not there yet")
    .option("--repo <location>", "where snapshots are kept")
    .option("--json", "print the result as JSON")
    .action(async (snapshot: string, paths: string[], options: Options) => {
      context.code = await run(snapshot, paths, options, context.signal);
    });
}

async function run(
  snapshot: string,
  paths: string[],
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const out = new Console(options.json ?? false);
  const repository = await openRepository(options.repo);
  const record = await repository.find(snapshot, { asMade: true });
  const target = resolve(options.to);
  const started = performance.now();
  const chosen = paths.map(treePath);
  const result = await repository.restore(record, target, {
    ...chosen.length > 0 && !chosen.includes("") && { paths: chosen },
    signal,
    onProgress: ({ entries, allEntries, bytes, allBytes, path }) =>
      out.progress(
        () =>
          `${Math.floor(100 * entries / allEntries)} %, ` +
          `${formatBytes(bytes)} of ${formatBytes(allBytes)}`,
        path,
        { bytes, allBytes },
      ),
  });
  const { failed, files, directories, links, bytes } = result;
  for (const { path, error } of failed) {
    out.warn(`${showPath(path)} was not restored: ${error.message}`);
  }
  if (out.json) {
    out.object("restore", {
      snapshot: record.id,
      target,
      files,
      directories,
      links,
      bytes,
      failed: failed.map(({ path, error }) => ({ path, error: error.message })),
    });
  } else {
    out.line(
      `Restored ${plural(files, "file")}, ` +
        `${plural(directories, "directory", "directories")} and ` +
        `${plural(links, "link")}, ${formatBytes(bytes)}, ` +
        `of ${record.id} to ${showPath(target)} in ` +
        formatDuration(performance.now() - started),
    );
  }
  return failed.length > 0 ? EXIT.partial : EXIT.done;
}
