import assert from "node:assert/strict";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { codecFor } from "../../lib/archive/codec.ts";
import {
  encodeRecord,
  type ObjectRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import { LayerReader } from "../../lib/repository/layers/layer_reader.ts";
import { LayerWriter } from "../../lib/repository/layers/layer_writer.ts";
import type { PathVersion } from "../../lib/repository/mod.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { withCache } from "../../lib/repository/with_cache.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { CountingStorage } from "../support/counting_storage.ts";
import { generator } from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

/** Runs `work` with a reader that ignores the ages of lines. */
async function withoutAges<Result>(
  work: () => Promise<Result>,
): Promise<Result> {
  const reader = LayerReader.prototype;
  const { findDated, select } = reader;
  // A line with an age that is later than its layer has the age of its layer,
  // like the line of a layer of an older version, which has no age.
  const since = "99991231T235959Z-ffffff";
  reader.findDated = async function (path) {
    const line = await this.find(path);
    return line && Object.assign(line, { since });
  };
  reader.select = async function* (isWanted, options) {
    for await (const lines of select.call(this, isWanted, options)) {
      yield lines.map((line) => Object.assign(line, { since }));
    }
  };
  try {
    return await work();
  } finally {
    Object.assign(reader, { findDated, select });
  }
}

function write(root: string, path: string, text: string | Uint8Array): void {
  const place = join(root, path);
  fs.mkdirSync(dirname(place), { recursive: true });
  fs.writeFileSync(place, text);
}

/** Returns what a log shows of each version. */
function shown(versions: readonly PathVersion[]): unknown[] {
  return versions.map((version) => {
    const { record, recordBefore, path, change, entry, from, to, inside } =
      version;
    const { kind, size, mode, sha256 } = entry ?? {};
    return JSON.stringify([
      record.id,
      recordBefore?.id,
      path,
      change,
      [kind, size, mode, sha256],
      [from, to, inside],
    ]);
  });
}

async function historyOf(
  repository: Repository,
  directory: string,
  path: string,
): Promise<unknown[]> {
  const last = await repository.find("latest", { directory });
  const versions = repository.history(last, path, { follow: true });
  return shown(await Array.fromAsync(versions));
}

/** Checks that the ages of lines do not change the history of any path. */
async function checkHistories(
  repository: Repository,
  roots: readonly string[],
): Promise<number> {
  let versions = 0;
  for (const root of roots) {
    const paths = new Set(["d0", "d1", "d2", "moved"]);
    for (let n = 0; n < 16; n++) paths.add(`d${n % 4}/f${n}`);
    for (let n = 0; n < 4; n++) paths.add(`moved/f${n}`);
    for (const path of paths) {
      const found = await historyOf(repository, root, path);
      const expected = await withoutAges(() =>
        historyOf(repository, root, path)
      );
      assert.deepEqual(found, expected, path);
      versions += found.length;
    }
  }
  return versions;
}

/** Changes some of the files of a directory. */
function edit(root: string, random: () => number): void {
  const below = (most: number) => Math.floor(random() * most);
  for (let change = below(4); change > 0; change--) {
    const n = below(8);
    const path = `d${n % 4}/f${n}`;
    const place = join(root, path);
    const kind = below(10);
    if (!fs.existsSync(place) || kind < 4) {
      write(root, path, `${n % 3}`.repeat(1 + below(3)));
    } else if (kind < 6) fs.rmSync(place);
    else if (kind < 8) fs.chmodSync(place, below(2) ? 0o600 : 0o640);
    else {
      fs.mkdirSync(join(root, "moved"), { recursive: true });
      fs.renameSync(place, join(root, "moved", `f${below(4)}`));
    }
  }
}

for (const seed of [1, 2, 3]) {
  test(`history() finds the same versions with and without the ages of lines, seed ${seed}`, async () => {
    await withTemp(async (folder) => {
      const random = generator(seed);
      const below = (most: number) => Math.floor(random() * most);
      const storage = new MemoryStorage();
      const repository = await Repository.create(storage);
      const roots = ["one", "two"].map((name) => join(folder, name));
      for (const root of roots) {
        for (let n = 0; n < 80; n++) write(root, `d${n % 4}/f${n}`, `${n}`);
      }
      const take = async (to: Repository, rounds: number) => {
        for (let n = 0; n < rounds; n++) {
          const root = roots[below(4) === 0 ? 1 : 0];
          edit(root, random);
          const excludes = below(12) === 0 ? ["f3"] : [];
          const walker = everything(root);
          Object.assign(walker, { excludes });
          await to.snapshot(walker);
        }
      };
      for (const root of roots) await repository.snapshot(everything(root));
      await take(repository, 40);
      assert.ok(await checkHistories(repository, roots) > 30);
      // A restore takes a safety snapshot, and changes the directory to an
      // earlier state.
      const records = (await repository.snapshots())
        .filter(({ directory }) => directory === roots[0]);
      await repository.restore(records[5], roots[0], { delete: true });
      await take(repository, 15);
      for (const record of await repository.snapshots()) {
        if (below(3) === 0) await repository.forget(record);
      }
      await checkHistories(repository, roots);
      // Another repository gets some of these snapshots, and also has its own.
      const other = await Repository.create(new MemoryStorage());
      const some = (await repository.snapshots()).filter((_, at) => at % 3 > 0);
      await repository.copyTo(other, some);
      await take(other, 10);
      assert.ok(await checkHistories(other, roots) > 10);
      for (const one of [repository, other]) {
        await one.purge([`d${seed % 4}/f${seed}`]);
        await checkHistories(one, roots);
        await take(one, 10);
        await checkHistories(one, roots);
      }
    });
  });
}

test("history() needs few requests for a path in many snapshots, with an empty cache", async () => {
  await withTemp(async (root) => {
    const far = new CountingStorage();
    const repository = await Repository.create(far);
    const count = 300;
    for (let n = 0; n < 500; n++) write(root, `d${n % 9}/f${n}`, `${n}`);
    for (const path of ["one", "three", "eleven"]) write(root, path, "0");
    for (let n = 0; n < count; n++) {
      for (let more = 0; more < 3; more++) {
        const other = (n * 79 + more * 211) % 500;
        write(root, `d${other % 9}/f${other}`, `${other} of ${n}`);
      }
      if (n === 100 || n === 200) write(root, "three", `${n}`);
      if (n > 0 && n % 29 === 0) write(root, "eleven", `${n}`);
      await repository.snapshot(everything(root));
    }
    const requestsFor = async (path: string) => {
      const repository = await Repository
        .open(withCache(far, new MemoryStorage()));
      far.reset();
      const found = await historyOf(repository, root, path);
      return { requests: far.requests, found };
    };
    for (
      const { path, versions, most } of [
        { path: "one", versions: 1, most: 9 },
        { path: "three", versions: 3, most: 16 },
        { path: "eleven", versions: 11, most: 42 },
      ]
    ) {
      const { requests, found } = await requestsFor(path);
      assert.equal(found.length, versions);
      const without = await withoutAges(() => requestsFor(path));
      assert.deepEqual(found, without.found);
      assert.ok(requests <= most, `${path}: ${requests}`);
      if (versions > 1) assert.ok(without.requests > 2 * requests);
    }
  });
});

test("history() does not trust the age of a line that no snapshot confirms", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    for (let n = 0; n < 30; n++) write(root, `f${n}`, `${n}`);
    for (const [path, text] of [["a", "1"], ["a", "23"], ["b", "4"]]) {
      write(root, path, text);
      await repository.snapshot(everything(root));
    }
    const expected = await historyOf(repository, root, "a");
    assert.equal(expected.length, 2);
    const [first, , last] = await repository.snapshots();
    const old = last.layers[1];
    const parts = await Array.fromAsync(
      new LayerReader(storage, old).parts({ isDated: true }),
    );
    assert.ok(parts[0].lines.some(({ path }) => path === "a"));
    for (
      const since of [
        first.id,
        `${first.id.slice(0, -1)}g`,
        "20000101T000000Z-000000",
        // This id is between those of the first two snapshots.
        first.id.replace(/.{3}$/, "fff"),
        "99990101T000000Z-000000",
      ]
    ) {
      storage.objects.delete(old.name);
      const writer = new LayerWriter({
        storage,
        name: old.name,
        codec: codecFor("zstd"),
        expected: old.entries,
        isFull: false,
      });
      for (const { lines } of parts) {
        for (const line of lines) {
          writer.add(line.path === "a" ? { ...line, since } : line);
        }
      }
      const layer = await writer.close(
        parts.flatMap(({ objects }) => objects),
        [],
      );
      const record = { ...last, layers: [last.layers[0], layer] };
      storage.objects.set(`snapshots/${last.id}.json`, encodeRecord(record));
      const reopened = await Repository.open(storage);
      assert.deepEqual(await historyOf(reopened, root, "a"), expected, since);
    }
  });
});

test("history() ends if a layer is later than its snapshot", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    for (let n = 0; n < 30; n++) write(root, `f${n}`, `${n}`);
    for (const text of ["1", "22", "333"]) {
      write(root, "a", text);
      await repository.snapshot(everything(root));
    }
    const expected = await historyOf(repository, root, "a");
    assert.equal(expected.length, 3);
    const [, middle] = await repository.snapshots();
    const old = middle.layers[1];
    const writer = new LayerWriter({
      storage,
      name: "trees/99991231T000000Z-000000.ndjson.zst",
      codec: codecFor("zstd"),
      expected: old.entries,
      isFull: false,
    });
    const objects: ObjectRecord[] = [];
    for await (const part of new LayerReader(storage, old).parts()) {
      objects.push(...part.objects);
      for (const line of part.lines) {
        writer.add({ ...line, since: "99990101T000000Z-000000" });
      }
    }
    const layer = await writer.close(objects, []);
    const record = { ...middle, layers: [middle.layers[0], layer] };
    storage.objects.set(`snapshots/${middle.id}.json`, encodeRecord(record));
    const reopened = await Repository.open(storage);
    assert.deepEqual(await historyOf(reopened, root, "a"), expected);
  });
});
