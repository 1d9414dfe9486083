import { Command } from "commander";
import type { SnapshotRecord } from "../mod.ts";
import { belowOf, type Proof } from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { provenFields, provenWords, recordFields } from "./record_fields.ts";
import { paint } from "./terminal.ts";
import { formatDate, showPath } from "./text.ts";

interface Options extends CommonOptions {
  safety?: boolean;
}

/** Makes the command `deltar list`. */
export function listCommand(context: Context): Command {
  return new Command("list")
    .option("--safety", "Show safety snapshots too")
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
  const proofs = await repository.proofs();
  if (out.json) {
    out.object("list", {
      repository: repository.storage.location,
      snapshots: records.map((record) => ({
        ...recordFields(record),
        ...provenFields(proofs.get(record.id)),
      })),
    });
    return code;
  }
  const shown = records.filter(({ safety }) => options.safety || !safety);
  print(out, shown, proofs, repository.storage.location);
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

function print(
  out: Console,
  records: readonly SnapshotRecord[],
  proofs: ReadonlyMap<string, Proof>,
  location: string,
): void {
  if (records.length === 0) {
    out.line(`No snapshots to show in ${showPath(location)}`);
    return;
  }
  const directories = new Set(records.map(({ directory }) => directory));
  const width = Math.max(...records.map(({ id }) => id.length));
  out.line(
    "Snapshot".padEnd(width) +
      "  Time                Files      Size     Added  Changes",
  );
  for (const { id, time, counts, label, directory, purged } of records) {
    out.line(
      [
        paint("bold", id.padEnd(width)),
        formatDate(time).slice(0, -3),
        formatCount(counts.files).padStart(7),
        formatBytes(counts.bytes).padStart(8),
        formatBytes(counts.stored).padStart(8),
        changes(counts),
        label && showPath(label),
        directories.size > 1 && showPath(directory),
        provenWords(proofs.get(id)),
        purged && `purged ${formatDate(purged.time).slice(0, 10)}`,
      ].filter(Boolean).join("  ").trimEnd(),
    );
  }
  const added = records.reduce((sum, { counts }) => sum + counts.stored, 0);
  const [one, ...others] = directories;
  const of = others.length === 0
    ? showPath(one)
    : `${directories.size} directories`;
  out.line(
    `${plural(records.length, "snapshot")} of ${of} added ` +
      `${formatBytes(added)} to ${showPath(location)}`,
  );
}

/** Returns the numbers of changed paths, with the signs of `diff`. */
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
