import { Command } from "commander";
import { formatBytes, plural } from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { parseBytes, parseSome } from "./quantity.ts";
import { messageOf } from "./refusal.ts";
import { findSnapshot } from "./suggest.ts";
import { showPath } from "./text.ts";

interface Options extends CommonOptions {
  files?: number;
  bytes?: number;
  scratch?: string;
}

/** `deltar drill`. */
export function drillCommand(context: Context): Command {
  return new Command("drill")
    .argument("[snapshot]", "by default the one that was proven longest ago")
    .option("--files <n>", "how many files at most, default 100", parseSome)
    .option("--bytes <size>", "how much at most, default 256M", parseBytes)
    .option("--scratch <dir>", "where to restore them for a moment")
    .addHelpText("after", NOTES)
    .action(async (snapshot: string | undefined, options: Options) => {
      context.code = await run(context, snapshot, options);
    });
}

const NOTES = `
Each time the next files are taken, up to half of them files with deltas.

Exit codes: 0 all are as they were, 1 some are not, each named, or it failed;
3 all are, but it could not be noted.`;

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
        () => `${files} of ${allFiles} files, ${formatBytes(bytes)}`,
        path,
      ),
  });
  const { files, withDeltas, bytes, failed, tooLarge, unnoted } = result;
  const { id } = result.snapshot;
  if (json) {
    out.object("drill", {
      snapshot: id,
      files,
      withDeltas,
      bytes,
      failed: failed.map(({ path, error }) => ({ path, error: error.message })),
      tooLarge,
      unnoted: unnoted && messageOf(unnoted, context.opened),
    });
  } else {
    for (const { path, error } of failed) {
      out.warn(`${showPath(path)} cannot be restored: ${error.message}`);
    }
    if (files > 0 || failed.length === 0) {
      out.line(
        `Restored ${plural(files, "file")} of ${id}, ${formatBytes(bytes)}, ` +
          `${withDeltas} of them with deltas: each is what was stored`,
      );
    }
    if (tooLarge > 0) {
      out.line(
        `${plural(tooLarge, "file")} larger than the sample left out; ` +
          "--bytes makes it larger",
      );
    }
    if (failed.length > 0) {
      out.line(
        `${plural(failed.length, "file")} cannot be restored: ` +
          "`deltar verify --data` says what is damaged",
      );
    }
  }
  if (unnoted !== undefined) {
    out.warn(
      "this could not be noted, so the next drill takes the same files: " +
        messageOf(unnoted, context.opened),
    );
  }
  if (failed.length > 0) return EXIT.failed;
  return unnoted === undefined ? EXIT.done : EXIT.partial;
}
