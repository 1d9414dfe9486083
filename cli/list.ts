import { Command } from "commander";
import type { Proof } from "../mod.ts";
import { Console, paint } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { openRepository } from "./location.ts";
import { recordFields } from "./record_fields.ts";
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
      snapshots: records.map((record) => {
        const proof = proofs.get(record.id);
        const { time, files, bytes, failed } = proof ?? {};
        const proven = { time: new Date(time ?? 0), files, bytes, failed };
        return { ...recordFields(record), ...proof && { proven } };
      }),
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
        ...provenWords(proofs.get(id)),
      ].join("  "),
    );
  }
  const stored = records.reduce((sum, { counts }) => sum + counts.stored, 0);
  out.line(
    `${plural(records.length, "snapshot")}, ${formatBytes(stored)} stored in ` +
      showPath(repository.storage.location),
  );
  return code;
}

/** When files of a snapshot were last restored, to see that it works. */
function provenWords(proof: Proof | undefined): string[] {
  if (proof === undefined) return [];
  const date = formatDate(proof.time).slice(0, 10);
  return [proof.failed > 0 ? `FAILED a drill ${date}` : `proven ${date}`];
}
