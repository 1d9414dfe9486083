import { Command } from "commander";
import type { RepositoryStats } from "../mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { parseCount } from "./quantity.ts";
import { provenFields, provenWords, recordFields } from "./record_fields.ts";
import { checkPath, findSnapshot, SNAPSHOT_HELP } from "./suggest.ts";
import { showPath, treePath } from "./text.ts";

interface Options extends CommonOptions {
  largest?: number;
}

/** Makes the command `deltar stats`. */
export function statsCommand(context: Context): Command {
  return new Command("stats")
    .argument(
      "[snapshot]",
      `${SNAPSHOT_HELP} (default: latest, if this directory has snapshots)`,
    )
    .argument("[folder]", "Show the folders in this folder", "")
    .option(
      "--largest <n>",
      "Show the n largest files (default: 10)",
      parseCount,
    )
    .action(async (snapshot, folder: string, options: Options) => {
      context.code = await run(context, snapshot, folder, options);
    });
}

async function run(
  context: Context,
  snapshot: string | undefined,
  folder: string,
  options: Options,
): Promise<number> {
  const { signal } = context;
  const { largest, json = false } = options;
  const begun = await begin(context, options);
  const { out, repository, place } = begun;
  let code: number = EXIT.done;
  const within = treePath(folder);
  // Without an argument, the last snapshot of the current directory is used. If
  // there is none, only the numbers of the whole repository are shown.
  const record = snapshot === undefined
    ? (await repository.lastAt(place))?.record
    : await findSnapshot(begun, snapshot);
  if (record !== undefined) await checkPath(repository, [record], within);
  const stats = await repository.stats({
    snapshot: record,
    within,
    largest,
    signal,
    onDamage: (error) => {
      out.warn(error.message);
      code = EXIT.partial;
    },
  });
  if (!json) print(out, stats, within);
  else {
    const { snapshots, snapshot, ...rest } = stats;
    out.object("stats", {
      repository: repository.storage.location,
      ...rest,
      snapshot: snapshot?.id,
      snapshots: snapshots.map(({ record, added, own, proof }) => ({
        ...recordFields(record),
        added,
        own,
        ...provenFields(proof),
      })),
    });
  }
  return code;
}

function print(out: Console, stats: RepositoryStats, within: string): void {
  const { snapshots, snapshot, folders, largest, volumes } = stats;
  const size = (bytes: number) => formatBytes(bytes).padStart(8);
  const width = snapshots.reduce(
    (width, { record }) => Math.max(width, record.id.length),
    8,
  );
  out.line(`${"Snapshot".padEnd(width)}     added    unique`);
  for (const { record, added, own, proof } of snapshots) {
    const rest = [record.label && showPath(record.label), provenWords(proof)];
    out.line(
      [
        record.id.padEnd(width),
        size(added),
        size(own),
        ...rest.filter(Boolean),
      ].join("  "),
    );
  }
  if (snapshot !== undefined) {
    const place = within === "" ? "" : ` in ${showPath(within)}`;
    out.line(`Folders of ${snapshot.id}${place}: stored (estimate), size`);
    for (const { path, stored, bytes, files } of folders) {
      const name = path === "" ? "(not in a folder)" : showPath(path);
      const count = plural(files, "file");
      out.line(`${size(stored)}  ${size(bytes)}  ${name}, ${count}`);
    }
    out.line("Largest files:");
    for (const { path, bytes } of largest) {
      out.line(`${size(bytes)}  ${showPath(path)}`);
    }
  }
  const part = volumes.bytes === 0
    ? 0
    : Math.round(100 * volumes.dead / volumes.bytes);
  out.line(
    `${plural(volumes.count, "volume")} of ${formatBytes(volumes.bytes)}; ` +
      `${formatBytes(volumes.dead)} (${part}%) is unused`,
  );
  out.line(
    `${plural(stats.objects, "object")}, ${formatBytes(stats.bytes)} in total`,
  );
}
