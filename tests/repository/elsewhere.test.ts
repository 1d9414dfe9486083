import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, noise } from "./helpers.ts";

const NOW = { grace: 0, patience: 4 };

/** Several directories with one repository. */
class Places {
  readonly folder: string;
  readonly storage = new MemoryStorage();
  readonly states = new Map<string, unknown>();
  repository!: Repository;

  constructor(folder: string) {
    this.folder = folder;
  }

  write(directory: string, name: string, bytes: Uint8Array): void {
    fs.mkdirSync(join(this.folder, directory), { recursive: true });
    fs.writeFileSync(join(this.folder, directory, name), bytes);
  }

  async take(
    directory: string,
    repository: Repository = this.repository,
  ): Promise<SnapshotRecord> {
    const root = join(this.folder, directory);
    roundTimes(root);
    const { record } = await repository.snapshot(everything(root));
    this.states.set(record.id, stateOf(root));
    return record;
  }

  /** Checks that every snapshot restores its state. */
  async check(): Promise<void> {
    const { damage } = await this.repository.verify({ data: true });
    assert.deepEqual(damage, []);
    for (const record of await this.repository.snapshots()) {
      const target = join(this.folder, "restored");
      const { failed } = await this.repository.restore(record, target);
      assert.deepEqual(failed, []);
      assert.deepEqual(stateOf(target), this.states.get(record.id));
      fs.rmSync(target, { recursive: true });
    }
  }
}

function withPlaces(work: (places: Places) => Promise<void>): Promise<void> {
  return withTemp(async (folder) => {
    const places = new Places(folder);
    places.repository = await Repository.create(places.storage);
    await work(places);
  });
}

test("the first snapshot of a directory reuses equal files of other directories [S6]", async () => {
  await withPlaces(async (places) => {
    const large = noise(3_000_000, 1);
    const small = noise(30_000, 2);
    for (const directory of ["one", "two", "three", "four"]) {
      places.write(directory, `large of ${directory}`, large);
      places.write(directory, "same", small);
      places.write(directory, "again", small);
      places.write(directory, "empty", new Uint8Array());
      places.write(directory, "own", noise(2000, directory.length + 10));
      const { counts } = await places.take(directory);
      if (directory === "one") assert.ok(counts.stored > 3_000_000);
      else assert.ok(counts.stored < 6000, `${directory}: ${counts.stored}`);
      assert.equal(counts.created, 5);
      assert.equal(counts.copied, 0);
    }
    await places.check();
    // The next snapshots have deltas, also of reused content.
    large[1_000_000]++;
    small[5000]++;
    places.write("four", "large of four", large);
    places.write("four", "same", small);
    const { counts } = await places.take("four");
    assert.ok(counts.stored < 10_000, `${counts.stored}`);
    await places.check();
    // Reused content can be a chain of deltas, too.
    places.write("five", "large", large);
    places.write("five", "small", small);
    assert.ok((await places.take("five")).counts.stored < 2000);
    await places.check();
    // The original directories are removed.
    for (const { id, directory } of await places.repository.snapshots()) {
      if (!directory.endsWith("five")) await places.repository.forget(id);
    }
    await places.repository.prune({}, NOW);
    await places.check();
    assert.equal((await places.repository.snapshots()).length, 1);
    const copy = await Repository.create(new MemoryStorage());
    await places.repository.copyTo(copy, await places.repository.snapshots());
    assert.deepEqual((await copy.verify({ data: true })).damage, []);
  });
});

test("the second snapshot of a directory reads no other directory [S6]", async () => {
  await withPlaces(async (places) => {
    places.write("one", "file", noise(3000, 1));
    const { id } = await places.take("one");
    places.write("two", "file", noise(3000, 2));
    await places.take("two");
    places.write("two", "more", noise(3000, 3));
    const read: string[] = [];
    const { storage } = places;
    const watched: Storage = {
      location: "memory",
      get: (name, options) => {
        read.push(name);
        return storage.get(name, options);
      },
      put: (name, source, options) => storage.put(name, source, options),
      list: (prefix) => storage.list(prefix),
      delete: (name) => storage.delete(name),
    };
    await places.take("two", await Repository.open(watched));
    assert.ok(!read.some((name) => name.startsWith(`trees/${id}`)));
  });
});

test("the first snapshot ignores a damaged tree of another directory [S6]", async () => {
  await withPlaces(async (places) => {
    places.write("one", "file", noise(3000, 1));
    await places.take("one");
    const name = [...places.storage.objects.keys()]
      .find((name) => name.startsWith("trees/"))!;
    places.storage.objects.get(name)![9] ^= 1;
    places.write("two", "file", noise(3000, 1));
    const { counts } = await places.take("two");
    assert.ok(counts.stored > 3000);
  });
});

test("reused content is not deleted in the meantime, or the snapshot starts again [S6]", async () => {
  // The snapshots of the other directory are purged at each operation of the
  // first snapshot.
  for (let stop = 1;; stop++) {
    let isOver = false;
    await withPlaces(async (places) => {
      const { storage } = places;
      places.write("one", "file", noise(3000, 1));
      const first = await places.take("one");
      places.write("one", "more", noise(3000, 2));
      await places.take("one");
      fs.rmSync(join(places.folder, "one/file"));
      fs.rmSync(join(places.folder, "one/more"));
      let operations = 0;
      const step = async () => {
        if (++operations !== stop) return;
        places.write("one", "last", noise(100, 3));
        await places.take("one");
        for (const { id, directory } of await places.repository.snapshots()) {
          const isLast = places.states.size > 2 &&
            id === [...places.states.keys()].at(-1);
          if (directory.endsWith("one") && !isLast) {
            await places.repository.forget(id);
          }
        }
        await places.repository.prune({}, NOW);
      };
      const watched: Storage = {
        location: "memory",
        async *get(name, options) {
          await step();
          yield* storage.get(name, options);
        },
        async put(name, source, options) {
          await step();
          await storage.put(name, source, options);
        },
        async *list(prefix) {
          await step();
          yield* storage.list(prefix);
        },
        async delete(name) {
          await step();
          await storage.delete(name);
        },
      };
      places.write("two", "file", noise(3000, 1));
      places.write("two", "more", noise(3000, 2));
      const repository = await Repository.open(watched);
      operations = 0;
      const record = await places.take("two", repository);
      isOver = operations < stop;
      await places.check();
      const ids = (await places.repository.snapshots()).map(({ id }) => id);
      assert.ok(ids.includes(record.id));
      if (!isOver) assert.ok(!ids.includes(first.id));
      const running = [...storage.objects.keys()]
        .filter((name) => name.startsWith("running/"));
      assert.deepEqual(running, []);
    });
    if (isOver) {
      assert.ok(stop > 10, `${stop}`);
      break;
    }
  }
});
