/**
 * The operations that are run on each mutant, and the checks of their results.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import type * as Delta from "../../lib/delta/mod.ts";
import type * as Api from "../../mod.ts";
import type { Random } from "./random.ts";

export type Code = typeof Api & typeof Delta;
type Repository = Api.Repository;
type SnapshotRecord = Api.SnapshotRecord;

/** A case: its folders, its random choices, and its output. */
export interface Case {
  code: Code;
  random: Random;
  /** The folder of this case. See `folders`. */
  folder: string;
  /** Called before each step, with its name. */
  step: (name: string) => void;
  /** Called with each fault. */
  find: (kind: string, text: string) => void;
}

const goOn = () => {};
/**
 * Options that make operations continue after damage. The current version takes
 * an option, and the first version, which is run for comparison, takes a
 * function.
 */
export const LENIENT = Object.assign(() => {}, { onDamage: goOn });

/** Matches messages that no user can understand. */
const NONSENSE =
  /Cannot (?:read|set|convert|mix|destructure)|is not (?:a function|iterable|defined|a constructor)|undefined|Invalid (?:array|string|typed array) length|Maximum call stack|out of memory|allocation failed|Invalid time value|malformed|out of range|out-of-bounds|ERR_[A-Z]|\[object|NaN|Unexpected (?:token|end)|heap|invalid_type|Assertion|BigInt|null/i;

/** Checks whether an error is acceptable. */
export function judge({ find }: Case, error: unknown, what: string): void {
  const { name, message, stack, code } = error as Error & { code?: string };
  const text = `${name} ${code}: ${String(message).slice(0, 300)}`;
  if (name === "AbortError" || code === "aborted") return;
  if (name !== "DeltarError") {
    find("crash", `${what}: ${text}\n${String(stack).slice(0, 1500)}`);
  } else if (NONSENSE.test(withoutPlace(error as Api.DeltarError))) {
    find("nonsense", `${what}: ${text}\n${String(stack).slice(0, 1500)}`);
  }
}

/**
 * Returns the message of an error without the names of objects and paths in it.
 */
function withoutPlace({ message, object, path }: Api.DeltarError): string {
  let text = message;
  for (const part of [object, path]) {
    if (part) text = text.replaceAll(part, "");
  }
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
}

/** Runs an operation that may fail, but only with a clear error. */
export async function attempt<Result>(
  run: Case,
  what: string,
  work: () => Result | Promise<Result>,
): Promise<Result | undefined> {
  run.step(what);
  try {
    return await work();
  } catch (error) {
    judge(run, error, what);
    return undefined;
  }
}

function sumOfFile(place: string): string {
  const sum = createHash("sha256");
  const fd = fs.openSync(place, "r");
  const buffer = new Uint8Array(1 << 16);
  try {
    for (let got; (got = fs.readSync(fd, buffer)) > 0;) {
      sum.update(buffer.subarray(0, got));
    }
  } finally {
    fs.closeSync(fd);
  }
  return sum.digest("hex");
}

/** Yields all paths in a folder, without following links. */
function* walk(root: string, path = ""): Generator<string> {
  for (const name of fs.readdirSync(join(root, path)).sort()) {
    const at = path === "" ? name : `${path}/${name}`;
    yield at;
    if (fs.lstatSync(join(root, at)).isDirectory()) yield* walk(root, at);
  }
}

/**
 * Returns the state of a folder as one text, to check that it does not change.
 */
export function stateOfFolder(root: string): string {
  if (!fs.existsSync(root)) return "";
  return [...walk(root)].map((path) => {
    const stat = fs.lstatSync(join(root, path));
    const content = stat.isFile() ? sumOfFile(join(root, path)) : "";
    return `${path} ${stat.mode} ${stat.uid} ${stat.mtimeMs} ${content}`;
  }).join("\n");
}

/**
 * Compares the files that a restore wrote into an empty folder with the
 * snapshot: each file must have the recorded SHA-256, and nothing else may
 * exist.
 */
async function checkRestored(
  run: Case,
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  failed: ReadonlySet<string>,
): Promise<void> {
  if (!fs.existsSync(target)) return;
  const tree = await repository.tree(record).catch(() => undefined);
  for (const path of walk(target)) {
    const place = join(target, path);
    const stat = fs.lstatSync(place);
    if (/(?:^|\/)\.deltar-stage-/.test(path)) {
      run.find("left behind", `${path} after the restore of ${record.id}`);
      continue;
    }
    if (tree === undefined || !stat.isFile()) continue;
    let entry = tree.byPath.get(path);
    if (entry?.kind === "hardlink") entry = tree.byPath.get(entry.target!);
    if (entry === undefined) {
      run.find("wrong content", `${path} is in no entry of ${record.id}`);
    } else if (!failed.has(path) && sumOfFile(place) !== entry.sha256) {
      run.find("wrong content", `${path} of ${record.id}`);
    }
  }
}

/** Restores into an empty folder, and checks the result. */
export async function restoreEmpty(
  run: Case,
  repository: Repository,
  record: SnapshotRecord,
  name: string,
): Promise<string | undefined> {
  const target = join(run.folder, name);
  const result = await attempt(
    run,
    `restore of ${record.id} to ${name}`,
    () => repository.restore(record, target),
  );
  if (result === undefined) return undefined;
  for (const { error, path } of result.failed) {
    judge(run, error, `restoring ${path}`);
  }
  const failed = new Set(result.failed.map(({ path }) => path));
  run.step(`looking at ${name}`);
  await checkRestored(run, repository, record, target, failed);
  return target;
}

/** Returns one text with everything in a restored folder. */
export function contentOf(target: string): string {
  if (!fs.existsSync(target)) return "nothing";
  return [...walk(target)].map((path) => {
    const place = join(target, path);
    const stat = fs.lstatSync(place);
    const what = stat.isSymbolicLink()
      ? fs.readlinkSync(place)
      : stat.isFile()
      ? sumOfFile(place)
      : "";
    return `${path} ${stat.mode} ${what}`;
  }).join("\n");
}

/** Runs all operations that read a repository. */
export async function readAll(
  run: Case,
  repository: Repository,
): Promise<void> {
  const { random } = run;
  const records = await attempt(
    run,
    "snapshots",
    () => repository.snapshots(LENIENT),
  ) ?? [];
  await attempt(run, "find", () => repository.find("latest"));
  await attempt(run, "removed", () => repository.removed());
  await attempt(run, "proofs", () => repository.proofs(LENIENT));
  await attempt(run, "maxSize", () => repository.maxSize());
  const some = random.some(records, Math.min(1, 2 / records.length));
  for (const record of some) {
    const tree = await attempt(
      run,
      "tree",
      () => repository.tree(record),
    );
    if (random.chance(0.3)) {
      await attempt(run, "entries", async () => {
        for await (const part of repository.entries(record)) void part;
      });
    }
    const other = random.pick(records);
    if (other !== record && random.chance(0.4)) {
      await attempt(run, "diff", () => repository.diff(record, other));
    }
    const files = (tree?.entries ?? []).filter(({ kind }) => kind === "file");
    for (const entry of random.some(files, 3 / files.length)) {
      await attempt(run, `cat ${entry.path.slice(0, 80)}`, async () => {
        const sum = createHash("sha256");
        const stream = await repository.readFile(record, entry.path);
        for await (const part of stream) sum.update(part);
        if (sum.digest("hex") !== entry.sha256) {
          run.find("wrong content", `cat ${entry.path} of ${record.id}`);
        }
      });
      if (random.chance(0.3)) {
        await attempt(
          run,
          "history",
          () =>
            Array.fromAsync(
              repository.history(record, entry.path, {
                follow: true,
                onDamage: () => {},
              }),
            ),
        );
      }
    }
  }
  if (random.chance(0.3)) await attempt(run, "stats", () => repository.stats());
  if (random.chance(0.3)) {
    await attempt(run, "planPrune", () => repository.planPrune({ last: 2 }));
  }
  if (random.chance(0.3)) {
    await attempt(
      run,
      "repair --dry-run",
      () => repository.repair({ dryRun: true } as Api.RepairOptions),
    );
  }
  await attempt(
    run,
    "verify",
    () => repository.verify({ data: random.chance(0.6) }),
  );
}

/** Restores into several folders, over other files, and undoes the restores. */
export async function restoreAll(
  run: Case,
  repository: Repository,
): Promise<void> {
  const { random, folder } = run;
  const records = await repository.snapshots(LENIENT).catch(() => []);
  if (records.length === 0) return;
  const record = random.chance(0.5) ? records.at(-1)! : random.pick(records);
  const target = await restoreEmpty(run, repository, record, "target");
  if (target === undefined || !fs.existsSync(target)) return;
  const other = random.pick(records);
  await attempt(
    run,
    "planRestore",
    () => repository.planRestore(other, target),
  );
  const isDeleting = random.chance(0.5);
  const before = contentOf(target);
  const over = await attempt(
    run,
    `restore of ${other.id} over it`,
    () => repository.restore(other, target, { delete: isDeleting }),
  );
  if (over === undefined) return;
  for (const { error } of over.failed) judge(run, error, "restoring over");
  const undone = await attempt(
    run,
    "undo",
    () => repository.revert(target),
  );
  if (undone !== undefined && over.failed.length + undone.failed.length === 0) {
    // Regardless of the snapshot, the undo must bring back the earlier state.
    // If the restore changed nothing, the undo reverts the restore before it,
    // which was into a folder that does not exist.
    const expected = over.safety === undefined ? "nothing" : before;
    if (contentOf(target) !== expected) {
      run.find("not undone", `${other.id} over ${record.id} in ${folder}`);
    }
  }
  if (random.chance(0.4)) {
    await attempt(
      run,
      "redo",
      () => repository.revert(target, { direction: "redo" }),
    );
  }
}

/**
 * Takes snapshots, prunes, repairs and copies.
 *
 * @returns Whether an operation ran that can remove snapshots for good.
 */
export async function writeAll(
  run: Case,
  repository: Repository,
): Promise<boolean> {
  let mayPurge = false;
  const { code, random, folder } = run;
  const source = join(folder, "source");
  const work: Record<string, () => Promise<void>> = {
    snapshot: async () => {
      fs.writeFileSync(join(source, "more"), `more ${random.below(1000)}`);
      const result = await attempt(
        run,
        "snapshot",
        () =>
          repository.snapshot(new code.Walker(source, { excludes: [] }), {
            cache: join(folder, "cache"),
            ...random.chance(0.5) && { onDamage: () => {} },
          }),
      );
      if (result === undefined || !result.isNew) return;
      const found = await attempt(
        run,
        "snapshots after a new one",
        () => repository.snapshots(LENIENT),
      );
      if (found && !found.some(({ id }) => id === result.record.id)) {
        run.find("lost", `the new snapshot ${result.record.id} is not listed`);
      }
      await restoreEmpty(run, repository, result.record, "new");
    },
    prune: async () => {
      const isShort = random.chance(0.4);
      mayPurge ||= isShort;
      await attempt(
        run,
        "prune",
        () =>
          repository.prune(random.pick([{}, { last: 1 }, { daily: 2 }]), {
            patience: 0,
            ...isShort && { grace: random.pick([0, 1000]) },
          }),
      );
    },
    repair: async () => {
      await attempt(run, "repair", () => repository.repair());
      await attempt(run, "verify after repair", () => repository.verify());
    },
    copy: async () => {
      const target = await code.Repository.create(new code.MemoryStorage());
      const records = await repository.snapshots(LENIENT).catch(() => []);
      const result = await attempt(
        run,
        "copy",
        () => repository.copyTo(target, random.some(records, 0.7)),
      );
      await attempt(run, "snapshots of a copy", () => target.snapshots());
      const objects = (target.storage as Api.MemoryStorage).objects;
      for (const name of objects.keys()) {
        if (
          /^(?:deltar\.json$|(?:snapshots|trees|volumes|signatures|moves|labels)\/)/
            .test(name)
        ) continue;
        run.find("planted", `copy made ${name} (${result?.copied})`);
      }
    },
    drill: async () => {
      await attempt(
        run,
        "drill",
        () => repository.drill({ files: 3, onDamage: () => {} }),
      );
    },
    undelete: async () => {
      const removed = await repository.removed().catch(() => []);
      if (removed.length === 0) return;
      await attempt(
        run,
        "undelete",
        () => repository.undelete(random.pick(removed).id),
      );
    },
    budget: async () => {
      const most = await attempt(run, "maxSize", () => repository.maxSize());
      if (most === undefined) return;
      mayPurge = true;
      await attempt(run, "fit", () => repository.fit(most, { patience: 0 }));
    },
  };
  for (const name of random.some(Object.keys(work), 0.4)) await work[name]();
  return mayPurge;
}
