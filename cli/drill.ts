import { Command } from "commander";
import {
  formatBytes,
  formatCount,
  pipesAndDevices,
  plural,
} from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { parseBytes, parseSome } from "./quantity.ts";
import { percentage } from "./rate.ts";
import { messageOf } from "./refusal.ts";
import { findSnapshot, SNAPSHOT_HELP } from "./suggest.ts";
import { showPath } from "./text.ts";

interface Options extends CommonOptions {
  files?: number;
  bytes?: number;
  scratch?: string;
}

/** Makes the command `deltar drill`. */
export function drillCommand(context: Context): Command {
  return new Command("drill")
    .argument(
      "[snapshot]",
      `${SNAPSHOT_HELP} (default: the newest one without a drill, or else the ` +
        "one tested longest ago)",
    )
    .option("--files <n>", "Restore at most n files (default: 100)", parseSome)
    .option(
      "--bytes <size>",
      "Restore at most this many bytes (default: 256MiB)",
      parseBytes,
    )
    .option(
      "--scratch <dir>",
      "Create the temporary directory for the restore in this directory",
    )
    .addHelpText("after", NOTES)
    .action(async (snapshot: string | undefined, options: Options) => {
      context.code = await run(context, snapshot, options);
    });
}

const NOTES = `
Each drill restores the files that follow those of the snapshot's last drill. At
most half of --files and of --bytes, rounded up, is used for files with deltas.

Exit codes: 0 every file matched, 1 some files did not match (each is named) or
the command failed, 3 every file matched but the result could not be recorded.`;

async function run(
  context: Context,
  snapshot: string | undefined,
  { repo, dir, json = false, ...options }: Options,
): Promise<number> {
  const { signal } = context;
  const begun = await begin(context, { repo, dir, json }, { fresh: true });
  const { out, repository } = begun;
  const result = await repository.drill({
    ...options,
    ...snapshot !== undefined && {
      snapshot: await findSnapshot(begun, snapshot),
    },
    signal,
    onDamage: (error) => out.warn(error.message),
    onProgress: ({ files, allFiles, bytes, path }) =>
      out.progress(
        () =>
          `${percentage(files, allFiles)}, ${formatCount(files)} of ` +
          `${plural(allFiles, "file")}, ${formatBytes(bytes)}`,
        path,
      ),
  });
  const { files, withDeltas, sparse, xattrs, xattrsCompared, special } = result;
  const { bytes, failed, tooLarge, unnoted } = result;
  const { id } = result.snapshot;
  if (json) {
    out.object("drill", {
      snapshot: id,
      files,
      withDeltas,
      sparse,
      xattrs,
      xattrsCompared,
      special,
      bytes,
      failed: failed.map(({ path, error }) => ({ path, error: error.message })),
      tooLarge,
      unnoted: unnoted && messageOf(unnoted, context.opened),
    });
  } else {
    for (const { path, error } of failed) {
      out.warn(`${showPath(path)}: cannot be restored: ${error.message}`);
    }
    if (files > 0) {
      out.line(
        `Restored ${plural(files, "file")} of ${id} (${formatBytes(bytes)}, ` +
          `${withDeltas} with deltas). Each matches its SHA-256.`,
      );
    } else if (failed.length === 0) {
      out.line(`Restored no files of ${id}.`);
    }
    if (xattrsCompared > 0) {
      out.line(
        `The extended attributes user.* of ${plural(xattrsCompared, "file")} ` +
          "match, too.",
      );
    }
    if (special > 0) {
      out.line(`Read, but not created: ${pipesAndDevices(special)}.`);
    }
    if (tooLarge > 0) {
      out.line(
        `Skipped ${plural(tooLarge, "file")}: too large for the drill; raise ` +
          "the limit with --bytes.",
      );
    }
    if (failed.length > 0) {
      out.line(
        `${plural(failed.length, "file")} cannot be restored. ` +
          "`deltar verify --data` shows what is damaged.",
      );
    }
  }
  if (unnoted !== undefined) {
    out.warn(
      "the next drill restores the same files, because the result could not " +
        `be recorded: ${messageOf(unnoted, context.opened)}`,
    );
  }
  if (failed.length > 0) return EXIT.failed;
  return unnoted === undefined ? EXIT.done : EXIT.partial;
}
