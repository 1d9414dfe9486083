import process from "node:process";
import { Command, Option } from "commander";
import { DeltarError, type Repository } from "../mod.ts";
import type { StreamFormat } from "../lib/archive/mod.ts";
import type { ExportFailure, ExportProgress } from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { countWords } from "./count_words.ts";
import { EXIT } from "./exit.ts";
import { absolute } from "./location.ts";
import { withOutput } from "./output.ts";
import { pathUnder } from "./path_under.ts";
import {
  findFolder,
  FOLDER_HELP,
  type Named,
  pathIn,
  suggesting,
} from "./suggest.ts";
import { formatDuration, showPath, treePath } from "./text.ts";

interface Options extends CommonOptions {
  to?: string;
  format?: StreamFormat;
  force?: boolean;
}

/** The path (`-` for standard output) and the format of the archive. */
interface Target {
  to: string;
  format: StreamFormat;
}

/** The formats, each with a pattern that matches the names of its files. */
const FORMATS: readonly (readonly [StreamFormat, RegExp])[] = [
  ["tar", /\.tar$/i],
  ["tar.gz", /\.(?:tar\.gz|tgz)$/i],
  ["tar.zst", /\.(?:tar\.zst|tzst)$/i],
  ["zip", /\.zip$/i],
];

/** Makes the command `deltar export`. */
export function exportCommand(context: Context): Command {
  return new Command("export")
    .description(
      "Write a snapshot, or some paths of it, to a tar or zip. Each file is " +
        "compared with its SHA-256. An incomplete archive is deleted",
    )
    .argument("<snapshot>", FOLDER_HELP)
    .argument("[path...]", "Only these files and folders")
    .option(
      "--to <file>",
      "Write the archive to this file, or to standard output if it is -",
    )
    .addOption(
      new Option(
        "--format <format>",
        "Write an archive of this format; by default, the format that the " +
          "file's extension names, or tar for standard output",
      ).choices(FORMATS.map(([format]) => format)),
    )
    .option("--force", "Replace the file if it exists")
    .action(async (
      snapshot: string,
      paths: string[],
      options: Options,
      command: Command,
    ) => {
      const fail = (message: string) =>
        command.error(`error: ${message}`, { exitCode: EXIT.usage });
      const { to, json } = options;
      if (to === undefined) {
        return fail("missing target: add `--to <file>`, or `--to -`");
      }
      if (to === "-" && json) {
        return fail("`--json` needs a file: `--to -` prints the archive");
      }
      if (to === "-" && process.stdout.isTTY) {
        return fail(
          "an archive cannot be printed to a terminal; redirect the output, or " +
            "use `--to <file>`",
        );
      }
      const format = options.format ?? formatOf(to);
      if (format === undefined) {
        return fail(
          "the name does not have the extension of a tar or zip archive: " +
            `${showPath(to)}; add \`--format\``,
        );
      }
      context.code = await run(context, snapshot, paths, {
        ...options,
        to,
        format,
      });
    });
}

/**
 * Returns the archive format that the extension of a file names, or `undefined`
 * for an unknown extension. For standard output (`-`), the format is `tar`.
 */
function formatOf(file: string): StreamFormat | undefined {
  if (file === "-") return "tar";
  return FORMATS.find(([, pattern]) => pattern.test(file))?.[0];
}

async function run(
  context: Context,
  snapshot: string,
  words: string[],
  { to, format, force = false, ...options }: Options & Target,
): Promise<number> {
  const { signal, terminal } = context;
  const started = performance.now();
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const file = to === "-" ? undefined : absolute(to);
  if (file !== undefined) refuseInRepository(repository, file);
  const named = await findFolder(begun, snapshot, { asMade: true });
  const { record, folder } = named;
  const paths = await choose(repository, named, words);
  const isWhole = paths === undefined && folder === "";
  const failed: ExportFailure[] = [];
  let exitCode: number = EXIT.done;
  let done: ExportProgress = {
    files: 0,
    directories: 0,
    links: 0,
    special: 0,
    copies: 0,
    bytes: 0,
    path: "",
  };
  const stream = await suggesting(
    repository,
    record,
    () =>
      repository.export(record, {
        format,
        ...folder !== "" && { from: folder },
        paths,
        signal,
        onProgress: (progress) => {
          done = progress;
          tellProgress(
            out,
            progress,
            isWhole ? record.counts.bytes : undefined,
          );
        },
        onFailure: (failure) => {
          exitCode = EXIT.partial;
          if (out.json) failed.push(failure);
          warnOf(out, failure);
        },
      }),
  );
  let size = 0;
  if (file === undefined) {
    for await (const part of stream) {
      size += part.length;
      // After the reader has closed the pipe, the rest is not written.
      if (!terminal.writeBytes(1, part)) break;
    }
  } else {
    size = await withOutput(file, force, async (output) => {
      for await (const part of stream) await output.write(part);
    });
  }
  const { path: _, ...counts } = done;
  if (exitCode === EXIT.partial) {
    out.warn("A tar can hold all entries: use `--format tar`.");
  }
  if (counts.copies > 0) {
    out.note(
      `A zip cannot hold hard links. ${plural(counts.copies, "hard link")} ` +
        `became ${counts.copies === 1 ? "a file" : "files"}.`,
    );
  }
  if (out.json) {
    out.object("export", {
      snapshot: record.id,
      file,
      format,
      size,
      ...counts,
      failed: failed.map(({ path, error, exported }) => ({
        path,
        error: error.message,
        exported,
      })),
    });
    return exitCode;
  }
  const sentence = `Exported ${countWords(counts)}, from ${record.id} to ` +
    `${file === undefined ? "standard output" : showPath(file)} ` +
    `(${formatBytes(size)}) in ${formatDuration(performance.now() - started)}`;
  if (file === undefined) out.detail(sentence);
  else out.line(sentence);
  return exitCode;
}

function tellProgress(
  out: Console,
  { files, directories, links, special, bytes, path }: ExportProgress,
  allBytes: number | undefined,
): void {
  out.progress(
    () =>
      `${formatCount(files + directories + links + special)} entries, ` +
      formatBytes(bytes),
    path,
    { bytes, allBytes },
  );
}

function warnOf(out: Console, { path, error, exported }: ExportFailure): void {
  // The message begins with the path, which is printed separately.
  const why = error.message.slice(path.length + 2);
  out.warn(`${showPath(path)}${exported ? "" : " was not exported"}: ${why}`);
}

/**
 * Returns the paths to export, relative to the folder of `SNAPSHOT:FOLDER`, or
 * `undefined` for all paths.
 */
async function choose(
  repository: Repository,
  named: Named,
  words: readonly string[],
): Promise<string[] | undefined> {
  const paths = named.folder === ""
    ? await Promise.all(words.map((word) => pathIn(repository, named, word)))
    : words.map(treePath);
  return paths.length === 0 || paths.includes("") ? undefined : paths;
}

/** Throws an error if the path of a file is in the repository's folder. */
function refuseInRepository({ storage }: Repository, file: string): void {
  const { localPath } = storage;
  if (localPath === undefined || pathUnder(localPath, file) === undefined) {
    return;
  }
  throw new DeltarError(
    "unsafe",
    "the file would be written into the repository; choose another file",
    { object: file },
  );
}
