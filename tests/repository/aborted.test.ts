import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { applyDiff } from "../../lib/archive/apply_diff.ts";
import { Dir } from "../../lib/archive/dir.ts";
import { TarVolume } from "../../lib/archive/tar_volume.ts";
import { collect } from "../../lib/bytes/source.ts";
import { sign } from "../../lib/delta/sign.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { DiffIndex } from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";

/** The objects that the calls work on. */
interface Stage {
  folder: string;
  dir: Dir;
  repository: Repository;
  record: SnapshotRecord;
  before: SnapshotRecord;
  index: DirIndex;
  diff: DiffIndex;
}

type Call = (stage: Stage, options: { signal: AbortSignal }) => unknown;

async function through(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}

/** Each asynchronous call of the library that takes a signal. */
const CALLS: Record<string, Call> = {
  "Repository.create": (_, o) => Repository.create(new MemoryStorage(), o),
  "Repository.open": ({ repository }, o) =>
    Repository.open(repository.storage, o),
  snapshots: ({ repository }, o) => repository.snapshots(o),
  find: ({ repository, record }, o) => repository.find(record.id, o),
  snapshot: ({ repository, dir }, o) => repository.snapshot(dir, o),
  label: ({ repository, record }, o) => repository.label(record, "a", o),
  tree: ({ repository, record }, o) => repository.tree(record, o),
  lookup: ({ repository, record }, o) => repository.lookup(record, "a", o),
  entries: ({ repository, record }, o) =>
    through(repository.entries(record, o)),
  diff: ({ repository, before, record }, o) =>
    repository.diff(before, record, o),
  readFile: ({ repository, record }, o) => repository.readFile(record, "a", o),
  history: ({ repository, record }, o) =>
    through(repository.history(record, "a", o)),
  findPaths: ({ repository }, o) => repository.findPaths("*", o),
  fileReader: ({ repository, record }, o) =>
    repository.fileReader(record)("a", o),
  entryReader: async ({ repository, record }, o) => {
    const entry = await repository.lookup(record, "a");
    assert.ok(entry?.kind === "file");
    return repository.entryReader()(entry, o);
  },
  export: ({ repository, record }, o) => repository.export(record, o),
  planRestore: ({ repository, record, folder }, o) =>
    repository.planRestore(record, `${folder}/to`, o),
  restore: ({ repository, record, folder }, o) =>
    repository.restore(record, `${folder}/to`, o),
  verify: ({ repository }, o) => repository.verify(o),
  "verify of data": ({ repository }, o) =>
    repository.verify({ ...o, data: true }),
  revert: ({ repository, folder }, o) =>
    repository.revert(`${folder}/undone`, o),
  "revert of an undo": ({ repository, folder }, o) =>
    repository.revert(`${folder}/undone`, { ...o, direction: "redo" }),
  planRevert: ({ repository, folder }, o) =>
    repository.planRevert(`${folder}/undone`, o),
  forget: ({ repository, before }, o) => repository.forget(before, o),
  removed: ({ repository }, o) => repository.removed(o),
  undelete: ({ repository, before }, o) => repository.undelete(before.id, o),
  planPrune: ({ repository }, o) => repository.planPrune({ last: 1 }, o),
  prune: ({ repository }, o) => repository.prune({ last: 1 }, o),
  planPurge: ({ repository }, o) => repository.planPurge(["a"], o),
  purge: ({ repository }, o) => repository.purge(["a"], o),
  fit: ({ repository }, o) => repository.fit(1000, o),
  maxSize: ({ repository }, o) => repository.maxSize(o),
  setMaxSize: ({ repository }, o) => repository.setMaxSize(9999, o),
  stats: ({ repository }, o) => repository.stats(o),
  drill: ({ repository }, o) => repository.drill(o),
  proofs: ({ repository }, o) => repository.proofs(o),
  repair: ({ repository }, o) => repository.repair(o),
  copyTo: async ({ repository, record }, o) =>
    repository.copyTo(
      await Repository.create(new MemoryStorage()),
      [record],
      o,
    ),
  parentFor: ({ repository, dir }, o) => repository.parentFor(dir.path, o),
  safetySnapshots: ({ repository, folder }, o) =>
    repository.safetySnapshots(`${folder}/undone`, o),
  isRestoreTarget: ({ repository, folder }, o) =>
    repository.isRestoreTarget(`${folder}/undone`, o),
  readRecord: ({ repository, record }, o) =>
    repository.readRecord(record.id, o),
  "Dir.hash": ({ dir }, o) => dir.hash("contents", o),
  "Dir.walk": ({ dir }, o) => through(dir.walk(o)),
  "Dir.compressTo": ({ dir, folder }, o) =>
    dir.compressTo(`${folder}/a.tgz`, o),
  "DirIndex.of": ({ dir }, o) => DirIndex.of(dir, o),
  "DirIndex.toFile": ({ index, folder }, o) =>
    index.toFile(`${folder}/new.index`, o),
  "DirIndex.fromFile": ({ folder }, o) =>
    DirIndex.fromFile(`${folder}/index`, o),
  "DiffIndex.toFile": ({ diff, folder }, o) =>
    diff.toFile(`${folder}/new.diff`, o),
  "DiffIndex.fromFile": ({ folder }, o) =>
    DiffIndex.fromFile(`${folder}/diff`, o),
  applyDiff: ({ diff, folder }, o) =>
    applyDiff(`${folder}/tree`, diff, `${folder}/diff.tgz`, o),
  "TarVolume.compress": ({ dir }, o) =>
    TarVolume.compress(dir, new MemoryStorage(), "a", o),
  sign: (_, o) => sign(noise(1 << 20), o),
};

/**
 * Returns objects by name, to check that an aborted call leaves nothing behind.
 */
function contentsOf({ storage }: Repository): string[] {
  return [...(storage as MemoryStorage).objects.keys()].sort();
}

test("each asynchronous call fails if its signal fired before, and leaves nothing [L1]", async () => {
  await withTemp(async (folder) => {
    const tree = `${folder}/tree`;
    mkdirSync(tree);
    writeFileSync(`${tree}/a`, "a");
    writeFileSync(`${tree}/b`, noise(100_000));
    const dir = new Dir(tree);
    const repository = await Repository.create(new MemoryStorage());
    const { record: before } = await repository.snapshot(dir);
    writeFileSync(`${tree}/a`, "other");
    const { record } = await repository.snapshot(dir);
    mkdirSync(`${folder}/undone`);
    writeFileSync(`${folder}/undone/a`, "mine");
    await repository.restore(record, `${folder}/undone`);
    const index = await DirIndex.of(dir);
    const diff = DiffIndex.compute(index);
    await index.toFile(`${folder}/index`);
    await diff.toFile(`${folder}/diff`);
    await dir.compressTo(`${folder}/diff.tgz`);
    const stage = { folder, dir, repository, record, before, index, diff };
    const objects = contentsOf(repository);
    const signal = AbortSignal.abort(new Error("no more"));
    for (const [name, call] of Object.entries(CALLS)) {
      await assert.rejects(async () => await call(stage, { signal }), {
        name: "DeltarError",
        code: "aborted",
      }, name);
      assert.deepEqual(contentsOf(repository), objects, name);
    }
    for (const name of ["to", "a.tgz", "new.index", "new.diff"]) {
      assert.ok(!existsSync(`${folder}/${name}`), name);
    }
    const content = await repository.readFile(record, "a");
    assert.equal(new TextDecoder().decode(await collect(content)), "other");
  });
});
