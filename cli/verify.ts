import { Command } from "commander";
import type {
  Damage,
  DamageKind,
  UnrecordedSnapshot,
  VerifyResult,
} from "../mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import type { CommonOptions } from "./begin.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { openRepository } from "./open_repository.ts";
import { showPath, showText } from "./text.ts";

interface Options extends CommonOptions {
  data?: boolean;
}

/**
 * The number of files that are named for each damaged object; JSON names all.
 */
const MOST_NAMED = 20;

/** The advice for damage, by the kind of object. */
const NEXT: Record<DamageKind, string> = {
  settings: "`deltar repair` writes the settings again",
  record: "`deltar repair` sets the record aside, so that the others work",
  layer: "`deltar repair` sets aside the snapshots that need it",
  content:
    "`deltar repair` makes snapshots of what is left; take a snapshot after " +
    "it, which stores again what is still on the disk",
  note: "it is passed over; `deltar repair` clears it away",
  signature: "nothing is lost; `deltar repair` has it made again",
};

/** `deltar verify`. */
export function verifyCommand(context: Context): Command {
  return new Command("verify")
    .option(
      "--data",
      "read every byte, and rebuild every file, rather than names and sizes",
    )
    .addHelpText("after", EXIT_CODES)
    .action(async (options: Options) => {
      context.code = await run(context, options);
    });
}

const EXIT_CODES = `
Exit codes: 0 nothing is damaged, 1 something is, or it failed.`;

async function run(context: Context, options: Options): Promise<number> {
  const { signal } = context;
  const out = new Console(context, options.json ?? false);
  const repository = await openRepository(context, options.repo, ".", {
    onDamage: () => {},
    fresh: true,
  });
  const { data = false } = options;
  const result = await repository.verify({
    data,
    signal,
    onProgress: ({ phase, done, bytes, name }) =>
      out.progress(() => `${phase}: ${done}, ${formatBytes(bytes)} read`, name),
  });
  const { snapshots, objects, bytes, files, rebuilt, damage } = result;
  const { leftOvers, unrecorded } = result;
  const isLossy = damage.length > 0 ||
    unrecorded.some(({ wasThere }) => wasThere);
  const code = isLossy ? EXIT.failed : EXIT.done;
  const { location } = repository.storage;
  if (out.json) {
    out.object("verify", { repository: location, data, ...result });
    return code;
  }
  for (const one of damage) tellDamage(out, one);
  for (const one of unrecorded) tellUnrecorded(out, one);
  const missed = new Set(
    unrecorded.flatMap((one) => one.objects.map(({ name }) => name)),
  );
  tellLeftOvers(out, leftOvers.filter(({ name }) => !missed.has(name)));
  const how = data
    ? `every byte read, ${plural(rebuilt, "different content")} rebuilt`
    : "names and sizes compared";
  out.line(
    `Verified ${plural(snapshots, "snapshot")} with ${
      plural(files, "file")
    } in ` +
      `${plural(objects, "object")}, ${formatBytes(bytes)}: ${how}`,
  );
  out.line(conclusion(damage.length, isLossy, data));
  return code;
}

/** The last line: what was found, and what was not looked at. */
function conclusion(damaged: number, isLossy: boolean, data: boolean): string {
  const found = damaged > 0
    ? `${plural(damaged, "object")} damaged`
    : isLossy
    ? "No other damage"
    : "No damage";
  if (!data) return `${found} found. Contents were not read; use --data.`;
  return damaged > 0
    ? `${found}; what is not named above can be restored.`
    : `${found}.`;
}

function tellDamage(out: Console, damage: Damage): void {
  const { object, kind, message, lost, files } = damage;
  out.line(`${showPath(object)}: ${showText(message)}`);
  if (lost.length > 0) out.line(`  nothing can be read of ${span(lost)}`);
  if (files.length > 0) {
    out.line(`  ${plural(files.length, "file")} of it cannot be read:`);
    for (const { path, snapshots } of files.slice(0, MOST_NAMED)) {
      out.line(`    ${showPath(path)}  in ${span(snapshots)}`);
    }
    tellMore(out, files.length, "file");
  }
  if (lost.length + files.length === 0) out.line("  harms no file");
  out.line(`  next: ${NEXT[kind]}`);
}

function tellUnrecorded(
  out: Console,
  { id, objects, wasThere }: UnrecordedSnapshot,
): void {
  out.line(
    `snapshots/${id}.json: it is missing, and ${
      plural(objects.length, "object")
    } ` +
      `of ${formatBytes(sizeOf(objects))} that only its snapshot needs ` +
      `${objects.length === 1 ? "is" : "are"} there`,
  );
  out.line(
    wasThere
      ? "  nothing can be read of that snapshot: its record was lost"
      : "  the snapshot was cut short right before its end, or the record was lost",
  );
  out.line(
    "  next: if it was lost, bring it back before a prune removes the rest: from " +
      "a copy of this repository, or by `deltar copy` from one that has it",
  );
}

function tellLeftOvers(
  out: Console,
  leftOvers: VerifyResult["leftOvers"],
): void {
  if (leftOvers.length === 0) return;
  out.line(
    `${plural(leftOvers.length, "object")} of ${
      formatBytes(sizeOf(leftOvers))
    } ` +
      "that no snapshot needs: no damage; a prune removes them",
  );
  for (const { name } of leftOvers.slice(0, MOST_NAMED)) {
    out.line(`  ${showPath(name)}`);
  }
  tellMore(out, leftOvers.length, "object");
}

function sizeOf(objects: readonly { size: number }[]): number {
  return objects.reduce((sum, { size }) => sum + size, 0);
}

function tellMore(out: Console, count: number, what: string): void {
  if (count <= MOST_NAMED) return;
  out.line(
    `    and ${plural(count - MOST_NAMED, what)} more; --json names all`,
  );
}

/** Snapshots by their ids, many by the first and the last. */
function span(ids: readonly string[]): string {
  if (ids.length <= 2) return ids.join(" and ");
  return `${plural(ids.length, "snapshot")}, ${ids[0]} to ${ids.at(-1)}`;
}
