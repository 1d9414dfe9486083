import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import {
  dieAt,
  failAt,
  type Fault,
  FaultyStorage,
  isInjected,
} from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { copyOf, everything, noise } from "./helpers.ts";

const NOW = { grace: 0, patience: 1 };
const volumeSize = 1 << 26;

/** The states that the snapshots must restore to, by id. */
type States = Map<string, unknown>;

interface Stage {
  folder: string;
  root: string;
  storage: MemoryStorage;
  states: States;
}

/**
 * Makes a repository with snapshots, removed snapshots, a volume to repack, the
 * objects of an interrupted run, and a directory that has changed since.
 */
async function prepare(folder: string): Promise<Stage> {
  const root = join(folder, "root");
  fs.mkdirSync(root);
  const storage = new MemoryStorage();
  const repository = await Repository.create(storage);
  const states: States = new Map();
  const take = async () => {
    roundTimes(root);
    const { record } = await repository.snapshot(everything(root), {
      volumeSize,
    });
    states.set(record.id, stateOf(root));
    return record;
  };
  // Each file is larger than a frame, so each has its own frames.
  for (let at = 0; at < 3; at++) {
    fs.writeFileSync(join(root, `large${at}`), noise(1_060_000, at + 1));
  }
  fs.writeFileSync(join(root, "small"), noise(3000, 9));
  const first = await take();
  fs.rmSync(join(root, "large1"));
  fs.rmSync(join(root, "large2"));
  fs.appendFileSync(join(root, "small"), "more");
  const second = await take();
  fs.appendFileSync(join(root, "small"), "and more");
  await take();
  await repository.forget(first);
  await repository.forget(second);
  const left = "volumes/20200101T000000Z-000000.vol0.tar.zst";
  storage.objects.set(left, new Uint8Array(100));
  fs.appendFileSync(join(root, "small"), "in the end");
  fs.writeFileSync(join(root, "new"), noise(3000, 77));
  roundTimes(root);
  return { folder, root, storage, states };
}

let checks = 0;

/**
 * Checks that all committed snapshots can be restored, and that every byte is
 * undamaged.
 */
async function check(
  repository: Repository,
  { folder, root, states }: Stage,
  what: string,
): Promise<void> {
  const { damage, unrecorded } = await repository.verify({ data: true });
  assert.deepEqual(damage, [], what);
  assert.ok(unrecorded.every(({ wasThere }) => !wasThere), what);
  // Every byte is compared with its SHA-256. Only some snapshots are restored
  // to the disk.
  const isShown = process.env.SLOW || checks++ % 16 === 0;
  for (const record of isShown ? await repository.snapshots() : []) {
    const target = join(folder, "restored");
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, [], what);
    const wanted = states.get(record.id) ?? stateOf(root);
    assert.deepEqual(stateOf(target), wanted, `${what}: ${record.id}`);
    fs.rmSync(target, { recursive: true });
  }
}

/**
 * A storage that refuses an operation as a local storage does on a full disk or
 * without permission.
 */
class Refusing extends FaultyStorage {
  readonly #number: number;
  readonly #code: string;

  constructor(inner: MemoryStorage, number: number, code: string) {
    super(inner);
    this.#number = number;
    this.#code = code;
  }

  override put(...args: Parameters<FaultyStorage["put"]>): Promise<void> {
    return this.#refuse(args[0]) ?? super.put(...args);
  }

  override delete(name: string): Promise<void> {
    return this.#refuse(name) ?? super.delete(name);
  }

  /**
   * Refuses operations from a certain number on, because a full disk stays
   * full.
   */
  #refuse(object: string): Promise<never> | undefined {
    if (this.operations < this.#number) return undefined;
    const cause = Object.assign(new Error(this.#code), { code: this.#code });
    const error = new DeltarError("io", `injected fault: ${this.#code}`, {
      object,
      cause,
    });
    return Promise.reject(error);
  }
}

type Work = (repository: Repository, root: string) => Promise<unknown>;

const WORKS: Readonly<Record<string, Work>> = {
  "a prune": (repository) => repository.prune({ last: 1 }, NOW),
  "a snapshot": (repository, root) =>
    repository.snapshot(everything(root), { volumeSize }),
  "making it fit": (repository) => repository.fit(1_200_000, { patience: 1 }),
  "bringing back": async (repository) => {
    for (const { id } of await repository.removed()) {
      await repository.undelete(id);
    }
  },
};

/** The operations that remove no snapshot, not even because of a rule. */
const KEEPS_ALL = new Set(["a snapshot", "bringing back"]);

/** The distance between the tested faults. With `SLOW=1`, all are tested. */
const STEP = process.env.SLOW ? 1 : 11;

for (const [name, work] of Object.entries(WORKS)) {
  test(`${name}, killed or failing at any operation, harms no snapshot`, async () => {
    await withTemp(async (folder) => {
      const stage = await prepare(folder);
      const faults: (Fault | "ENOSPC" | "EACCES" | "die")[] = [
        "before",
        "after",
        "die",
        "ENOSPC",
        "EACCES",
      ];
      let all = 0;
      for (const [offset, fault] of faults.entries()) {
        const first = process.env.SLOW ? 1 : 1 + offset;
        for (let at = first;; at += STEP) {
          const what = `${name}, operation ${at}, ${fault}`;
          const copy = await copyOf(stage.storage);
          const storage = fault === "ENOSPC" || fault === "EACCES"
            ? new Refusing(copy.storage, at, fault)
            : new FaultyStorage(
              copy.storage,
              fault === "die"
                ? dieAt(at, at % 2 === 0 ? "before" : "after")
                : failAt(at, fault as Fault),
            );
          const before = await copy.open();
          const ids = (await before.snapshots()).map(({ id }) => id);
          try {
            await work(await Repository.open(storage), stage.root);
          } catch (error) {
            assert.ok(isInjected(error), `${what}: ${error}`);
          }
          const again = await copy.open();
          const records = await again.snapshots();
          const there = new Set(records.map(({ id }) => id));
          assert.ok(there.has(ids.at(-1)!), what);
          if (KEEPS_ALL.has(name)) {
            for (const id of ids) assert.ok(there.has(id), `${what}: ${id}`);
          }
          await check(again, stage, what);
          // The next runs succeed.
          const result = await again.prune({}, NOW);
          assert.deepEqual([result.missing, result.damaged], [[], []], what);
          await again.snapshot(everything(stage.root), { volumeSize });
          await check(again, stage, `${what}, afterwards`);
          all = Math.max(all, storage.operations);
          if (storage.operations < at) break;
        }
      }
      assert.ok(all > 10, `${all} operations`);
    });
  });
}
