import { Command } from "commander";
import { DeltarError, type SnapshotRecord } from "../mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { copyWithoutKey } from "./copy_sealed.ts";
import { EXIT } from "./exit.ts";
import { INIT } from "./known_places.ts";
import { locate } from "./location.ts";
import {
  addCreateOptions,
  openOrCreate,
  sharingOf,
} from "./open_repository.ts";
import { SIGNERS } from "./signers.ts";
import { findSnapshot, SNAPSHOT_HELP } from "./suggest.ts";
import { formatDuration, showPath } from "./text.ts";

interface Options extends CommonOptions {
  to: string;
  init?: boolean;
  encrypt?: boolean;
  shared?: boolean;
  sharedWrite?: boolean;
  mirror?: boolean;
  signers?: string;
}

/** Makes the command `deltar copy`. */
export function copyCommand(context: Context): Command {
  return addCreateOptions(new Command("copy"))
    .description(
      "Copy snapshots to another repository. Volumes and layers that the " +
        "other repository already has are not copied again. Each copied volume " +
        "and layer is checked against its SHA-256",
    )
    .argument("[snapshot...]", `${SNAPSHOT_HELP} (default: all)`)
    .requiredOption(
      "--to <location>",
      "Copy to this repository, which is created if it does not exist",
    )
    .option("--init", INIT)
    .option(
      "--mirror",
      "Copy all objects as they are stored, without a key, to an empty " +
        "location or an earlier mirror. Nothing else may write to the mirror",
    )
    .option("--signers <file>", `${SIGNERS}; with --mirror`)
    .action(async (snapshots: string[], options: Options) => {
      if (options.mirror && snapshots.length > 0) {
        throw new DeltarError(
          "unsupported",
          "--mirror copies all snapshots; omit the snapshot",
          { object: snapshots[0] },
        );
      }
      context.code = options.mirror
        ? await copyWithoutKey(context, options)
        : await run(context, snapshots, options);
    });
}

async function run(
  context: Context,
  snapshots: string[],
  options: Options,
): Promise<number> {
  const { signal } = context;
  const begun = await begin(context, options, { fresh: true });
  const { out, repository: from } = begun;
  let code: number = EXIT.done;
  const records: SnapshotRecord[] = [];
  for (const text of snapshots) records.push(await findSnapshot(begun, text));
  if (snapshots.length === 0) {
    records.push(
      ...await from.snapshots({
        onDamage: (error) => {
          out.warn(`${error.message}; this snapshot is not copied`);
          code = EXIT.partial;
        },
      }),
    );
  }
  const to = await openOrCreate(context, locate(options.to, "."), {
    codec: from.codec.name,
    init: options.init,
    encrypt: options.encrypt,
    shared: sharingOf(options),
  });
  const started = performance.now();
  const result = await from.copyTo(to, records, {
    signal,
    onProgress: ({ objects, bytes, allBytes, name }) =>
      out.progress(
        () => `${plural(objects, "object")}, ${formatBytes(bytes)}`,
        name,
        { bytes, allBytes },
      ),
  });
  const { copied, present, objects, bytes } = result;
  const { location } = to.storage;
  if (out.json) {
    out.object("copy", {
      repository: from.storage.location,
      to: location,
      ...result,
    });
  } else {
    out.line(
      `Copied ${plural(copied.length, "snapshot")} ` +
        `(${plural(objects, "object")}, ${formatBytes(bytes)}) ` +
        `to ${showPath(location)} in ` +
        formatDuration(performance.now() - started) +
        (present.length > 0
          ? `; ${formatCount(present.length)} ${
            present.length === 1 ? "was" : "were"
          } already there`
          : ""),
    );
  }
  return code;
}
