import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { readTree } from "../../lib/repository/layers/tree_reader.ts";
import { PathSet } from "../../lib/repository/purge/path_set.ts";
import {
  MAX_LAYERS_AT_ONCE,
  visibleLines,
} from "../../lib/repository/purge/visible_lines.ts";
import { readState } from "../../lib/repository/prune/repository_state.ts";
import { survey } from "../../lib/repository/purge/survey.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { Store } from "../../lib/repository/store/store.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { Dir } from "../../mod.ts";
import { withTemp } from "../support/temp.ts";

/** A storage that records which layers are read. */
class WatchedStorage extends MemoryStorage {
  /** The names of the layers that were read, in order. */
  readonly reads: string[] = [];

  override get(
    ...[name, options]: Parameters<MemoryStorage["get"]>
  ): ReturnType<MemoryStorage["get"]> {
    if (name.startsWith("trees/")) this.reads.push(name);
    return super.get(name, options);
  }
}

test("PathSet finds the paths around a path", () => {
  const set = new PathSet(["a", "a/b", "c/d"]);
  assert.deepEqual(set.around("a/b/x"), ["a", "a/b"]);
  assert.deepEqual(set.around("a"), ["a"]);
  assert.deepEqual(set.around("ab"), []);
  assert.equal(set.includes("c/d/e"), true);
  assert.equal(set.includes("c"), false);
  assert.equal(set.within, "");
  assert.equal(new PathSet(["c/d"]).within, "c/d");
  assert.deepEqual(new PathSet([""]).around("x"), [""]);
});

test("visibleLines() gives the lines of each snapshot, and reads a limited number of layers together", async () => {
  await withTemp(async (root) => {
    const count = MAX_LAYERS_AT_ONCE + 40;
    const storage = new WatchedStorage();
    const repository = await Repository.create(storage);
    fs.mkdirSync(join(root, "in"));
    for (let at = 0; at < 20; at++) {
      fs.writeFileSync(join(root, `in/${at}`), `${at}`);
      fs.writeFileSync(join(root, `out${at}`), `${at}`);
    }
    const all: { record: SnapshotRecord }[] = [];
    for (let at = 0; at < count; at++) {
      fs.writeFileSync(join(root, `in/${at % 20}`), `changed ${at}`);
      fs.rmSync(join(root, `in/${(at + 7) % 20}`), { force: true });
      all.push(await repository.snapshot(new Dir(root)));
    }
    storage.reads.splice(0);
    const found = new Map<string, string[]>();
    const paths = new PathSet(["in"]);
    await visibleLines(storage, all, paths, ({ record: { id } }, line) => {
      if (line.kind === "gone") return;
      const known = found.get(id) ?? [];
      found.set(id, known);
      known.push(`${line.path} ${line.kind === "file" ? line.sha256 : ""}`);
    }, undefined);
    const layers = new Set(
      all.flatMap(({ record }) => record.layers.map(({ name }) => name)),
    );
    assert.ok(layers.size > MAX_LAYERS_AT_ONCE);
    const batches = Math.ceil(layers.size / (MAX_LAYERS_AT_ONCE / 2));
    const first = all[0].record.layers[0].name;
    const times = storage.reads.filter((name) => name === first).length;
    assert.ok(times <= batches, `${times} reads`);
    for (const { record } of all) {
      const { entries } = await readTree(storage, record);
      const expected = entries.filter(({ path }) => paths.includes(path))
        .map((entry) =>
          `${entry.path} ${entry.kind === "file" ? entry.sha256 : ""}`
        );
      assert.deepEqual(found.get(record.id), expected);
    }
  });
});

test("survey() keeps no entries of the snapshots", async () => {
  await withTemp(async (root) => {
    const sizeOf = async (files: number) => {
      const storage = new MemoryStorage();
      const repository = await Repository.create(storage);
      const folder = join(root, `${files}`);
      fs.mkdirSync(join(folder, "in"), { recursive: true });
      for (let at = 0; at < files; at++) {
        fs.writeFileSync(join(folder, `in/${at}`), "");
      }
      for (let at = 0; at < 3; at++) {
        fs.writeFileSync(join(folder, "in/0"), `${at}`);
        await repository.snapshot(new Dir(folder));
      }
      const store = await Store.open(storage, {});
      const found = await readState(store, undefined);
      const { targets } = await survey(store, found, ["in"], {});
      assert.equal(targets.length, 3);
      return targets.map(({ record: _, removed: __, purged, ...rest }) => {
        assert.equal(purged.kinds.file, files);
        return countObjects(rest, new Set()) + countObjects(purged, new Set());
      });
    };
    assert.deepEqual(await sizeOf(400), await sizeOf(4));
  });
});

/** Returns the number of objects that can be reached from a value. */
function countObjects(value: unknown, seen: Set<unknown>): number {
  if (typeof value !== "object" || value === null || seen.has(value)) return 0;
  seen.add(value);
  const inner = value instanceof Map
    ? [...value].flat()
    : value instanceof Set
    ? [...value]
    : Object.values(value);
  return 1 + inner.length +
    inner.reduce((sum: number, one) => sum + countObjects(one, seen), 0);
}
