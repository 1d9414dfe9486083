import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { generator } from "../support/faulty_storage.ts";
import { play, playAll } from "../support/schedule.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, noise } from "./helpers.ts";

const NOW = { grace: 0, patience: 0 };

type Work = (repository: Repository, stage: Stage) => Promise<unknown>;

const snapshot: Work = (repository, { root }) =>
  repository.snapshot(everything(root), { volumeSize: 4096 });
const prune: Work = (repository) => repository.prune({ last: 1 }, NOW);
const forgetLatest: Work = async (repository, { states }) => {
  await repository.forget([...states.keys()].at(-1)!);
  await repository.prune({}, NOW);
};
const undelete: Work = async (repository) => {
  for (const { id } of await repository.removed()) {
    await repository.undelete(id);
  }
};

/** Returns a storage that has no space until something is deleted. */
function full(storage: Storage): Storage {
  let isFull = true;
  return {
    location: storage.location,
    get: (name, options) => storage.get(name, options),
    list: (prefix) => storage.list(prefix),
    put: async (name, source, options) => {
      if (isFull) {
        const cause = Object.assign(new Error("full"), { code: "ENOSPC" });
        throw new DeltarError("io", "full", { object: name, cause });
      }
      await storage.put(name, source, options);
    },
    delete: async (name) => {
      isFull = false;
      await storage.delete(name);
    },
  };
}
const pruneFull: Work = async ({ storage }) =>
  (await Repository.open(full(storage))).prune({ last: 1 }, NOW);

/**
 * The operations that run at the same time. The first one has the oldest ids.
 */
const SCENARIOS: Readonly<Record<string, Work[]>> = {
  "a prune and a snapshot": [prune, snapshot],
  "a prune without space [S11] and a snapshot": [pruneFull, snapshot],
  "the parent's removal, purged at once, and a snapshot": [
    forgetLatest,
    snapshot,
  ],
  "a prune and bringing back what it purges": [prune, undelete],
  "the parent's removal, bringing it back, and a snapshot": [
    forgetLatest,
    undelete,
    snapshot,
  ],
};

interface Stage {
  folder: string;
  root: string;
  objects: Map<string, Uint8Array>;
  states: Map<string, unknown>;
  now: unknown;
}

/**
 * Makes three snapshots, removes one, and leaves the objects of an interrupted
 * run.
 */
async function prepare(folder: string): Promise<Stage> {
  const root = join(folder, "root");
  fs.mkdirSync(root);
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage);
  const states = new Map<string, unknown>();
  for (let at = 0; at < 3; at++) {
    fs.writeFileSync(join(root, "a"), noise(1500, at + 1));
    fs.writeFileSync(join(root, `b${at}`), noise(1500, at + 10));
    fs.rmSync(join(root, `b${at - 1}`), { force: true });
    roundTimes(root);
    const { record } = await repository.snapshot(everything(root));
    states.set(record.id, stateOf(root));
    if (at === 0) await repository.forget(record);
  }
  for (let at = 0; at < 6; at++) {
    fs.writeFileSync(join(root, `c${at}`), noise(3000, at + 20));
  }
  // This file is larger than a frame, so the frames before it are already
  // stored.
  fs.writeFileSync(join(root, "d"), noise(40_000, 30));
  fs.writeFileSync(join(root, "e"), noise(3000, 31));
  roundTimes(root);
  const stop = new AbortController();
  const cut = repository.snapshot(everything(root), {
    volumeSize: 4096,
    signal: stop.signal,
    onProgress: ({ path }) => path === "e" && stop.abort(),
  });
  await assert.rejects(cut, { code: "aborted" });
  const { objects } = storage;
  const left = [...objects.keys()].filter((name) =>
    name.startsWith("checkpoints/")
  );
  assert.ok(left.length > 0);
  return { folder, root, objects, states, now: stateOf(root) };
}

test("prune() does not report objects that are stored during the prune as missing [S19]", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    const inner = new MemoryStorage();
    const writer = await Repository.create(inner);
    const take = async (seed: number) => {
      fs.writeFileSync(join(root, `${seed}`), noise(9000, seed));
      return (await writer.snapshot(everything(root))).record;
    };
    await take(1);
    let taken: string | undefined;
    const storage: Storage = {
      location: "memory",
      get: (name, options) => inner.get(name, options),
      put: (name, source, options) => inner.put(name, source, options),
      delete: (name) => inner.delete(name),
      async *list(prefix) {
        yield* inner.list(prefix);
        // The volumes are already listed, and the records are not read yet.
        if (prefix === "moves/") taken ??= (await take(2)).id;
      },
    };
    const repository = await Repository.open(storage);
    const { missing } = await repository.prune({}, NOW);
    assert.ok(taken !== undefined);
    assert.deepEqual(missing, []);
    // A lost object is still reported.
    const name = [...inner.objects.keys()].find((name) =>
      name === `volumes/${taken}.vol0.tar.zst`
    )!;
    inner.objects.delete(name);
    assert.deepEqual((await repository.prune({}, NOW)).missing, [name]);
  });
});

let plays = 0;

/** Runs one schedule, and checks the result. */
async function playOne(
  stage: Stage,
  works: readonly Work[],
  choose: (enabled: number[], step: number) => number,
) {
  const { folder, objects, states, now } = stage;
  const clock = Date.now;
  const chance = Math.random;
  const time = clock() + 60_000;
  Date.now = () => time;
  let calls = 0;
  Math.random = () => ++calls / 4096;
  try {
    const played = await play(
      objects,
      works.map((work) => async (storage: Storage) =>
        work(await Repository.open(storage), stage)
      ),
      choose,
    );
    const what = played.steps.map(({ taken }) => taken).join("");
    for (const [at, outcome] of played.outcomes.entries()) {
      if (outcome.status === "fulfilled") continue;
      // A snapshot that another run removed cannot be brought back or found any
      // more. Everything else succeeds.
      const { code } = outcome.reason as DeltarError;
      assert.ok(
        works[at] === undelete && code === "not-found" ||
          code === "conflict",
        `${what}: ${(outcome.reason as Error).stack}`,
      );
    }
    const repository = await Repository.open(played.storage);
    const { damage, unrecorded } = await repository.verify({ data: true });
    assert.deepEqual(damage, [], what);
    assert.ok(unrecorded.every(({ wasThere }) => !wasThere), what);
    // Every byte is compared with its SHA-256. Only some snapshots are restored
    // to the disk.
    const isShown = plays++ % 16 === 0;
    for (const record of isShown ? await repository.snapshots() : []) {
      const target = join(folder, "restored");
      const { failed } = await repository.restore(record, target);
      assert.deepEqual(failed, [], what);
      assert.deepEqual(stateOf(target), states.get(record.id) ?? now, what);
      fs.rmSync(target, { recursive: true });
    }
    const at = works.indexOf(snapshot);
    if (at >= 0 && played.outcomes[at].status === "fulfilled") {
      const records = await repository.snapshots();
      assert.ok(records.some(({ id }) => !states.has(id)), what);
    }
    return played;
  } finally {
    Date.now = clock;
    Math.random = chance;
  }
}

for (const [name, works] of Object.entries(SCENARIOS)) {
  test(`interleaved: ${name}, in every order with few switches`, async () => {
    await withTemp(async (folder) => {
      const stage = await prepare(folder);
      for (const first of works.keys()) {
        // One operation is stopped at a certain step until the others have
        // ended.
        const stride = process.env.SLOW || works.length === 2 ? 1 : 4;
        for (let stop = 0;; stop += stride) {
          let done = 0;
          const { steps } = await playOne(stage, works, (enabled) => {
            if (enabled.includes(first) && done < stop) {
              done++;
              return first;
            }
            return enabled.find((at) => at !== first) ?? first;
          });
          if (steps.filter(({ taken }) => taken === first).length < stop) break;
        }
      }
    });
  });

  test(`interleaved: ${name}, in random orders`, async () => {
    await withTemp(async (folder) => {
      const stage = await prepare(folder);
      for (let seed = 1; seed <= (process.env.SLOW ? 500 : 5); seed++) {
        const random = generator(seed);
        await playOne(
          stage,
          works,
          (enabled) => enabled[Math.floor(random() * enabled.length)],
        );
      }
    });
  });

  test(`interleaved: ${name}, in every order`, async () => {
    await withTemp(async (folder) => {
      const stage = await prepare(folder);
      const most = process.env.SLOW
        ? Number(process.env.SCHEDULES ?? 20_000)
        : 12;
      const { played, isAll } = await playAll(
        (choose) => playOne(stage, works, choose),
        most,
      );
      if (process.env.SLOW) console.log(`${name}: ${played}, all: ${isAll}`);
      assert.ok(isAll || played === most);
    });
  });
}
