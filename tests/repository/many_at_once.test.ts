import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import type { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { FaultyStorage, generator } from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, noise } from "./helpers.ts";

const ROUNDS = process.env.SLOW ? 40 : 5;

/**
 * Delays operations by a random number of turns of the event loop, so that they
 * mix.
 */
function jittered(storage: MemoryStorage, seed: number): FaultyStorage {
  const chance = generator(seed);
  return new FaultyStorage(
    storage,
    () => chance() < 0.2 ? "slow" : undefined,
  );
}

test("many concurrent snapshots, removals and prunes on one storage, with clocks that jump, lose nothing", async () => {
  await withTemp(async (folder) => {
    const storage = new MemoryStorage();
    await Repository.create(storage);
    const states = new Map<string, unknown>();
    const clock = Date.now;
    const chance = generator(Number(process.env.SEED ?? 1));
    const pick = <Item>(items: readonly Item[]): Item | undefined =>
      items[Math.floor(chance() * items.length)];

    const write = async (writer: number) => {
      const root = join(folder, `root${writer}`);
      fs.mkdirSync(root);
      const repository = await Repository.open(jittered(storage, writer));
      for (let round = 0; round < ROUNDS; round++) {
        const name = join(root, `${Math.floor(chance() * 6)}`);
        if (chance() < 0.3) fs.rmSync(name, { force: true });
        else {fs.writeFileSync(
            name,
            noise(2000, 1 + Math.floor(chance() * 1e6)),
          );}
        roundTimes(root);
        const stop = new AbortController();
        if (chance() < 0.2) setTimeout(() => stop.abort(), 5 * chance());
        try {
          const { record } = await repository.snapshot(everything(root), {
            volumeSize: 4096,
            signal: stop.signal,
          });
          states.set(record.id, stateOf(root));
        } catch (error) {
          const { code } = error as DeltarError;
          assert.ok(["aborted", "conflict"].includes(code), `${error}`);
        }
      }
    };
    let writing = true;
    const remove = async () => {
      const repository = await Repository.open(jittered(storage, 100));
      while (writing) {
        try {
          const gone = pick(await repository.snapshots());
          if (gone !== undefined) await repository.forget(gone);
          const back = chance() < 0.5 && pick(await repository.removed());
          if (back) await repository.undelete(back.id);
        } catch (error) {
          assert.equal((error as DeltarError).code, "not-found", `${error}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 20 * chance()));
      }
    };
    const prune = async (pruner: number) => {
      const repository = await Repository.open(jittered(storage, pruner));
      while (writing) {
        try {
          const grace = chance() < 0.7 ? 0 : 3_600_000;
          await repository.prune({ last: 3 }, { grace, patience: 40 });
        } catch (error) {
          // Another prune has the lease, took it over, or deleted an object
          // that was being read. The next prune continues.
          const { code } = error as DeltarError;
          const fine = ["exists", "conflict", "not-found"];
          assert.ok(fine.includes(code), (error as Error).stack);
        }
      }
    };
    const jump = async () => {
      while (writing) {
        const offset = (chance() - 0.5) * 4e9;
        Date.now = () => clock() + Math.floor(offset);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
    };
    try {
      const others = [remove(), prune(201), prune(202), jump()];
      const writers = [1, 2, 3].map(write);
      try {
        await Promise.all(writers);
      } finally {
        writing = false;
      }
      await Promise.all(others);
    } finally {
      Date.now = clock;
    }

    const repository = await Repository.open(storage);
    const check = async () => {
      const { damage, unrecorded } = await repository.verify({ data: true });
      assert.deepEqual(damage, []);
      assert.deepEqual(unrecorded.filter(({ wasThere }) => wasThere), []);
      for (const record of await repository.snapshots()) {
        const target = join(folder, "restored");
        await repository.restore(record, target);
        assert.deepEqual(stateOf(target), states.get(record.id));
        fs.rmSync(target, { recursive: true });
      }
    };
    await check();
    const { missing } = await repository.prune({}, { grace: 0, patience: 4 });
    assert.deepEqual(missing, []);
    await check();
    for (const prefix of ["running/", "lease/"]) {
      const names = [...storage.objects.keys()];
      assert.deepEqual(names.filter((name) => name.startsWith(prefix)), []);
    }
  });
});
