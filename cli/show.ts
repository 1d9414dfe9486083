import { Command } from "commander";
import {
  type Change,
  type DeltarError,
  DiffIndex,
  type Repository,
  type Skipped,
  type SnapshotRecord,
} from "../mod.ts";
import type { RecordTrust } from "../lib/repository/mod.ts";
import { pathOf } from "../lib/tree/mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { begin, type CommonOptions } from "./begin.ts";
import {
  changeLine,
  rootChange,
  signOf,
  SIGNS,
  withoutMoved,
} from "./change_line.ts";
import type { Context } from "./context.ts";
import { countWords } from "./count_words.ts";
import { EXIT } from "./exit.ts";
import { PagedOutput } from "./pager.ts";
import { provenFields, provenWords, recordFields } from "./record_fields.ts";
import { restoreBeside } from "./printed_lines.ts";
import { findSnapshot, SNAPSHOT_HELP } from "./suggest.ts";
import { paint } from "./terminal.ts";
import { formatDate, showPath, showText } from "./text.ts";

interface Options extends CommonOptions {
  pager: boolean;
}

/**
 * The maximum number of changes, or of folders with changes, that are shown.
 */
const MAX_SHOWN = 12;

/** Makes the command `deltar show`. */
export function showCommand(context: Context): Command {
  return new Command("show")
    .argument("[snapshot]", SNAPSHOT_HELP, "latest")
    .option("--no-pager", "Do not use a pager")
    .action(async (snapshot: string, options: Options) => {
      context.code = await run(context, snapshot, options);
    });
}

/** The changes of a snapshot since an earlier snapshot. */
interface Compared {
  before: SnapshotRecord;
  /** The changes. A renamed file is not also listed as deleted. */
  changes: Change[];
  /** The folders with changes, those with the most changes first. */
  folders: FolderChanges[];
  /** The files and folders that were excluded or skipped, by path. */
  skips: ReadonlyMap<string, Skipped>;
}

/** A folder, and the number of changes of each kind directly in it. */
interface FolderChanges {
  path: string;
  counts: Partial<Record<Change["change"], number>>;
}

async function run(
  context: Context,
  name: string,
  options: Options,
): Promise<number> {
  const { signal } = context;
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const record = await findSnapshot(begun, name);
  const proof = (await repository.proofs()).get(record.id);
  const trust = await repository.trustOf(record);
  let code: number = EXIT.done;
  const before = await previousOf(repository, record, ({ message }) => {
    out.warn(`${message}; ${DAMAGE_ADVICE}`);
    code = EXIT.partial;
  });
  const compared = before && await compare(repository, before, record, signal);
  const { location } = repository.storage;
  const restore = restoreBeside(record, location);
  if (out.json) {
    out.object("show", {
      ...recordFields(record),
      ...provenFields(proof),
      trust,
      repository: location,
      ...compared && {
        before: compared.before.id,
        folders: compared.folders.slice(0, MAX_SHOWN)
          .map(({ path, counts }) => ({ path, ...counts })),
      },
      restore,
    });
    return code;
  }
  const output = new PagedOutput(context, options.pager);
  try {
    for (const line of describe(record, trust, location)) {
      await output.line(line);
    }
    const proven = provenWords(proof);
    if (proven !== undefined) await output.line(`  drill       ${proven}`);
    for (const line of comparisonLines(record, compared)) {
      await output.line(line);
    }
    await output.line(`Restore it with:\n  ${restore}`);
  } finally {
    await output.close();
  }
  return output.isInterrupted ? EXIT.interrupted : code;
}

/**
 * Returns the snapshot before the given one, of the same directory and by the
 * same machine, or `undefined` if there is none. Ignores safety snapshots, and
 * returns `undefined` for one, because a safety snapshot holds only the paths
 * that a restore, undo or redo was about to change.
 */
async function previousOf(
  repository: Repository,
  { id, directory, machine, safety }: SnapshotRecord,
  onDamage: (error: DeltarError) => void,
): Promise<SnapshotRecord | undefined> {
  if (safety !== undefined) return undefined;
  const records = await repository.snapshots({ onDamage });
  return records.filter((record) =>
    record.directory === directory && record.safety === undefined &&
    record.machine?.id === machine?.id && record.id < id
  ).at(-1);
}

async function compare(
  repository: Repository,
  before: SnapshotRecord,
  after: SnapshotRecord,
  signal: AbortSignal,
): Promise<Compared> {
  const [old, now] = await Promise.all(
    [before, after].map((record) => repository.tree(record, { signal })),
  );
  const diff = DiffIndex.compute(now.index, old.index);
  const changes = [
    ...rootChange(before, after),
    ...withoutMoved(diff.changes),
  ];
  const folders = new Map<string, FolderChanges>();
  for (const change of changes) {
    const name = pathOf(change);
    const path = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    const folder = folders.get(path) ?? { path, counts: {} };
    folders.set(path, folder);
    const kind = signOf(change);
    folder.counts[kind] = (folder.counts[kind] ?? 0) + 1;
  }
  const all = [...folders.values()].sort((one, other) =>
    sumOf(other) - sumOf(one)
  );
  const skips = new Map(now.skipped.map((skip) => [skip.path, skip]));
  return { before, changes, folders: all, skips };
}

function sumOf({ counts }: FolderChanges): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Yields the lines that describe a snapshot, without its changes. */
function* describe(
  record: SnapshotRecord,
  trust: RecordTrust,
  location: string,
): Generator<string> {
  const { id, time, directory, label, machine, signer, counts } = record;
  yield `Snapshot ${paint("bold", id)} of ${showPath(directory)}`;
  yield `  time        ${formatDate(time)}`;
  if (label) yield `  label       ${showPath(label)}`;
  if (record.safety !== undefined) {
    const { before, of } = record.safety;
    yield `  purpose     safety snapshot before the ${before} of ${of}`;
  }
  if (machine !== undefined) {
    const { host, user } = machine;
    const name = host ?? machine.id;
    yield `  machine     ${showText(user ? `${user} on ${name}` : name)}`;
  }
  if (signer !== undefined) yield `  signer      ${showText(signer)}`;
  if (trust !== "trusted") {
    yield `  trust       ${paint("yellow", TRUST[trust])}`;
  }
  yield `  found       ${countWords(counts)}`;
  if (counts.faults > 0) {
    yield `  skipped     ${
      plural(counts.faults, "path")
    }; \`deltar files ${id} --skipped\` lists them`;
  }
  yield `  stored      ${formatBytes(counts.stored)}`;
  yield `  repository  ${showPath(location)}`;
}

/** The texts for a snapshot that is not trusted, by the reason. */
const TRUST: Readonly<Record<Exclude<RecordTrust, "trusted">, string>> = {
  unsigned: "not trusted: the snapshot is not signed",
  unknown: "not trusted: the signer is unknown",
  revoked: "not trusted: the signer was revoked",
  foreign: "not trusted: the snapshot was signed for another repository",
};

/**
 * Yields lines about the changes since the previous snapshot: each change or,
 * if there are more than `MAX_SHOWN`, the folders with the most changes.
 */
function* comparisonLines(
  record: SnapshotRecord,
  compared: Compared | undefined,
): Generator<string> {
  if (compared === undefined) {
    if (record.safety === undefined) {
      yield "There is no earlier snapshot to compare this one with.";
    }
    return;
  }
  const { before, changes, folders, skips } = compared;
  if (changes.length === 0) {
    yield `Nothing changed since ${before.id}.`;
    return;
  }
  yield `${plural(changes.length, "change")} since ${before.id}:`;
  if (changes.length <= MAX_SHOWN) {
    for (const change of changes) {
      yield `  ${changeLine(change, [before, record], skips)}`;
    }
    return;
  }
  for (const folder of folders.slice(0, MAX_SHOWN)) {
    const signs = Object.entries(folder.counts).map(([kind, count]) => {
      const [sign, color] = SIGNS[kind as Change["change"]];
      return paint(color, `${sign}${count}`);
    });
    yield `  ${showPath(folder.path || ".")}/  ${signs.join(" ")}`;
  }
  const more = folders.length - MAX_SHOWN;
  if (more > 0) yield `  and ${plural(more, "other folder")}`;
  yield `  \`deltar diff ${before.id} ${record.id}\` shows all changes`;
}
