import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  type Change,
  type ChangeCounts,
  DiffIndex,
} from "../../lib/tree/diff_index.ts";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { runs } from "../support/runs.ts";
import { withTemp } from "../support/temp.ts";
import {
  rewriteTree,
  stateOf,
  type Tree,
  treeLife,
  writeTree,
} from "../support/trees.ts";
import { everything, later } from "./helpers.ts";

test("every snapshot of a changing tree restores its state exactly", async () => {
  const property = fc.asyncProperty(
    treeLife,
    fc.record({
      codec: fc.constantFrom("gzip" as const, "zstd" as const),
      onDisk: fc.boolean(),
      cached: fc.boolean(),
      volumeSize: fc.constantFrom(4096, 8192, 1 << 20),
    }),
    (life, options) => withTemp((folder) => live(folder, life, options)),
  );
  await fc.assert(property, runs(25));
});

/** Returns the numbers of changes in a list. */
function countsOf(changes: readonly Change[]): ChangeCounts {
  return new DiffIndex(changes, { mode: 0, mtime: 0n, uid: 0, gid: 0 }).counts;
}

/**
 * Returns entries or changes without creation times. A file that is created
 * again within one tick of the system's clock differs only in this time, which
 * does not count as a change.
 */
function withoutBtime(list: readonly object[]): object[] {
  return list.map((item) => {
    const rest: Record<string, unknown> = { ...item };
    delete rest.btime;
    for (const side of ["entry", "before", "after"]) {
      if (rest[side]) [rest[side]] = withoutBtime([rest[side]]);
    }
    return rest;
  });
}

async function live(
  folder: string,
  life: Tree[],
  options: {
    codec: "gzip" | "zstd";
    onDisk: boolean;
    cached: boolean;
    volumeSize: number;
  },
): Promise<void> {
  const root = join(folder, "root");
  const storage = options.onDisk
    ? new LocalStorage(join(folder, "repository"))
    : new MemoryStorage();
  await Repository.create(storage, { codec: options.codec });
  const repository = await Repository.open(storage);
  const taken: { record: SnapshotRecord; index: DirIndex; state: unknown }[] =
    [];
  writeTree(root, life[0]);
  for (const [at, tree] of life.entries()) {
    if (at > 0) rewriteTree(root, life[at - 1], tree);
    const { record, isNew, diff } = await later(
      10,
      () =>
        repository.snapshot(everything(root), {
          volumeSize: options.volumeSize,
          ...options.cached && { cache: join(folder, "cache") },
        }),
    );
    const index = await DirIndex.of(everything(root));
    const before = taken.at(-1);
    const wanted = DiffIndex.compute(index, before?.index);
    assert.deepEqual(withoutBtime(diff.changes), withoutBtime(wanted.changes));
    assert.deepEqual(diff.counts, countsOf(diff.changes));
    assert.equal(isNew, before === undefined || !diff.isEmpty);
    if (!isNew) assert.deepEqual(record, before!.record);
    taken.push({ record, index, state: stateOf(root) });
  }
  for (const [at, { record, index, state }] of taken.entries()) {
    const target = join(folder, `restored${at}`);
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual(stateOf(target), state);
    const tree = await repository.tree(record);
    assert.deepEqual(
      withoutBtime(tree.index.entries),
      withoutBtime(index.entries.map(({ signature: _, ...entry }) => entry)),
    );
    for (const { path, kind } of index.entries) {
      if (kind !== "file" && kind !== "hardlink") continue;
      assert.deepEqual(
        await collect(await repository.readFile(record, path)),
        new Uint8Array(fs.readFileSync(join(target, path))),
      );
    }
    const other = taken[(at * 7 + 3) % taken.length];
    const diff = await repository.diff(other.record, record);
    assert.deepEqual(
      withoutBtime(diff.changes),
      withoutBtime(DiffIndex.compute(index, other.index).changes),
    );
  }
}
