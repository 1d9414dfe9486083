import { Command } from "commander";
import type { SnapshotRecord, TreeEntry } from "../mod.ts";
import { isWithin } from "../lib/tree/mod.ts";
import { formatBytes } from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { checkPath, findFolder, FOLDER_HELP, pathIn } from "./suggest.ts";
import {
  columnsOf,
  deviceText,
  formatFileTime,
  showPath,
  showText,
  withNanoseconds,
} from "./text.ts";

interface Options extends CommonOptions {
  skipped?: boolean;
}

/** Makes the command `deltar files`. */
export function filesCommand(context: Context): Command {
  return new Command("files")
    .argument("<snapshot>", FOLDER_HELP)
    .argument("[path]", "Only this file or folder")
    .option(
      "--skipped",
      "List the excluded and skipped paths, with reasons, instead of files",
    )
    .action(async (snapshot, path, options) => {
      context.code = await run(context, snapshot, path, options);
    });
}

async function run(
  context: Context,
  snapshot: string,
  path: string | undefined,
  options: Options,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const named = await findFolder(begun, snapshot);
  const { record } = named;
  const folder = path === undefined
    ? named.folder
    : await pathIn(repository, named, path);
  if (options.skipped) {
    const tree = await repository.tree(record);
    const skipped = tree.skipped.filter(({ path }) => isWithin(path, folder));
    if (out.json) out.object("skipped", { snapshot: record.id, skipped });
    else {
      for (const { path, reason, detail } of skipped) {
        const why = detail === undefined ? reason : `${reason}: ${detail}`;
        out.line(`${showPath(path)}: ${showText(why)}`);
      }
    }
    return EXIT.done;
  }
  const parts = repository.entries(record, { within: folder });
  if (out.json) {
    const entries = (await Array.fromAsync(parts)).flat();
    if (entries.length === 0) await checkPath(repository, [record], folder);
    out.object("files", {
      snapshot: record.id,
      entries: entries.map(({ content: _, signature: __, ...entry }) => ({
        ...entry,
        ...ownerNames(record, entry),
        mode: entry.mode.toString(8).padStart(4, "0"),
        mtime: withNanoseconds(entry.mtime),
        ...entry.btime !== undefined && {
          btime: withNanoseconds(entry.btime),
        },
        // As in docs/FORMAT.md, the SHA-256 of a condensed form is in `sparse`,
        // so that it is not mistaken for the SHA-256 of the whole content.
        ...entry.sparse !== undefined && {
          sha256: undefined,
          sparse: { size: entry.sparse, sha256: entry.sha256 },
        },
      })),
    });
    return EXIT.done;
  }
  let isEmpty = true;
  const widths = [0, 0, 0, 0];
  for await (const entries of inBatches(parts)) {
    isEmpty = false;
    for (const line of describe(record, entries, widths)) out.line(line);
  }
  if (isEmpty) await checkPath(repository, [record], folder);
  return EXIT.done;
}

/**
 * The minimum number of entries in every batch except the last one. The lines
 * of a batch have aligned columns.
 */
const MIN_ALIGNED_ENTRIES = 10_000;

/**
 * Joins batches of entries, so that each batch except the last one has at least
 * `MIN_ALIGNED_ENTRIES` entries. Yields no empty batches.
 */
async function* inBatches(
  parts: AsyncIterable<TreeEntry[]>,
): AsyncGenerator<TreeEntry[]> {
  let batch: TreeEntry[] = [];
  for await (const part of parts) {
    for (const entry of part) batch.push(entry);
    if (batch.length < MIN_ALIGNED_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Returns the names of an entry's owner and group, if they are known. */
function ownerNames(
  { owners }: SnapshotRecord,
  { uid, gid }: { uid: number; gid: number },
): { uname?: string; gname?: string } {
  const uname = owners?.users[uid];
  const gname = owners?.groups[gid];
  return { ...uname && { uname }, ...gname && { gname } };
}

const LETTERS = {
  file: "-",
  directory: "d",
  symlink: "l",
  hardlink: "h",
  fifo: "p",
  block: "b",
  character: "c",
};

/** The extended attribute that SELinux gives to every file. */
const SELINUX = "security.selinux";

/**
 * Yields entries as lines with aligned columns, as `ls -l` prints them.
 *
 * @param widths The minimum widths of the columns, in terminal columns. The
 * function increases the widths to fit these entries.
 */
function* describe(
  record: SnapshotRecord,
  entries: readonly TreeEntry[],
  widths: number[],
): Generator<string> {
  for (const entry of entries) {
    for (const [at, cell] of columns(record, entry).entries()) {
      widths[at] = Math.max(widths[at], columnsOf(cell));
    }
  }
  for (const entry of entries) {
    const cells = columns(record, entry).map((cell, at) => {
      const space = " ".repeat(widths[at] - columnsOf(cell));
      return at === SIZE_COLUMN ? space + cell : cell + space;
    });
    const date = formatFileTime(entry.mtime).padStart(19);
    yield `${cells.join(" ")} ${date} ${nameWords(entry)}`;
  }
}

/**
 * The index of the size in the result of `columns`. Sizes are aligned to the
 * right.
 */
const SIZE_COLUMN = 3;

/**
 * Returns the cells of an entry: the kind and mode, the owner, the group, and
 * the size or device.
 */
function columns(record: SnapshotRecord, entry: TreeEntry): string[] {
  const { kind, mode, uid, gid, size, xattrs = {} } = entry;
  const { uname, gname } = ownerNames(record, entry);
  const hasMore = Object.keys(xattrs).some((name) => name !== SELINUX);
  return [
    LETTERS[kind] + modeLetters(mode) + (hasMore ? "+" : ""),
    showText(uname ?? String(uid)),
    showText(gname ?? String(gid)),
    deviceText(entry) || String(size),
  ];
}

/**
 * Returns the path of an entry. The target of a link, or the size of a sparse
 * file without its holes, follows the path.
 */
function nameWords({ path, kind, target, sparse }: TreeEntry): string {
  const name = showPath(path) + (kind === "directory" ? "/" : "");
  if (target !== undefined) return `${name} -> ${showPath(target)}`;
  if (sparse === undefined) return name;
  return `${name} (sparse, ${formatBytes(sparse)} without holes)`;
}

/** Returns the nine letters of a mode, as `ls` shows them. */
function modeLetters(mode: number): string {
  const letters = Array.from(
    "rwxrwxrwx",
    (letter, at) => mode & (0o400 >> at) ? letter : "-",
  );
  for (const [bit, at, letter] of SPECIAL_BITS) {
    if (mode & bit) {
      letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
    }
  }
  return letters.join("");
}

/**
 * The set-user-ID, set-group-ID and sticky bits, each with its index in the
 * nine letters of a mode and the letter that `ls` shows there.
 */
const SPECIAL_BITS = [
  [0o4000, 2, "s"],
  [0o2000, 5, "s"],
  [0o1000, 8, "t"],
] as const;
