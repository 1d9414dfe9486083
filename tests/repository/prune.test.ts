import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newId } from "../../lib/repository/format/names.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { Run } from "../../lib/repository/runs/run.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../lib/storage/max_requests.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { owner } from "../../lib/storage/temporary.ts";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import type { PruneProgress } from "../../lib/repository/prune/prune.ts";
import { FaultyStorage, isInjected } from "../support/faulty_storage.ts";
import { hooked } from "../support/hooked.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, later, noise } from "./helpers.ts";

const DAY = 24 * 3600;
const NOW = { grace: 0, patience: 4 };

/** A directory with snapshots, each with the state that it must restore to. */
class History {
  readonly folder: string;
  readonly root: string;
  readonly storage = new MemoryStorage();
  readonly taken: { record: SnapshotRecord; state: unknown }[] = [];
  repository!: Repository;

  constructor(folder: string) {
    this.folder = folder;
    this.root = join(folder, "root");
    fs.mkdirSync(this.root);
  }

  static async create(folder: string): Promise<History> {
    const history = new History(folder);
    history.repository = await Repository.create(history.storage);
    return history;
  }

  write(name: string, size: number, seed: number): void {
    fs.writeFileSync(join(this.root, name), noise(size, seed));
  }

  async take(label?: string, volumeSize?: number): Promise<SnapshotRecord> {
    roundTimes(this.root);
    const { record } = await this.repository.snapshot(everything(this.root), {
      label,
      volumeSize: volumeSize ?? 1 << 16,
    });
    this.taken.push({ record, state: stateOf(this.root) });
    return record;
  }

  /** Checks that every existing snapshot restores its state. */
  async check(repository: Repository = this.repository): Promise<void> {
    const { damage } = await repository.verify({ data: true });
    assert.deepEqual(damage, []);
    for (const record of await repository.snapshots()) {
      const target = join(this.folder, "restored");
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed, []);
      const { state } = this.taken.find(({ record: { id } }) =>
        id === record.id
      )!;
      assert.deepEqual(stateOf(target), state, record.id);
      fs.rmSync(target, { recursive: true });
    }
  }

  names(prefix = ""): string[] {
    return [...this.storage.objects.keys()].filter((name) =>
      name.startsWith(prefix)
    ).sort();
  }
}

function withHistory(
  work: (history: History) => Promise<void>,
): Promise<void> {
  return withTemp(async (folder) => work(await History.create(folder)));
}

test("a removed snapshot can be brought back, byte for byte, until it is purged", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take("first");
    history.write("a", 3000, 2);
    await history.take();
    const before = new Map(storage.objects);
    await repository.forget(first);
    await repository.forget(first);
    assert.equal((await repository.snapshots()).length, 1);
    const [removed] = await repository.removed();
    assert.deepEqual(removed.record, first);
    assert.equal(removed.reason, "forgotten");
    await repository.prune({}, { patience: 4 });
    assert.equal((await repository.removed()).length, 1);
    await repository.undelete(first.id);
    await repository.undelete(first.id);
    assert.deepEqual(storage.objects, before);
    await history.check();

    await repository.forget(first.id);
    const { purged, deleted } = await repository.prune({}, NOW);
    assert.deepEqual(purged, [first.id]);
    assert.ok(deleted >= 2);
    await assert.rejects(repository.undelete(first.id), { code: "not-found" });
    await assert.rejects(repository.forget(first.id), { code: "not-found" });
    await history.check();
  });
});

test("prune() with an empty policy, or with nothing to do, changes nothing", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    for (const seed of [1, 2, 3]) {
      history.write("a", 3000, seed);
      await history.take();
    }
    const before = new Map(storage.objects);
    for (const options of [{}, NOW]) {
      const result = await repository.prune({}, options);
      assert.ok(result.judgements.every(({ keep }) => keep));
      assert.deepEqual(storage.objects, before);
    }
    const plan = await repository.planPrune({ last: 1 });
    assert.deepEqual(storage.objects, before);
    assert.deepEqual(plan.judgements.map(({ keep }) => keep), [
      false,
      false,
      true,
    ]);
    assert.ok(plan.frees.size === 2 && plan.freed > 0);
  });
});

test("prune() removes what planPrune() listed", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    for (let at = 0; at < 8; at++) {
      history.write("changes", 20_000, at + 1);
      history.write(`new${at}`, 5_000, at + 50);
      if (at > 3) fs.rmSync(join(history.root, `new${at - 3}`));
      await history.take();
    }
    const plan = await repository.planPrune({ last: 2 });
    const result = await repository.prune({ last: 2 }, NOW);
    assert.deepEqual(result.judgements, plan.judgements);
    assert.equal(result.purged.length, 6);
    // A repacked volume has a new end, which is a frame of some bytes.
    assert.ok(Math.abs(result.freed - plan.freed) < 64 * (result.repacked + 1));
    let sum = 0;
    for (const bytes of plan.frees.values()) sum += bytes;
    assert.equal(sum, plan.freed);
    await history.check();
  });
});

test("prune() repacks a volume that is mostly unneeded, and all snapshots remain readable", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    // Each file is larger than a frame, so each has its own frames.
    for (let at = 0; at < 4; at++) history.write(`${at}`, 1_400_000, at + 1);
    history.write("small", 20_000, 9);
    const first = await history.take(undefined, 1 << 26);
    for (const name of ["0", "2", "3"]) fs.rmSync(join(history.root, name));
    fs.appendFileSync(join(history.root, "1"), "more");
    await history.take();
    const old = history.names("volumes/");
    await repository.forget(first);
    const result = await repository.prune({}, NOW);
    assert.ok(result.repacked > 0, "repacked");
    assert.equal(history.names("moves/").length, result.repacked);
    assert.ok(history.names("volumes/").some((name) => !old.includes(name)));
    assert.deepEqual(history.names("running/"), []);
    assert.deepEqual(history.names("lease/"), []);
    await history.check();
    // The next snapshot reads old content through the move to make deltas.
    for (const name of ["1", "small"]) {
      fs.appendFileSync(join(history.root, name), "more");
    }
    const third = await history.take();
    assert.ok(third.counts.stored < 50_000, `${third.counts.stored}`);
    await history.check();

    // The volume can be moved a second time.
    fs.rmSync(join(history.root, "1"));
    await history.take();
    for (const { id } of (await repository.snapshots()).slice(0, -1)) {
      await repository.forget(id);
    }
    const moves = history.names("moves/").length;
    await repository.prune({}, NOW);
    assert.ok(history.names("moves/").length > moves);
    await history.check();
    await history.check(await Repository.open(storage));

    // When nothing needs the volume any more, the moves are deleted, too.
    for (const name of fs.readdirSync(history.root)) {
      fs.rmSync(join(history.root, name));
    }
    await history.take("empty");
    await repository.prune({ last: 1 }, NOW);
    await repository.prune({ last: 1 }, NOW);
    assert.deepEqual(history.names("moves/"), []);
    assert.deepEqual(history.names("volumes/"), []);
    await history.check();
  });
});

test("prune() does not repack a damaged volume, and reports it", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    for (let at = 0; at < 3; at++) history.write(`${at}`, 1_400_000, at + 1);
    const first = await history.take(undefined, 1 << 26);
    for (let at = 1; at < 3; at++) fs.rmSync(join(history.root, `${at}`));
    await history.take();
    await repository.forget(first);
    const [volume] = history.names("volumes/");
    const bytes = storage.objects.get(volume)!;
    bytes[bytes.length >> 1] ^= 1;
    const result = await repository.prune({}, NOW);
    assert.deepEqual(result.damaged, [volume]);
    assert.equal(result.repacked, 0);
    assert.deepEqual(history.names("moves/"), []);
    assert.ok(storage.objects.has(volume));
  });
});

test("prune() deletes nothing as long as the needed objects are not known", async () => {
  for (const prefix of ["snapshots/", "trees/"]) {
    await withHistory(async (history) => {
      const { repository, storage } = history;
      history.write("a", 3000, 1);
      await history.take();
      history.write("a", 3000, 2);
      await history.take();
      history.write("b", 3000, 3);
      const gone = await history.take();
      await repository.forget(gone);
      const [name] = history.names(prefix);
      storage.objects.get(name)![9] ^= 1;
      const before = history.names();
      await assert.rejects(repository.prune({}, NOW), {
        name: "DeltarError",
        object: name,
      });
      assert.deepEqual(history.names(), before);
      // A snapshot that cannot be read can be removed by its id.
      if (prefix === "snapshots/") {
        await repository.forget(name.slice(prefix.length, -".json".length));
        await repository.prune({}, NOW);
        assert.equal((await repository.snapshots()).length, 1);
        await history.check();
      }
    });
  }
});

test("garbage waits for its grace period, and is then checked again", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    await history.take();
    const left = "volumes/20200101T000000Z-000000.vol0.tar.zst";
    storage.objects.set(left, new Uint8Array(100));
    for (const day of [0, 3, 6]) {
      const { waiting, deleted } = await later(day * DAY, async () => {
        fs.appendFileSync(join(history.root, "a"), "x");
        await history.take();
        return await repository.prune({}, { patience: 4 });
      });
      assert.deepEqual([waiting.objects, deleted], [1, 0]);
      assert.equal(history.names("garbage/").length, 1);
    }
    await later(8 * DAY, async () => {
      fs.appendFileSync(join(history.root, "a"), "x");
      await history.take();
      const { deleted } = await repository.prune({}, { patience: 4 });
      assert.equal(deleted, 1);
    });
    assert.ok(!storage.objects.has(left));
    assert.deepEqual(history.names("garbage/"), []);
    await history.check();
  });
});

test("prune() does not purge immediately after the clock has jumped", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    await history.take();
    await repository.forget(first);
    // The clock is first set back, and then years ahead.
    await later(-400 * DAY, () => repository.prune({}, { patience: 4 }));
    const leap = await later(
      4000 * DAY,
      () => repository.prune({}, { patience: 4 }),
    );
    assert.ok(leap.isClockDoubted);
    assert.deepEqual(leap.purged, []);
    assert.equal((await repository.removed()).length, 1);
    await repository.undelete(first.id);
    await history.check();
  });
});

test("a size limit removes snapshots, but never the last one", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    const size = () =>
      [...storage.objects.values()].reduce(
        (sum, { length }) => sum + length,
        0,
      );
    for (let at = 0; at < 10; at++) {
      history.write("a", 10_000, at + 1);
      await history.take(at === 0 ? "kept" : undefined);
    }
    const roomy = await repository.fit(1_000_000, { patience: 4 });
    assert.deepEqual(roomy.removed, []);
    const fit = await repository.fit(60_000, { patience: 4 });
    assert.equal(fit.after, size());
    assert.ok(fit.after <= 60_000 && fit.after > 40_000, `${fit.after}`);
    assert.ok(fit.removed.length >= 4 && fit.removed.length <= 7);
    assert.ok(fit.removed.every(({ label }) => label === undefined));
    await history.check();
    const least = await repository.fit(1, { patience: 4 });
    assert.ok(least.after > 1);
    const [last, ...none] = await repository.snapshots();
    assert.equal(last.id, history.taken.at(-1)!.record.id);
    assert.deepEqual(none, []);
    await history.check();

    assert.equal(await repository.maxSize(), undefined);
    await repository.setMaxSize(5000);
    await later(-DAY, () => repository.setMaxSize(6000));
    assert.equal(await repository.maxSize(), 6000);
    await repository.setMaxSize(undefined);
    assert.equal(await repository.maxSize(), undefined);
  });
});

test("prune() of a long history reads each layer once", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    for (let at = 0; at < 50; at++) history.write(`${at}`, 100, at + 1);
    for (let at = 0; at < 60; at++) {
      history.write(`${at % 50}`, 100, at + 100);
      await history.take();
    }
    let layers = 0;
    const get = storage.get.bind(storage);
    storage.get = (name, options) => {
      if (name.startsWith("trees/")) layers++;
      return get(name, options);
    };
    await repository.prune({}, NOW);
    assert.equal(layers, history.names("trees/").length);
    await repository.prune({ last: 7 }, NOW);
    await history.check();
    assert.ok(history.names("trees/").length < 20);
  });
});

test("a running prune keeps others from pruning, and an abandoned one is taken over", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    await history.take();
    const lines = '{"format":"deltar-lease","version":1,"holder":"x"}\n';
    storage.objects.set("lease/4.json", new TextEncoder().encode(lines));
    await repository.prune({}, NOW);
    assert.deepEqual(history.names("lease/"), []);
    storage.objects.set("lease/4.json", new TextEncoder().encode(lines));
    // The count changes while another prune watches it.
    const { Heartbeat } = await import(
      "../../lib/repository/runs/heartbeat.ts"
    );
    const pulse = new Heartbeat(storage, "lease/4.json");
    pulse.start(1);
    await assert.rejects(repository.prune({}, { grace: 0, patience: 200 }), {
      code: "exists",
    });
    await pulse.stop();
  });
});

test("prune() does not wait for an ended process of this machine, and reports others", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    await history.take();
    const [, here] = owner().split("-");
    const lease = (process: string) =>
      storage.objects.set(
        "lease/4.json",
        encodeLines("deltar-lease", 1, { holder: "x", process }, []),
      );
    const told: (PruneProgress["waitsFor"])[] = [];
    const prune = (patience: number) =>
      repository.prune({}, {
        grace: 0,
        patience,
        onProgress: ({ waitsFor }) => waitsFor && told.push(waitsFor),
      });
    lease(`p4000000000-${here}`);
    await prune(3_600_000);
    assert.deepEqual(told, []);
    assert.deepEqual(history.names("lease/"), []);
    lease("p4000000000-00000000");
    await prune(4);
    // This process is running, but its number in the lease is that of another
    // machine.
    lease(owner());
    await prune(4);
    assert.deepEqual(told, [
      { ids: ["x"], process: undefined, most: 4 },
      { ids: ["x"], process: Number(owner().slice(1).split("-")[0]), most: 4 },
    ]);
  });
});

test("a tree that outlives its purged snapshot because of a run is not reported as lost", async () => {
  await withTemp(async (folder) => {
    const history = await History.create(folder);
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    let last = first;
    // The loop ends when nothing of the first tree is needed any more.
    for (
      let seed = 2;
      last.layers.some(({ name }) => name === first.layers[0].name);
      seed++
    ) {
      history.write("a", 3000, seed);
      last = await history.take();
    }
    const run = new Run({ storage }, {
      id: newId(Date.now(), Math.random()),
      ground: { layers: first.layers, check: () => Promise.resolve() },
    });
    await run.begin();
    await repository.forget(first);
    const { purged } = await repository.prune({}, NOW);
    assert.deepEqual(purged, [first.id]);
    assert.ok(storage.objects.has(first.layers[0].name));
    await run[Symbol.asyncDispose]();
    const { damage, unrecorded } = await repository.verify();
    assert.deepEqual([damage, unrecorded], [[], []]);
    await repository.prune({}, NOW);
    assert.ok(!storage.objects.has(first.layers[0].name));
    const marks = [...storage.objects.keys()]
      .filter((name) => name.startsWith("garbage/"));
    assert.deepEqual(marks, []);
    await history.check();
  });
});

test("a volume that outlives its purged snapshot is not reported as lost", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 5000, 1);
    history.write("b", 5000, 2);
    const first = await history.take("first", 4096);
    history.write("a", 5000, 3);
    const second = await history.take("second", 4096);
    // The tree of the second snapshot still needs the layer of the first.
    assert.equal(second.layers[0].name, first.layers[0].name);
    const [volume] = history.names(`volumes/${first.id}`);
    const run = new Run({ storage }, {
      id: newId(Date.now(), Math.random()),
      ground: { layers: first.layers, check: () => Promise.resolve() },
    });
    await run.begin();
    await repository.forget(first);
    const { purged } = await repository.prune({}, NOW);
    assert.deepEqual(purged, [first.id]);
    await run[Symbol.asyncDispose]();
    const check = async () => {
      const { damage, unrecorded } = await repository.verify();
      assert.deepEqual([damage, unrecorded], [[], []]);
    };
    await check();
    await repository.prune({}, { ...NOW, grace: DAY * 1000 });
    assert.ok(storage.objects.has(volume));
    await check();
    await repository.prune({}, NOW);
    assert.ok(!storage.objects.has(volume));
    assert.deepEqual(history.names("garbage/"), []);
    await history.check();
  });
});

test("forget() beside a prune that purges the snapshot stores no note again", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    await history.take();
    const slow = hooked(storage, {
      afterDelete: async (name) => {
        if (!name.startsWith("snapshots/")) return;
        const { purged } = await repository.prune({}, NOW);
        assert.deepEqual(purged, [first.id]);
      },
    });
    await (await Repository.open(slow)).forget(first);
    assert.deepEqual(history.names("removed/"), []);
    await repository.prune({}, NOW);
    await history.check();
  });
});

test("a removed record without its layers is reported, and blocks no prune or purge", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    await history.take();
    // `forget` is suspended while a prune and another `forget` do their work.
    const slow = hooked(storage, {
      beforePut: async (name) => {
        if (!name.startsWith("removed/")) return;
        await repository.forget(first);
        await repository.prune({}, NOW);
      },
    });
    await (await Repository.open(slow)).forget(first);
    const note = `removed/${first.id}.json`;
    const layer = first.layers[0].name;
    assert.deepEqual(history.names("removed/"), [note]);
    assert.ok(!storage.objects.has(layer));
    const { damage } = await repository.verify();
    assert.deepEqual(damage.map(({ object }) => object), [layer]);
    assert.match(
      damage[0].message,
      new RegExp(`removed snapshot ${first.id} cannot be brought back`),
    );
    // The removed record itself is undamaged, and the layer may come back.
    await repository.repair();
    assert.deepEqual(history.names("removed/"), [note]);
    await assert.rejects(repository.undelete(first.id), { code: "not-found" });
    await repository.prune({}, { patience: 4 });
    assert.deepEqual(history.names("removed/"), [note]);
    await repository.purge(["b"], { patience: 4, quick: true });
    assert.deepEqual(history.names("removed/"), []);
    await (await Repository.open(slow)).prune({}, NOW);
    await history.check();
  });
});

test("a suspended prune that lost its lease deletes nothing that was stored again", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    for (let file = 0; file < 30; file++) history.write(`${file}`, 3000, file);
    const first = await history.take("", 1 << 12);
    for (let file = 0; file < 30; file++) history.write(`${file}`, 9, file);
    const second = await history.take();
    const storage = new MemoryStorage();
    const target = await Repository.create(storage);
    await repository.copyTo(target, [first, second]);
    await target.forget(first);
    const [suspended, resumed] = [
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
    ];
    let deleted = 0;
    const slow = hooked(storage, {
      beforeDelete: async (name) => {
        if (!name.startsWith("volumes/") || ++deleted <= 3) return;
        // All requests that may be under way at the same time are made.
        if (deleted === 3 + MAX_REQUESTS_AT_ONCE) suspended.resolve();
        await resumed.promise;
      },
    });
    const sleeper = await Repository.open(slow);
    const pruned = assert.rejects(sleeper.prune({}, NOW), { code: "conflict" });
    await suspended.promise;
    await later(60, async () => {
      await target.prune({}, NOW);
      // The requests that were under way reach the storage, and no others.
      resumed.resolve();
      await new Promise((resolve) => setTimeout(resolve));
      const { copied } = await repository.copyTo(target, [first]);
      assert.deepEqual(copied, [first.id]);
      await pruned;
    });
    assert.deepEqual((await target.verify({ data: true })).damage, []);
  });
});

test("a snapshot that is brought back and removed again during a prune keeps its grace period", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    const patience = 4;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    await history.take();
    await repository.forget(first);
    // A snapshot and a prune every day, so that the clock is trusted.
    for (let day = 1; day < 9; day++) {
      history.write("a", 3000, 2 + day);
      await later(day * DAY, async () => {
        await history.take();
        await repository.prune({}, { patience, grace: 30 * DAY * 1000 });
      });
    }
    const slow = hooked(storage, {
      beforePut: async (name) => {
        if (!name.startsWith("garbage/")) return;
        await repository.undelete(first.id);
        await repository.forget(first);
      },
    });
    await later(8.5 * DAY, async () => {
      const pruning = await Repository.open(slow);
      assert.deepEqual((await pruning.prune({}, { patience })).purged, []);
    });
    assert.deepEqual(history.names("removed/"), [`removed/${first.id}.json`]);
    await repository.undelete(first.id);
    await history.check();
  });
});

test("undelete() beside forget() loses no record if a request fails", async () => {
  for (const isLate of [false, true]) {
    await withHistory(async (history) => {
      const { repository, storage } = history;
      history.write("a", 3000, 1);
      const first = await history.take();
      await repository.forget(first);
      const note = `removed/${first.id}.json`;
      let isForgotten = false;
      const forget = async () => {
        await later(1, () => repository.forget(first));
        isForgotten = true;
      };
      const slow = hooked(storage, {
        beforeDelete: async (name) => {
          if (isLate && name === note) await forget();
        },
        afterPut: async (name) => {
          if (!isLate && name.startsWith("snapshots/")) await forget();
        },
      });
      const failing = new FaultyStorage(
        slow,
        ({ name }) =>
          isForgotten && name.startsWith("snapshots/") ? "before" : undefined,
      );
      const undeleted = (await Repository.open(failing)).undelete(first.id);
      if (isLate) await assert.rejects(undeleted, isInjected);
      else await undeleted;
      assert.ok(isForgotten);
      assert.deepEqual(history.names("snapshots/"), []);
      assert.deepEqual(history.names("removed/"), [note]);
      await repository.undelete(first.id);
      await history.check();
    });
  }
});

test("forget() beside undelete() loses no record if a request fails", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    await repository.forget(first);
    const note = `removed/${first.id}.json`;
    let isGone = false;
    const slow = hooked(storage, {
      // The undelete sees the record, and deletes the new removed record.
      beforeDelete: async (name) => {
        if (!name.startsWith("snapshots/")) return;
        await storage.delete(note);
        isGone = true;
      },
    });
    const failing = new FaultyStorage(
      slow,
      ({ kind, name }) =>
        isGone && kind === "get" && name === note ? "before" : undefined,
    );
    await repository.undelete(first.id);
    const forgotten = (await Repository.open(failing)).forget(first);
    await assert.rejects(forgotten, isInjected);
    assert.deepEqual(history.names("snapshots/"), []);
    assert.deepEqual(history.names("removed/"), [note]);
    await repository.undelete(first.id);
    await history.check();
  });
});

test("a snapshot whose undelete() came too late has its whole grace period again", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    await history.take();
    await repository.forget(first);
    const slow = hooked(storage, {
      afterPut: async (name) => {
        if (!name.startsWith("snapshots/")) return;
        // A prune considers the run dead while its record is visible.
        for (const intent of history.names("running/")) {
          await storage.delete(intent);
        }
      },
    });
    for (let day = 1; day < 9; day++) {
      history.write("a", 3000, 2 + day);
      await later(day * DAY, async () => {
        await history.take();
        if (day === 6) {
          const undeleted = (await Repository.open(slow)).undelete(first.id);
          await assert.rejects(undeleted, { code: "conflict" });
        }
        const { purged } = await repository.prune({}, { patience: 4 });
        assert.deepEqual(purged, []);
      });
    }
    await repository.undelete(first.id);
    await history.check();
  });
});

test("undelete() that was suspended for days does not store a purged snapshot", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    const second = await history.take();
    await repository.forget(first);
    const slow = hooked(storage, {
      beforePut: async (name) => {
        if (!name.startsWith("snapshots/")) return;
        await repository.prune({}, NOW);
        const { dead } = await later(
          DAY + 60,
          () => repository.prune({}, NOW),
        );
        assert.equal(dead.length, 1);
      },
    });
    await assert.rejects((await Repository.open(slow)).undelete(first.id), {
      code: "conflict",
    });
    const ids = (await repository.snapshots()).map(({ id }) => id);
    assert.deepEqual(ids, [second.id]);
    assert.deepEqual(history.names("removed/"), []);
    await repository.prune({}, NOW);
    await history.check();
  });
});

test("a prune of a full disk deletes nothing that a copy relies on", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    for (let file = 0; file < 9; file++) history.write(`${file}`, 3000, file);
    const first = await history.take("", 1 << 12);
    for (let file = 0; file < 9; file++) history.write(`${file}`, 9, file);
    const second = await history.take();
    const storage = new MemoryStorage();
    const target = await Repository.create(storage);
    await repository.copyTo(target, [first, second]);
    await target.forget(first);
    const cause = Object.assign(new Error("full"), { code: "ENOSPC" });
    const copied = Promise.withResolvers<void>();
    let deleted = 0;
    let isCopied = false;
    const full = hooked(storage, {
      beforePut: async (name) => {
        await Promise.resolve();
        if (deleted > 0) return;
        throw new DeltarError("io", "no space", { object: name, cause });
      },
      beforeDelete: async (name) => {
        if (name.startsWith("volumes/") && deleted++ > 0) await copied.promise;
      },
      // The first deleted volume makes space for the copy.
      afterDelete: async (name) => {
        if (!name.startsWith("volumes/") || isCopied) return;
        isCopied = true;
        await repository.copyTo(target, [first]);
        copied.resolve();
      },
    });
    await (await Repository.open(full)).prune({}, NOW);
    await copied.promise;
    assert.deepEqual((await target.verify({ data: true })).damage, []);
    assert.equal((await target.snapshots()).length, 2);
    const names = [...storage.objects.keys()];
    assert.deepEqual(names.filter((name) => name.startsWith("garbage/")), []);
  });
});

test("a snapshot that is brought back during a prune is kept", async () => {
  await withHistory(async (history) => {
    const { repository, storage } = history;
    history.write("a", 3000, 1);
    const first = await history.take();
    history.write("a", 3000, 2);
    await history.take();
    await repository.forget(first);
    // The prune reads the records, the removed records and the new records, and
    // does so twice. The snapshot is brought back each time between the first
    // two reads, and removed again before the second time.
    const changes = new Map([
      ["removed/ 1", () => repository.undelete(first.id)],
      ["snapshots/ 3", () => repository.forget(first)],
      ["removed/ 2", () => repository.undelete(first.id)],
    ]);
    const counts = new Map<string, number>();
    const slow: Storage = {
      location: storage.location,
      get: (name, options) => storage.get(name, options),
      put: (name, source, options) => storage.put(name, source, options),
      delete: (name) => storage.delete(name),
      async *list(prefix = "") {
        const count = (counts.get(prefix) ?? 0) + 1;
        counts.set(prefix, count);
        const key = `${prefix} ${count}`;
        await changes.get(key)?.();
        changes.delete(key);
        yield* storage.list(prefix);
      },
    };
    // The prune condemns an object that no snapshot needs, so it reads twice.
    await storage.put(`volumes/${newId(0, 0)}.vol0.tar.zst`, noise(10, 3));
    await (await Repository.open(slow)).prune({}, NOW);
    assert.deepEqual([...changes.keys()], []);
    const ids = (await repository.snapshots()).map(({ id }) => id);
    assert.ok(ids.includes(first.id));
    await history.check();
  });
});
