import { Command } from "commander";
import type { VerifyResult } from "../mod.ts";
import type {
  Damage,
  DamageKind,
  UnrecordedSnapshot,
  UntrustedNote,
  UntrustedSnapshot,
} from "../lib/repository/mod.ts";
import {
  formatBytes,
  formatCount,
  pipesAndDevices,
  plural,
} from "../shared/text.ts";
import type { CommonOptions } from "./begin.ts";
import { beginCheck } from "./begin_check.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { SIGNERS, signersIn } from "./signers.ts";
import { showPath, showText } from "./text.ts";
import { verifyWithoutKey } from "./verify_sealed.ts";

interface Options extends CommonOptions {
  data?: boolean;
  withoutKey?: boolean;
  signers?: string;
}

/**
 * The maximum number of paths that are printed in one list: of files that
 * cannot be restored because of one damaged object, or of objects that no
 * snapshot needs. The JSON output has all files and objects.
 */
const MAX_NAMED = 20;

/** The advice for each kind of damaged object. */
const NEXT: Record<DamageKind, string> = {
  settings: "`deltar repair` writes the settings again",
  record: "`deltar repair` corrects the record, or moves it to damaged/",
  layer:
    "`deltar repair` makes new snapshots of the entries that can be read, and " +
    "moves the old records to damaged/",
  content:
    "`deltar repair` makes new snapshots of the files that can be read; then " +
    "take a snapshot, so that lost files that are still on the disk are stored again",
  note:
    "no snapshot in the list needs this object; `deltar repair` corrects the " +
    "object, or moves it to damaged/",
  signature: "nothing is lost; `deltar repair` makes the signature again",
  key: "the other keys open the repository; remove this one with `deltar key " +
    "remove` and add it again",
};

/** Makes the command `deltar verify`. */
export function verifyCommand(context: Context): Command {
  return new Command("verify")
    .option(
      "--data",
      "Read every byte and rebuild every file, instead of comparing names and " +
        "sizes",
    )
    .option(
      "--without-key",
      "Without a key, compare the stored objects of an encrypted repository " +
        "with its signed manifests",
    )
    .option("--signers <file>", SIGNERS)
    .addHelpText("after", EXIT_CODES)
    .action(async (options: Options) => {
      context.code = options.withoutKey
        ? await verifyWithoutKey(context, options)
        : await run(context, options);
    });
}

const EXIT_CODES = `
verify changes no object of the repository.

Exit codes: 0 nothing is damaged, 1 something is damaged or not trusted, or the
command failed.`;

async function run(context: Context, options: Options): Promise<number> {
  const { signal } = context;
  const { out, repository, onProgress } = await beginCheck(context, options);
  const { data = false } = options;
  const result = await repository.verify({
    data,
    ...options.signers !== undefined && {
      signers: signersIn(options.signers),
    },
    signal,
    onProgress,
  });
  const { snapshots, objects, bytes, files, rebuilt, damage } = result;
  const { sparse, special, xattrs } = result;
  const { leftOvers, unrecorded, untrusted, untrustedNotes } = result;
  const isLossy = damage.length > 0 ||
    unrecorded.some(({ wasThere }) => wasThere);
  const isForged = untrusted.length + untrustedNotes.length > 0;
  const code = isLossy || isForged ? EXIT.failed : EXIT.done;
  const { location } = repository.storage;
  if (out.json) {
    out.object("verify", { repository: location, data, ...result });
    return code;
  }
  for (const one of damage) tellDamage(out, one);
  for (const one of unrecorded) tellUnrecorded(out, one);
  for (const one of untrusted) tellUntrusted(out, one);
  for (const one of untrustedNotes) tellUntrustedNote(out, one);
  const missed = new Set(
    unrecorded.flatMap((one) => one.objects.map(({ name }) => name)),
  );
  tellLeftOvers(out, leftOvers.filter(({ name }) => !missed.has(name)));
  const how = data
    ? `read every byte, rebuilt ${plural(rebuilt, "distinct content")}`
    : "compared names and sizes";
  out.line(
    `Verified ${plural(snapshots, "snapshot")} with ${plural(files, "file")}${
      sparse > 0 ? ` (${formatCount(sparse)} sparse)` : ""
    } in ` +
      `${plural(objects, "object")}, ${formatBytes(bytes)}: ${how}`,
  );
  const others = [
    ...special > 0 ? [pipesAndDevices(special)] : [],
    ...xattrs > 0 ? [`extended attributes of ${plural(xattrs, "path")}`] : [],
  ];
  if (others.length > 0) out.line(`Also verified: ${others.join(", ")}`);
  out.line(conclusion(damage.length, isLossy, data));
  return code;
}

/** Returns the last line of the output, which sums up the result. */
function conclusion(damaged: number, isLossy: boolean, data: boolean): string {
  const found = damaged > 0
    ? `Found ${plural(damaged, "damaged object")}`
    : isLossy
    ? "Found no other damage"
    : "Found no damage";
  if (!data) return `${found}. To check contents too, use --data.`;
  return damaged > 0
    ? `${found}. Everything else can be restored.`
    : `${found}.`;
}

function tellDamage(out: Console, damage: Damage): void {
  const { object, kind, message, lost, files } = damage;
  out.line(`${showPath(object)}: ${showText(message)}`);
  if (lost.length > 0) out.line(`  lost: ${span(lost)}`);
  if (files.length > 0) {
    out.line(`  ${plural(files.length, "file")} cannot be restored:`);
    for (const { path, snapshots } of files.slice(0, MAX_NAMED)) {
      out.line(`    ${showPath(path)}  in ${span(snapshots)}`);
    }
    tellMore(out, files.length, "file");
  }
  if (lost.length + files.length === 0) out.line("  no file is affected");
  out.line(`  next: ${NEXT[kind]}`);
}

function tellUnrecorded(
  out: Console,
  { id, objects, wasThere }: UnrecordedSnapshot,
): void {
  out.line(
    `snapshots/${id}.json: missing, but ${plural(objects.length, "object")} ` +
      `(${formatBytes(sizeOf(objects))}) of this snapshot ` +
      `${objects.length === 1 ? "is" : "are"} present`,
  );
  out.line(
    wasThere
      ? "  the record was lost, so the snapshot cannot be read"
      : "  the snapshot was interrupted just before its record was stored, or the record was lost",
  );
  out.line(
    "  next: if the record was lost, bring it back from a copy of this " +
      "repository, or run `deltar copy` from a repository that has the " +
      "snapshot, before a prune deletes these objects",
  );
}

/** Returns the reason why a record or note is not trusted. */
function reason(
  what: string,
  { trust, signer }: Pick<UntrustedSnapshot, "trust" | "signer">,
): string {
  switch (trust) {
    case "unsigned":
      return `the ${what} is not signed`;
    case "unknown":
      return `the ${what} is signed by a key that is not trusted: ${signer}`;
    case "foreign":
      return `the ${what} is signed by ${signer} for another repository, and ` +
        "no trusted machine copied it";
    case "revoked":
      return `the ${what} is signed by a key that was revoked: ${signer}`;
  }
}

function tellUntrustedNote(out: Console, note: UntrustedNote): void {
  const { object, id } = note;
  const isLabel = object.startsWith("labels/");
  const what = isLabel ? "label" : "result of a drill";
  out.line(
    `${showPath(object)}: ignored: ${showText(reason(what, note))}`,
  );
  out.line(
    isLabel
      ? "  next: give the snapshot its label again with `deltar label`, or " +
        `remove the label with \`deltar label ${id} --remove\``
      : `  next: \`deltar drill ${id}\` stores a new result`,
  );
}

function tellUntrusted(out: Console, snapshot: UntrustedSnapshot): void {
  const { id } = snapshot;
  out.line(`snapshots/${id}.json: ${showText(reason("record", snapshot))}`);
  out.line(
    "  next: if you do not know who took this snapshot, remove it with " +
      `\`deltar forget ${id}\``,
  );
}

function tellLeftOvers(
  out: Console,
  leftOvers: VerifyResult["leftOvers"],
): void {
  if (leftOvers.length === 0) return;
  out.line(
    `Found ${plural(leftOvers.length, "object")} ` +
      `(${
        formatBytes(sizeOf(leftOvers))
      }) that no snapshot needs. This is not ` +
      "damage; a prune frees the space.",
  );
  for (const { name } of leftOvers.slice(0, MAX_NAMED)) {
    out.line(`  ${showPath(name)}`);
  }
  tellMore(out, leftOvers.length, "object");
}

function sizeOf(objects: readonly { size: number }[]): number {
  return objects.reduce((sum, { size }) => sum + size, 0);
}

function tellMore(out: Console, count: number, what: string): void {
  if (count <= MAX_NAMED) return;
  out.line(
    `    and ${plural(count - MAX_NAMED, `more ${what}`)}; --json names all`,
  );
}

/**
 * Returns the ids of snapshots as text. For more than two snapshots, the text
 * has the number of snapshots and only the first and the last id.
 */
function span(ids: readonly string[]): string {
  if (ids.length <= 2) return ids.join(" and ");
  return `${plural(ids.length, "snapshot")}, ${ids[0]} to ${ids.at(-1)}`;
}
