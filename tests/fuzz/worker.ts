/**
 * Runs cases one after the other, and reports the current step on standard
 * output. The parent process monitors the resources, and ends a worker that
 * hangs.
 */
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Delta from "../../lib/delta/mod.ts";
import type * as Api from "../../mod.ts";
import { type Bomb, bombOf } from "./bombs.ts";
import { otherFile, otherState } from "./files.ts";
import { isSame, Model, neededBy, type Objects, objectsIn } from "./model.ts";
import { MUTATIONS, otherBytes, plant } from "./mutations.ts";
import {
  attempt,
  type Case,
  type Code,
  contentOf,
  judge,
  LENIENT,
  readAll,
  restoreAll,
  restoreEmpty,
  stateOfFolder,
  writeAll,
} from "./operations.ts";
import { Random } from "./random.ts";
import { otherObject, otherText } from "./values.ts";

/** Options for a worker. */
export interface WorkerOptions {
  /** The folder of the code to test. */
  code: string;
  /** The folder for temporary files of this worker. */
  scratch: string;
  /** The folder with the prepared bombs. */
  bombs: string;
  /** The address of the hostile server. */
  server: string;
  seed: number;
  /**
   * The number of the first case, the number of cases, and the kinds of cases
   * (default: all).
   */
  first: number;
  count: number;
  kinds?: string[];
}

const options = JSON.parse(process.argv[2]) as WorkerOptions;
const { code: place, scratch, seed } = options;
const tell = (message: Record<string, unknown>) =>
  fs.writeSync(1, `${JSON.stringify(message)}\n`);

process.env.TMPDIR = join(scratch, "case/tmp");
const entry = (file: string) => import(pathToFileURL(join(place, file)).href);
const code: Code = {
  ...await entry("mod.ts"),
  ...await entry("lib/delta/mod.ts"),
};
const frozen = join(dirname(dirname(fileURLToPath(import.meta.url))), "frozen");
const CORPUS = fs.readdirSync(frozen).filter((name) =>
  /^[0-9a-f]{7}$/.test(name)
)
  .flatMap((commit) =>
    fs.readdirSync(join(frozen, commit)).map((name) =>
      join(frozen, commit, name, "repository")
    )
  ).filter((folder) => fs.existsSync(folder));
const models = new Map<string, Model>();
const goods = new Map<string, Promise<Map<string, string>>>();
const files = objectsIn(join(frozen, "2abdc44/files"));

function modelOf(folder: string): Model {
  let model = models.get(folder);
  if (model === undefined) {
    model = new Model(objectsIn(folder));
    models.set(folder, model);
  }
  return model;
}

/** Returns the state that each snapshot of an intact repository restores to. */
function goodOf(folder: string): Promise<Map<string, string>> {
  let good = goods.get(folder);
  if (good === undefined) {
    good = (async () => {
      const found = new Map<string, string>();
      const repository = await code.Repository
        .open(new code.LocalStorage(folder));
      for (const record of await repository.snapshots(LENIENT)) {
        const target = join(scratch, "good");
        const result = await repository.restore(record, target)
          .catch(() => undefined);
        if (result?.failed.length === 0) {
          found.set(record.id, contentOf(target));
        }
        fs.rmSync(target, { recursive: true, force: true });
      }
      return found;
    })();
    goods.set(folder, good);
  }
  return good;
}

/** Stores objects where the code under test reads them. */
function storageOf(
  run: Case,
  objects: Objects,
  inflated?: Bomb["inflated"],
): Api.Storage {
  if (inflated === undefined && run.random.chance(0.7)) {
    const storage = new code.MemoryStorage();
    for (const [name, bytes] of objects) {
      storage.objects.set(name, new Uint8Array(bytes));
    }
    return storage;
  }
  const folder = join(run.folder, "repository");
  for (const [name, bytes] of objects) {
    const at = join(folder, name);
    fs.mkdirSync(dirname(at), { recursive: true });
    fs.writeFileSync(at, bytes);
  }
  if (inflated !== undefined) {
    fs.truncateSync(join(folder, inflated.name), inflated.size);
  }
  return new code.LocalStorage(folder);
}

/**
 * Returns the name of a repository of the corpus. The large one takes longest,
 * and is chosen less often.
 */
function pickCorpus(random: Random): string {
  const folder = random.pick(CORPUS);
  return folder.includes("/large/") && random.chance(0.7)
    ? random.pick(CORPUS)
    : folder;
}

/** Runs a case with a repository that was changed in one to three ways. */
async function mutatedRepository(run: Case): Promise<void> {
  const { random } = run;
  const folder = pickCorpus(random);
  const before = modelOf(folder);
  const good = await goodOf(folder);
  const model = before.copy();
  model.directory = fs.realpathSync(join(run.folder, "source"));
  const done: string[] = [];
  for (let n = 1 + random.below(3); n > 0; n--) {
    const what = random.pick(MUTATIONS)(random, model);
    if (what !== undefined) done.push(what);
  }
  run.step(`mutations of ${folder}: ${done.join("; ")}`);
  const objects = model.objects(random.chance(0.85));
  const original = before.objects();
  const storage = storageOf(run, objects);
  const repository = await attempt(
    run,
    "open",
    () => code.Repository.open(storage, LENIENT),
  );
  if (repository === undefined) return;
  await readAll(run, repository);
  // Snapshots that need no changed object must be intact.
  const unharmed = [...good.keys()].filter((id) =>
    [...neededBy(before, `snapshots/${id}.json`)]
      .every((name) => isSame(objects, original, name))
  );
  const check = async (when: string) => {
    const [id] = random.some(unharmed, 1 / unharmed.length);
    if (id === undefined) return;
    const target = join(run.folder, `unharmed ${when}`);
    run.step(`restore of the unharmed ${id} ${when}`);
    try {
      const records = await repository.snapshots(LENIENT).catch(() => []);
      const record = records.find(({ repairs }) => repairs === id) ??
        await repository.find(id);
      const { failed } = await repository.restore(record, target);
      if (failed.length === 0 && contentOf(target) === good.get(id)) return;
      run.find("lost", `${id} ${when}: ${failed[0]?.error}`);
    } catch (error) {
      run.find("lost", `${id} ${when}: ${error}`);
    }
  };
  await check("at first");
  if (random.chance(0.7)) await restoreAll(run, repository);
  if (random.chance(0.6)) {
    const mayPurge = await writeAll(run, repository);
    await checkListed(run, repository, unharmed, mayPurge);
    await check("after writing");
  }
}

/**
 * Checks that no operation removed an intact snapshot, unless it was asked to:
 * each one exists or can be brought back. Removes the snapshots that were
 * removed legitimately from the list.
 */
async function checkListed(
  run: Case,
  repository: Api.Repository,
  unharmed: string[],
  mayPurge: boolean,
): Promise<void> {
  const listed = await repository.snapshots(LENIENT).catch(() => undefined);
  const removed = await repository.removed().catch(() => undefined);
  if (listed === undefined) return;
  // The replacement that a repair made must have everything that the snapshot
  // had.
  const ids = new Set(listed.flatMap(({ id, repairs }) => [id, repairs]));
  const back = new Set(removed?.map(({ id }) => id));
  for (const id of unharmed.splice(0)) {
    if (ids.has(id)) unharmed.push(id);
    else if (!mayPurge && removed !== undefined && !back.has(id)) {
      run.find("lost", `${id} is neither listed nor can it be brought back`);
    }
  }
}

/**
 * Runs a case with a repository that claims or expands to a very large size.
 */
async function bomb(run: Case): Promise<void> {
  const { what, objects, inflated, claimed } = bombOf(
    run.random,
    options.bombs,
    fs.realpathSync(join(run.folder, "source")),
  );
  run.step(`bomb: ${what}`);
  tell({ claimed });
  const storage = storageOf(run, objects, inflated);
  const repository = await attempt(
    run,
    "open",
    () => code.Repository.open(storage, LENIENT),
  );
  if (repository === undefined) return;
  const records = await attempt(
    run,
    "snapshots",
    () => repository.snapshots(LENIENT),
  );
  const work: (() => Promise<unknown>)[] = [
    () => readAll(run, repository),
    async () => {
      for (const record of records ?? []) {
        await restoreEmpty(run, repository, record, "target");
      }
    },
    () => attempt(run, "verify", () => repository.verify({ data: true })),
    () => attempt(run, "prune", () => repository.prune({}, { patience: 0 })),
    () =>
      attempt(run, "snapshot", async () => {
        fs.writeFileSync(
          join(run.folder, "source/file"),
          Buffer.alloc((2 << 20) + 1),
        );
        await repository.snapshot(new code.Walker(join(run.folder, "source")));
      }),
    () => attempt(run, "repair", () => repository.repair()),
  ];
  for (const one of run.random.some(work, 0.5)) await one();
}

/** Runs a case with changed archives, indexes, differences and deltas. */
async function mutatedFile(run: Case): Promise<void> {
  const { random, folder } = run;
  const name = random.pick(
    [...files.keys()].filter((n) => !/state|expected/.test(n)),
  );
  const bytes = new Uint8Array(otherFile(random, files, name));
  run.step(`file ${name}`);
  const at = join(folder, "files", name);
  fs.cpSync(join(frozen, "2abdc44/files"), join(folder, "files"), {
    recursive: true,
  });
  fs.writeFileSync(at, bytes);
  const target = join(folder, "target");
  const storage = new code.LocalStorage(join(folder, "files"));
  const basis = files.get("basis")!;
  const limit = 1 << 20;
  if (/^tree/.test(name)) {
    await attempt(run, "members", async () => {
      for await (
        const member of code.TarVolume.fromVolumes(storage, [name]).members()
      ) {
        void member;
      }
    });
    await attempt(
      run,
      "extractAll",
      () => code.TarVolume.fromVolumes(storage, [name]).extractAll(target),
    );
  } else if (/^volumes/.test(name)) {
    const archive = await attempt(
      run,
      "TarVolume.open",
      () => code.TarVolume.open(storage, "volumes/key"),
    );
    if (archive === undefined) return;
    await attempt(run, "extractAll", () => archive.extractAll(target));
    await attempt(run, "extractFile", async () => {
      for await (const part of archive.extractFile("notes.txt")) void part;
    });
  } else if (/index/.test(name)) {
    const index = await attempt(
      run,
      "DirIndex.fromFile",
      () => code.DirIndex.fromFile(at),
    );
    if (index === undefined) return;
    await attempt(run, "encode", () => index.encode());
    await attempt(
      run,
      "DirIndex.of previous",
      () =>
        code.DirIndex.of(new code.Walker(join(folder, "source")), {
          previous: index,
        }),
    );
    await attempt(
      run,
      "DiffIndex.compute",
      () => code.DiffIndex.compute(index, code.DirIndex.empty()),
    );
  } else if (/^diff/.test(name)) {
    const diff = await attempt(
      run,
      "DiffIndex.fromFile",
      () => code.DiffIndex.fromFile(join(folder, "files/diff.ndjson")),
    );
    if (diff === undefined) return;
    await code.TarVolume.fromVolumes(storage, ["tree.tgz"]).extractAll(target);
    const before = contentOf(target);
    const isDone = await attempt(run, "applyDiff", async () => {
      await code.applyDiff(target, diff, join(folder, "files/diff.tgz"));
      return true;
    });
    if (!isDone && contentOf(target) !== before) {
      run.find("half done", "applyDiff failed and changed something");
    }
  } else if (/delta$/.test(name)) {
    await attempt(
      run,
      "patchBytes",
      () => code.patchBytes(basis, bytes, { maxSize: limit }),
    );
    await attempt(run, "patch", async () => {
      const parts = code.patch(code.bytesAccess(basis), bytes, {
        maxSize: limit,
      });
      for await (const part of parts) void part;
    });
    const other = files.get("two.delta")!;
    for (const [one, two] of [[bytes, other], [other, bytes]]) {
      await attempt(run, "compose", async () => {
        let size = 0;
        for await (const part of code.compose(code.bytesAccess(one), two)) {
          size += part.length;
          if (size > 1e8) break;
        }
      });
    }
  } else {
    const signature = await attempt(
      run,
      "Signature.decode",
      () => code.Signature.decode(bytes),
    );
    if (signature !== undefined) {
      await attempt(
        run,
        "deltaBytes",
        () => code.deltaBytes(signature, basis.subarray(0, 20_000)),
      );
    }
    await attempt(
      run,
      "decodeLibrsyncSignature",
      () =>
        code.decodeLibrsyncSignature(
          bytes,
          { size: basis.length } as Delta.DecodeOptions & { size: number },
        ),
    );
  }
}

/** Runs a case with a changed state file, whose checksum is corrected. */
async function mutatedState(run: Case): Promise<void> {
  const { random, folder } = run;
  const cache = join(folder, "cache");
  const source = join(folder, "source");
  const repository = await code.Repository.create(new code.MemoryStorage());
  const take = () =>
    repository.snapshot(new code.Walker(source, { excludes: [] }), { cache });
  await take();
  const names = fs.readdirSync(cache, { recursive: true }) as string[];
  const states = names.filter((name) => name.endsWith(".state"));
  for (const name of states) {
    const at = join(cache, name);
    const bytes = fs.readFileSync(at);
    const other = random.chance(0.2)
      ? otherBytes(random, bytes)
      : otherState(random, bytes);
    fs.writeFileSync(at, other);
  }
  fs.writeFileSync(join(source, "more"), "more");
  const result = await attempt(run, "snapshot with a changed state", take);
  if (result !== undefined) {
    await restoreEmpty(run, repository, result.record, "target");
  }
  await attempt(run, "verify", () => repository.verify({ data: true }));
}

/** Runs a case with forged journals in a directory. */
async function mutatedJournal(run: Case): Promise<void> {
  const { random, folder } = run;
  const source = join(folder, "source");
  const target = join(folder, "target");
  const repository = await code.Repository.create(new code.MemoryStorage());
  const { record } = await repository.snapshot(new code.Walker(source));
  await repository.restore(record, target);
  fs.writeFileSync(join(target, "mine"), "mine");
  await repository.restore(record, target, { delete: true });
  const names = [
    "p1-00000000",
    "p999999-12345678",
    `p${process.pid}-00000000`,
    "x",
  ];
  for (let n = 1 + random.below(2); n > 0; n--) {
    const owner = random.pick(names);
    const at = join(
      target,
      `.deltar-stage-${owner}-${random.below(1e8)}-journal`,
    );
    let data = otherObject(random, {
      work: random.pick(["restore", "undo", "redo"]),
      of: record.id,
      paths: null,
      delete: false,
      safety: record.id,
      fresh: true,
    }, { texts: [record.id] });
    if (random.chance(0.5)) {
      data = otherObject(random, data, { texts: [record.id] });
    }
    switch (random.below(6)) {
      case 0:
        fs.writeFileSync(
          at,
          otherBytes(random, Buffer.from(JSON.stringify(data))),
        );
        break;
      case 1:
        fs.mkdirSync(at);
        break;
      case 2:
        fs.symlinkSync(random.pick(["/dev/zero", "../canary/file", at]), at);
        break;
      case 3:
        execFileSync("mkfifo", [at]);
        break;
      case 4:
        fs.writeFileSync(at, JSON.stringify(data));
        fs.truncateSync(at, 800_000_000);
        break;
      default:
        fs.writeFileSync(at, `${JSON.stringify(data)}\n`);
    }
  }
  run.step("journals");
  await attempt(
    run,
    "planRestore",
    () => repository.planRestore(record, target),
  );
  await attempt(run, "undo", () => repository.revert(target));
  await attempt(run, "restore", () => repository.restore(record, target));
  await attempt(
    run,
    "snapshot",
    () => repository.snapshot(new code.Walker(target)),
  );
}

/** Runs a case with a repository on a hostile server. */
async function hostileServer(run: Case): Promise<void> {
  const { random } = run;
  const number = random.below(1 << 30);
  const isS3 = random.chance(0.45);
  run.step(`server ${isS3 ? "s3" : "http"} ${number}`);
  const storage = isS3
    ? new code.S3Storage({
      bucket: "bucket",
      endpoint: `${options.server}/s3/${number}`,
      accessKeyId: "a",
      secretAccessKey: "b",
    })
    : new code.HttpStorage(`${options.server}/http/${number}`);
  const repository = await attempt(
    run,
    "open",
    () => code.Repository.open(storage, LENIENT),
  );
  await attempt(run, "list", async () => {
    for await (const { name } of storage.list("snapshots/")) void name;
  });
  if (repository === undefined) return;
  const records = await attempt(
    run,
    "snapshots",
    () => repository.snapshots(LENIENT),
  );
  const record = records?.at(-1);
  if (record === undefined) return;
  await restoreEmpty(run, repository, record, "target");
  await attempt(run, "verify", () => repository.verify());
}

/**
 * Runs the command with a changed repository, and checks that the output has no
 * control characters and no stack traces.
 */
async function command(run: Case): Promise<void> {
  const { random, folder } = run;
  const from = pickCorpus(random);
  const model = modelOf(from).copy();
  model.directory = fs.realpathSync(join(folder, "source"));
  const good = await goodOf(from);
  const done: string[] = [];
  for (let n = 1 + random.below(3); n > 0; n--) {
    const mutation = random.chance(0.5) ? plant : random.pick(MUTATIONS);
    done.push(mutation(random, model) ?? "");
  }
  const objects = model.objects();
  const original = modelOf(from).objects();
  const unharmed = [...good.keys()].filter((id) =>
    [...neededBy(modelOf(from), `snapshots/${id}.json`)]
      .every((name) => isSame(objects, original, name))
  );
  const repo = join(folder, "repository");
  for (const [name, bytes] of objects) {
    fs.mkdirSync(dirname(join(repo, name)), { recursive: true });
    fs.writeFileSync(join(repo, name), bytes);
  }
  const config = join(folder, "home/config.json");
  const backup = otherObject(random, {
    directory: join(folder, "source"),
    repo,
    snapshot: { exclude: ["*.iso"], gitignore: true },
    prune: { keepDaily: 7 },
  }, { texts: [] });
  fs.writeFileSync(
    config,
    JSON.stringify({
      backups: { [otherText(random, "a", { texts: [] })]: backup },
    }),
  );
  const commands = [
    ["list"],
    ["list", "--json"],
    ["files", "latest"],
    ["diff", "latest~1", "latest"],
    ["diff", "latest~1", "latest", "--binary", "--stat"],
    ["diff", "latest", "--patch"],
    ["show"],
    ["verify"],
    ["verify", "--data"],
    ["undelete"],
    ["stats"],
    ["prune", "--dry-run", "--keep-last", "1"],
    ["restore", "latest", "--to", join(folder, "target")],
    ["restore", "latest", "--to", join(folder, "source"), "--dry-run"],
    ["snapshot", join(folder, "source")],
    ["snapshot", join(folder, "source"), "--exclude", "x"],
    ["snapshot", join(folder, "source"), "--label", "y"],
    ["repair", "--dry-run"],
    ["backup", "--dry-run", "--config", config],
  ];
  run.step(`mutations of ${from}: ${done.join("; ")}`);
  for (let n = 0; n < 2; n++) {
    const words = random.pick(commands);
    run.step(`command: ${words.join(" ")}`);
    const all = words[0] === "backup" ? words : [...words, "--repo", repo];
    let output = "";
    let status = 0;
    try {
      output = execFileSync(process.execPath, [join(place, "cli.ts"), ...all], {
        cwd: join(folder, "source"),
        env: {
          PATH: process.env.PATH,
          HOME: join(folder, "home"),
          TMPDIR: join(folder, "tmp"),
          NO_COLOR: "1",
        },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 60_000,
        maxBuffer: 1 << 27,
      }).toString();
    } catch (error) {
      const failed = error as {
        status: number;
        stdout: Uint8Array;
        stderr: Uint8Array;
      };
      status = failed.status;
      output = `${failed.stdout}${failed.stderr}`;
    }
    if (![0, 1, 2, 3].includes(status)) {
      run.find("crash", `exit code ${status}: ${output.slice(0, 1000)}`);
    }
    if (/\n {4}at |node:internal|Uncaught/.test(output)) {
      run.find("crash", `a stack trace: ${output.slice(0, 1500)}`);
    }
    // deno-lint-ignore no-control-regex
    const odd = /[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]/
      .exec(output);
    // A patch has the bytes of the files.
    const isPatch = words.includes("--patch") || words.includes("--binary");
    if (odd !== null && !isPatch) {
      const at = output.slice(Math.max(0, odd.index - 60), odd.index + 40);
      run.find("printed raw", `${words.join(" ")}: ${JSON.stringify(at)}`);
    }
  }
  const repository = await code.Repository.open(new code.LocalStorage(repo))
    .catch(() => undefined);
  if (repository === undefined) return;
  await checkListed(run, repository, unharmed, false);
}

/** The kinds of cases, with their frequencies. */
const KINDS: [
  name: string,
  weight: number,
  run: (run: Case) => Promise<void>,
][] = [
  ["repository", 60, mutatedRepository],
  ["file", 18, mutatedFile],
  ["bomb", 4, bomb],
  ["state", 5, mutatedState],
  ["journal", 4, mutatedJournal],
  ["server", 6, hostileServer],
  ["command", 3, command],
];

function kindOf(random: Random): typeof KINDS[number] {
  const kinds = KINDS.filter(([name]) => options.kinds?.includes(name) ?? true);
  let left = random.below(kinds.reduce((sum, [, weight]) => sum + weight, 0));
  for (const kind of kinds) {
    if (left < kind[1]) return kind;
    left -= kind[1];
  }
  return kinds[0];
}

const FOLDERS = [
  "repository",
  "tmp",
  "cache",
  "canary",
  "home",
  "source",
  "source/sub",
];

for (
  let number = options.first;
  number < options.first + options.count;
  number++
) {
  const random = new Random(seed, number);
  const [kind, , work] = kindOf(random);
  const folder = join(scratch, "case");
  fs.rmSync(folder, { recursive: true, force: true });
  for (const name of FOLDERS) {
    fs.mkdirSync(join(folder, name), { recursive: true });
  }
  fs.writeFileSync(join(folder, "canary/file"), "canary");
  fs.writeFileSync(join(folder, "source/file"), "one".repeat(1000));
  fs.writeFileSync(join(folder, "source/sub/file"), "two".repeat(3000));
  fs.writeFileSync(join(folder, "source/notes.txt"), "notes");
  const canary = stateOfFolder(join(folder, "canary"));
  // The memory of earlier cases must not count for this one.
  if (process.memoryUsage.rss() > 180e6) {
    (globalThis as { gc?: () => void }).gc?.();
  }
  try {
    // The peak memory is measured from here on.
    fs.writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Only Linux has this file.
  }
  tell({ begin: number, kind });
  const run: Case = {
    code,
    random,
    folder,
    step: (step) => tell({ step }),
    find: (kind, text) =>
      tell({ finding: kind, text: text.replaceAll(scratch, "…") }),
  };
  try {
    await work(run);
  } catch (error) {
    judge(run, error, "outside of any step");
    if ((error as Error).name === "DeltarError") {
      run.find("crash", `outside of any step: ${(error as Error).stack}`);
    }
  }
  if (stateOfFolder(join(folder, "canary")) !== canary) {
    run.find("outside", "the canary's folder was changed");
  }
  const known =
    /^(?:repository|tmp|cache|canary|home|source|target|files|new|unharmed .*)$/;
  for (const name of fs.readdirSync(folder)) {
    if (!known.test(name)) run.find("outside", `${name} appeared`);
  }
  for (const name of fs.readdirSync(scratch)) {
    if (name !== "case") run.find("outside", `${name} appeared beside it`);
  }
  const left = fs.readdirSync(join(folder, "tmp"));
  if (left.length > 0) {
    run.find("left behind", `in the temporary folder: ${left}`);
  }
  let memory = 0;
  try {
    const status = fs.readFileSync("/proc/self/status", "utf8");
    memory = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
  } catch {
    // Only Linux has this file.
  }
  tell({ done: number, memory });
  // The runtime does not return all of the memory.
  if (memory > 300) break;
}
process.exit(0);
