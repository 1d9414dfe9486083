import { Command } from "commander";
import { Console, paint } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { openRepository } from "./location.ts";
import { provenFields, provenWords, recordFields } from "./record_fields.ts";
import {
  formatBytes,
  formatCount,
  formatDate,
  plural,
  showPath,
} from "./text.ts";

interface Options {
  repo?: string;
  json?: boolean;
}

/** `deltar list`. */
export function listCommand(context: Context): Command {
  return new Command("list")
    .description("List the snapshots of a repository, the oldest first")
    .option("--repo <location>", "where snapshots are kept")
    .option("--json", "print the result as JSON")
    .action(async (options: Options) => {
      context.code = await run(options);
    });
}

async function run(options: Options): Promise<number> {
  const out = new Console(options.json ?? false);
  const repository = await openRepository(options.repo);
  let code: number = EXIT.done;
  const records = await repository.snapshots((error) => {
    out.warn(error.message);
    code = EXIT.partial;
  });
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
  for (const { id, time, counts, label, directory } of records) {
    const change = `+${counts.created} ~${counts.updated} ` +
      `-${counts.deleted} >${counts.renamed}`;
    out.line(
      [
        paint("bold", id),
        formatDate(time),
        `${formatCount(counts.files)} files`.padStart(13),
        formatBytes(counts.bytes).padStart(8),
        `stored ${formatBytes(counts.stored)}`.padEnd(15),
        change.padEnd(16),
        showPath(label ? `${label}  ${directory}` : directory),
        provenWords(proofs.get(id)),
      ].filter((word) => word !== undefined).join("  "),
    );
  }
  const stored = records.reduce((sum, { counts }) => sum + counts.stored, 0);
  out.line(
    `${plural(records.length, "snapshot")}, ${formatBytes(stored)} stored in ` +
      showPath(repository.storage.location),
  );
  return code;
}
