import { Command } from "commander";
import type { Repository, SnapshotRecord } from "../mod.ts";
import { belowOf, type Proof, turnsIn } from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { begin, type CommonOptions } from "./begin.ts";
import { byDirectory } from "./by_directory.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { provenFields, provenWords, recordFields } from "./record_fields.ts";
import { shortIds } from "./short_ids.ts";
import { paint } from "./terminal.ts";
import { formatDate, showPath } from "./text.ts";
import { printTurns, turnFields } from "./turns.ts";

interface Options extends CommonOptions {
  safety?: boolean;
  long?: boolean;
  now?: boolean;
  turns?: boolean;
}

/** Makes the command `deltar list`. */
export function listCommand(context: Context): Command {
  return new Command("list")
    .option("--safety", "Show safety snapshots too")
    .option("--long", "Show whole ids, and times to the second")
    .option(
      "--now",
      "Read all trees, and show the space that each snapshot currently " +
        "shares with no other",
    )
    .option("--turns", "List the turns of AI agents instead of snapshots")
    .action(async (options: Options) => {
      context.code = await run(context, options);
    });
}

async function run(context: Context, options: Options): Promise<number> {
  const { out, repository, place } = await begin(context, options);
  let code: number = EXIT.done;
  const all = await repository.snapshots({
    onDamage: (error) => {
      out.warn(`${error.message}; ${DAMAGE_ADVICE}`);
      code = EXIT.partial;
    },
  });
  const records = options.dir === undefined
    ? all
    : all.filter((record) => belowOf(record, place) !== undefined);
  if (options.turns) {
    const turns = turnsIn(records);
    if (out.json) {
      out.object("turns", {
        repository: repository.storage.location,
        turns: turns.map(turnFields),
      });
    } else printTurns(out, turns);
    return code;
  }
  const proofs = await repository.proofs();
  const own = options.now
    ? await ownSizes(repository, context.signal)
    : undefined;
  if (out.json) {
    out.object("list", {
      repository: repository.storage.location,
      snapshots: records.map((record) => ({
        ...recordFields(record),
        ...own?.has(record.id) && { own: own.get(record.id) },
        ...provenFields(proofs.get(record.id)),
      })),
    });
    return code;
  }
  const shown = records.filter(({ safety }) => options.safety || !safety);
  print(out, shown, repository.storage.location, {
    ids: options.long ? new Map() : shortIds(
      all.map(({ id }) => id),
      all.flatMap((one) => one.label ?? []),
    ),
    isLong: options.long ?? false,
    proofs,
    own,
  });
  const hidden = records.length - shown.length;
  if (hidden > 0) {
    out.line(
      `Not shown: ${plural(hidden, "safety snapshot")}. ` +
        "`deltar list --safety` shows all snapshots.",
    );
  }
  if (options.safety && records.some(({ safety }) => safety)) {
    out.line(
      "A safety snapshot holds the files that a restore, undo or redo was " +
        "about to change. `deltar undo` and `deltar redo` restore them.",
    );
  }
  return code;
}

/**
 * Returns the ids of the snapshots, each with the number of bytes that no other
 * snapshot needs. Does not report damage: `run` has already reported damaged
 * records, and `deltar verify` finds all other damage.
 */
async function ownSizes(
  repository: Repository,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const { snapshots } = await repository.stats({
    largest: 0,
    signal,
    onDamage: () => {},
  });
  return new Map(snapshots.map(({ record, own }) => [record.id, own]));
}

/** The input of `print()` besides the records and the location. */
interface Details {
  /** The short form of each id. An id without a short form is shown whole. */
  ids: ReadonlyMap<string, string>;
  /** Whether times are shown to the second. */
  isLong: boolean;
  /** The result of the last drill of each snapshot, by the snapshot's id. */
  proofs: ReadonlyMap<string, Proof>;
  /**
   * For each snapshot, by id: the number of bytes that no other snapshot needs.
   * Absent without `--now`.
   */
  own?: ReadonlyMap<string, number>;
}

function print(
  out: Console,
  records: readonly SnapshotRecord[],
  location: string,
  { ids, isLong, proofs, own }: Details,
): void {
  if (records.length === 0) {
    out.line(`No snapshots to show in ${showPath(location)}`);
    return;
  }
  const idOf = ({ id }: SnapshotRecord) => ids.get(id) ?? id;
  const width = Math.max(8, ...records.map((record) => idOf(record).length));
  const groups = byDirectory(records, (record) => record);
  const size = (bytes: number | undefined) =>
    (bytes === undefined ? "?" : formatBytes(bytes)).padStart(8);
  out.line(
    [
      "Snapshot".padEnd(width),
      "Time".padEnd(isLong ? 19 : 16),
      "  Files",
      "    Size",
      "   Added",
      ...own === undefined ? [] : ["     Now"],
      "Changes",
    ].join("  "),
  );
  for (const { name, items } of groups) {
    if (groups.length > 1) out.line(`${name}:`);
    for (const record of items) {
      const { id, time, counts, label, purged } = record;
      out.line(
        [
          paint("bold", idOf(record)) +
          " ".repeat(width - idOf(record).length),
          isLong ? formatDate(time) : formatDate(time).slice(0, -3),
          formatCount(counts.files).padStart(7),
          size(counts.bytes),
          size(counts.stored),
          ...own === undefined ? [] : [size(own.get(id))],
          changes(counts),
          label && showPath(label),
          incomplete(counts.faults),
          provenWords(proofs.get(id)),
          purged && `purged ${formatDate(purged.time).slice(0, 10)}`,
        ].filter(Boolean).join("  ").trimEnd(),
      );
    }
  }
  const added = records.reduce((sum, { counts }) => sum + counts.stored, 0);
  const directories = new Set(records.map(({ directory }) => directory));
  const [one, ...others] = directories;
  const of = others.length === 0
    ? showPath(one)
    : plural(directories.size, "directory", "directories");
  out.line(
    `${plural(records.length, "snapshot")} of ${of} added ` +
      `${formatBytes(added)} to ${showPath(location)}`,
  );
}

/**
 * Returns the words for the number of paths that could not be stored exactly as
 * they were, or `""` if this number is 0.
 */
function incomplete(faults: number): string {
  if (faults === 0) return "";
  return paint("yellow", `incomplete: ${plural(faults, "path")}`);
}

/** Returns the numbers of changed paths, with the signs that `diff` prints. */
function changes(counts: SnapshotRecord["counts"]): string {
  const { created, updated, deleted, renamed, copied, touched } = counts;
  return Object.entries({
    "+": created,
    "~": updated,
    "-": deleted,
    ">": renamed,
    "=": copied,
    t: touched,
  }).filter(([, count]) => count > 0).map(([sign, count]) => sign + count)
    .join(" ").padEnd(7);
}
