import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  failAt,
  FaultyStorage,
  isInjected,
} from "../support/faulty_storage.ts";
import { hooked } from "../support/hooked.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, later, noise } from "./helpers.ts";

/** Makes a repository with three snapshots of a directory that changed. */
async function makeLife(folder: string) {
  const root = join(folder, "root");
  fs.mkdirSync(root);
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage);
  const states: Record<string, unknown> = {};
  for (let at = 0; at < 3; at++) {
    fs.writeFileSync(join(root, `new${at}`), noise(20_000, at + 1));
    if (at === 0) fs.writeFileSync(join(root, "large"), noise(1_200_000, 9));
    else fs.appendFileSync(join(root, "large"), `more ${at}`);
    roundTimes(root);
    const { record } = await repository.snapshot(everything(root), {
      volumeSize: 300_000,
    });
    states[record.id] = stateOf(root);
  }
  return { storage, repository, states };
}

/** Compares the restored states of all snapshots with the expected states. */
async function restores(
  repository: Repository,
  states: Record<string, unknown>,
  folder: string,
): Promise<void> {
  const records = await repository.snapshots();
  assert.deepEqual(records.map(({ id }) => id), Object.keys(states));
  for (const record of records) {
    const target = join(folder, "restored");
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual(stateOf(target), states[record.id]);
    fs.rmSync(target, { recursive: true });
  }
  const { damage } = await repository.verify({ data: true });
  assert.deepEqual(damage, []);
}

test("copyTo() copies snapshots exactly, and stores only new objects", async () => {
  await withTemp(async (folder) => {
    const { repository, states } = await makeLife(folder);
    const [first, second, third] = await repository.snapshots();
    const target = new LocalStorage(join(folder, "copy"));
    const copy = await Repository.create(target);
    const none = { copied: [], present: [], objects: 0, bytes: 0 };
    assert.deepEqual(await repository.copyTo(copy, []), none);
    const totals = new Set<number | undefined>();
    const once = await repository.copyTo(copy, [second], {
      onProgress: ({ allBytes }) => totals.add(allBytes),
    });
    assert.deepEqual(once.copied, [second.id]);
    assert.deepEqual([...totals], [once.bytes]);
    await repository.label(third, "named later");
    const all = [third, second, first];
    const more = await repository.copyTo(copy, all);
    assert.deepEqual(more.copied, [first.id, third.id]);
    assert.deepEqual(more.present, [second.id]);
    assert.ok(more.bytes < once.bytes / 2);
    const again = await repository.copyTo(copy, all);
    assert.deepEqual(again, {
      ...none,
      present: [first.id, second.id, third.id],
    });
    await restores(copy, states, folder);
    assert.equal((await copy.find("latest")).label, "named later");
    const running = await Array.fromAsync(target.list("running/"));
    assert.deepEqual(running, []);
  });
});

test("copyTo() copies neither a damaged object nor its snapshot", async () => {
  await withTemp(async (folder) => {
    const { storage, repository } = await makeLife(folder);
    const [first, second] = await repository.snapshots();
    const volume = [...storage.objects.keys()]
      .find((name) => name.startsWith(`volumes/${second.id}`))!;
    storage.objects.get(volume)![10] ^= 1;
    const target = new MemoryStorage();
    const copy = await Repository.create(target);
    await assert.rejects(repository.copyTo(copy, [first, second]), {
      code: "corrupt",
      object: volume,
    });
    assert.deepEqual(await copy.snapshots(), [first]);
    assert.ok(!target.objects.has(volume));
  });
});

test("copyTo() does not treat another snapshot with the same id as a copy", async () => {
  await withTemp(async (folder) => {
    const { repository, storage } = await makeLife(folder);
    const [record] = await repository.snapshots();
    const target = new MemoryStorage();
    const copy = await Repository.create(target);
    const name = `snapshots/${record.id}.json`;
    const other = new TextDecoder().decode(storage.objects.get(name))
      .replace("root", "rOOt");
    target.objects.set(name, new TextEncoder().encode(other));
    await assert.rejects(repository.copyTo(copy, [record]), {
      code: "mismatch",
    });
  });
});

test("copyTo() that fails at any operation leaves nothing incomplete, and the next call continues", async () => {
  await withTemp(async (folder) => {
    const { repository, storage, states } = await makeLife(folder);
    const records = await repository.snapshots();
    for (const side of ["source", "target"] as const) {
      let operations = Infinity;
      for (let failing = 1; failing <= operations; failing += 3) {
        const target = new MemoryStorage();
        await Repository.create(target);
        const fault = (["before", "after", "reset"] as const)[failing % 3];
        const plan = failAt(failing, fault);
        const [from, to] = [storage, target].map((inner, at) =>
          (at === 0) === (side === "source")
            ? new FaultyStorage(inner, plan)
            : inner
        );
        try {
          const source = await Repository.open(from);
          await source.copyTo(await Repository.open(to), records);
        } catch (error) {
          assert.ok(isInjected(error), String(error));
        }
        const faulty = (side === "source" ? from : to) as FaultyStorage;
        operations = faulty.operations;
        const again = await Repository.open(target);
        for (const record of await again.snapshots()) {
          const { failed } = await again.restore(record, join(folder, "x"));
          assert.deepEqual(failed, []);
          fs.rmSync(join(folder, "x"), { recursive: true });
        }
        await repository.copyTo(again, records);
        if (failing % 5 === 1) await restores(again, states, folder);
      }
    }
  });
});

/** A directory of large files, whose snapshots share a volume. */
class Shared {
  readonly states: Record<string, unknown> = {};
  readonly repository: Repository;
  readonly #root: string;

  constructor(folder: string, repository: Repository) {
    this.#root = join(folder, "root");
    this.repository = repository;
    fs.mkdirSync(this.#root);
    for (let at = 0; at < 12; at++) {
      fs.writeFileSync(join(this.#root, `${at}`), noise(1_500_000, at));
    }
  }

  /** Takes a snapshot after files with these names were deleted. */
  async take(
    gone: readonly (number | string)[],
    added: string,
  ): Promise<string> {
    for (const at of gone) fs.rmSync(join(this.#root, `${at}`));
    fs.writeFileSync(join(this.#root, added), added);
    roundTimes(this.#root);
    const { record } = await this.repository.snapshot(everything(this.#root));
    this.states[record.id] = stateOf(this.#root);
    return record.id;
  }

  /**
   * Removes snapshots from a repository for good. Returns the number of
   * repacked volumes.
   */
  static async remove(
    repository: Repository,
    ids: readonly string[],
  ): Promise<number> {
    for (const id of ids) await repository.forget(id);
    const now = { grace: 0, patience: 4 };
    return (await repository.prune({}, now)).repacked;
  }
}

test("copyTo() copies repacked volumes with all snapshots that need them", async () => {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    const shared = new Shared(folder, await Repository.create(storage));
    const { repository, states } = shared;
    const target = await Repository.create(new MemoryStorage());
    const copy = async () => {
      await repository.copyTo(target, await repository.snapshots());
      await restores(target, states, folder);
    };
    const first = await shared.take([], "a");
    const second = await shared.take([0, 1, 2, 3, 4, 5, 6], "b");
    await shared.take([], "c");
    assert.equal(await Shared.remove(repository, [first]), 1);
    delete states[first];
    await copy();
    // The volume is repacked a second time. The target has the earlier volume.
    await shared.take([7, 8, 9], "d");
    const gone = [second, Object.keys(states)[1]];
    assert.equal(await Shared.remove(repository, gone), 1);
    await shared.take([], "e");
    await copy();
    await copy();
  });
});

test("copyTo() uses volumes that the target repacked", async () => {
  await withTemp(async (folder) => {
    const source = new MemoryStorage();
    const shared = new Shared(folder, await Repository.create(source));
    const { repository, states } = shared;
    const storage = new MemoryStorage();
    const target = await Repository.create(storage);
    const first = await shared.take([], "a");
    const second = await shared.take([0, 1, 2, 3, 4, 5, 6], "b");
    await repository.copyTo(target, await repository.snapshots());
    // Both repositories repack the volume. The source keeps less than the
    // target.
    assert.equal(await Shared.remove(target, [first]), 1);
    await shared.take([7, 8, 9], "c");
    assert.equal(await Shared.remove(repository, [first, second]), 1);
    delete states[first];
    const before = [...storage.objects.keys()];
    await shared.take([], "d");
    await repository.copyTo(target, await repository.snapshots());
    await restores(target, states, folder);
    const added = [...storage.objects]
      .filter(([name]) => !before.includes(name));
    assert.ok(added.every(([, { length }]) => length < 100_000));
    await target.prune({}, { grace: 0, patience: 4 });
    await restores(target, states, folder);
  });
});

test("copyTo() names a volume of which the target keeps other parts", async () => {
  await withTemp(async (folder) => {
    const shared = new Shared(
      folder,
      await Repository.create(new MemoryStorage()),
    );
    const { repository, states } = shared;
    const target = await Repository.create(new MemoryStorage());
    const first = await shared.take([], "a");
    const second = await shared.take([0, 1, 2, 3, 4, 5, 6], "b");
    const third = await shared.take([7, 8, 9], "c");
    const records = await repository.snapshots();
    await repository.copyTo(target, [records[0], records[2]]);
    assert.equal(await Shared.remove(target, [first]), 1);
    assert.equal(await Shared.remove(repository, [first]), 1);
    await assert.rejects(repository.copyTo(target, [records[1]]), {
      code: "mismatch",
      message: /copy into another repository/,
    });
    await restores(target, { [third]: states[third] }, folder);
    await restores(repository, {
      [second]: states[second],
      [third]: states[third],
    }, folder);
  });
});

test("copyTo() fails if the target is pruned before the intent is stored", async () => {
  await withTemp(async (folder) => {
    const shared = new Shared(
      folder,
      await Repository.create(new MemoryStorage()),
    );
    const { repository, states } = shared;
    const storage = new MemoryStorage();
    const target = await Repository.create(storage);
    const first = await shared.take([], "a");
    const second = await shared.take([0, 1, 2, 3, 4, 5, 6], "b");
    const third = await shared.take([7, 8, 9], "c");
    const records = await repository.snapshots();
    await repository.copyTo(target, [records[0], records[2]]);
    let repacked: Promise<number> | undefined;
    const slow = hooked(storage, {
      beforePut: async (name) => {
        if (!name.startsWith("running/")) return;
        await (repacked ??= Shared.remove(target, [first]));
      },
    });
    await assert.rejects(
      repository.copyTo(await Repository.open(slow), [records[1]]),
      { code: "conflict" },
    );
    assert.equal(await repacked, 1);
    await repository.copyTo(target, [records[1]]);
    const expected = { [second]: states[second], [third]: states[third] };
    await restores(target, expected, folder);
    await target.prune({}, { grace: 0, patience: 4 });
    await restores(target, expected, folder);
  });
});

test("a copy ends if a prune of the source deletes a move that it needs", async () => {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    const shared = new Shared(folder, await Repository.create(storage));
    const { repository } = shared;
    const target = new MemoryStorage();
    await Repository.create(target);
    const first = await shared.take([], "a");
    const second = await shared.take([0, 1, 2, 3, 4, 5, 6], "b");
    await shared.take(["a", 7, 8, 9, 10, 11], "c");
    assert.equal(await Shared.remove(repository, [first]), 1);
    const [record] = await repository.snapshots();
    let isPruned = false;
    const slow = hooked(target, {
      afterPut: async (name) => {
        if (!name.startsWith("volumes/") || isPruned) return;
        isPruned = true;
        await Shared.remove(repository, [second]);
      },
    });
    await assert.rejects(
      repository.copyTo(await Repository.open(slow), [record]),
      { code: "conflict", message: /deleted the move of this volume/ },
    );
    assert.ok(isPruned);
    await restores(await Repository.open(target), {}, folder);
  });
});

test("a copy that was suspended for days does not store a record without objects", async () => {
  await withTemp(async (folder) => {
    const { repository, states } = await makeLife(folder);
    const storage = new MemoryStorage();
    const target = await Repository.create(storage);
    const prune = () => target.prune({}, { grace: 0, patience: 4 });
    const slow = hooked(storage, {
      beforePut: async (name) => {
        if (!name.startsWith("snapshots/")) return;
        await prune();
        const { dead } = await later(24 * 3600 + 60, prune);
        assert.equal(dead.length, 1);
      },
    });
    const records = await repository.snapshots();
    await assert.rejects(
      repository.copyTo(await Repository.open(slow), records),
      { code: "conflict" },
    );
    await restores(target, {}, folder);
    await repository.copyTo(target, records);
    await restores(target, states, folder);
  });
});
