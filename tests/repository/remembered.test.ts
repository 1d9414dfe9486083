import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import type {
  SnapshotOptions,
  TakeOptions,
} from "../../lib/repository/snapshot/take_snapshot.ts";
import type { IndexProgress } from "../../lib/tree/index_tree.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { noise } from "../support/noise.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { everything, later } from "./helpers.ts";

/** A storage that counts requests. */
class CountingStorage extends MemoryStorage {
  asked: string[] = [];

  override get(...words: Parameters<MemoryStorage["get"]>) {
    this.asked.push(`get ${words[0]}`);
    return super.get(...words);
  }

  override list(prefix?: string) {
    this.asked.push(`list ${prefix}`);
    return super.list(prefix);
  }

  override put(...words: Parameters<MemoryStorage["put"]>) {
    this.asked.push(`put ${words[0]}`);
    return super.put(...words);
  }
}

/** A directory, a repository and the state that the machine remembers. */
interface Remembered {
  root: string;
  folder: string;
  storage: CountingStorage;
  snapshot: (options?: SnapshotOptions) => ReturnType<Repository["snapshot"]>;
  repository: Repository;
}

/**
 * Makes a directory, and takes the first snapshot, whose state the machine
 * remembers. Runs `work` twice: the remembered state is read into memory, or
 * page by page.
 */
async function remembered(
  work: (given: Remembered) => Promise<void>,
): Promise<void> {
  for (const minPaged of [undefined, 0]) await rememberedIn(minPaged, work);
}

async function rememberedIn(
  minPaged: number | undefined,
  work: (given: Remembered) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(join(root, "sub"), { recursive: true });
    for (let at = 0; at < 50; at++) {
      fs.writeFileSync(join(root, `sub/${at}`), noise(2000, at));
    }
    fs.symlinkSync("sub", join(root, "link"));
    fs.linkSync(join(root, "sub/1"), join(root, "hard"));
    const storage = new CountingStorage();
    await Repository.create(storage);
    const cache = join(folder, "cache");
    const repository = await Repository.open(storage);
    const snapshot = (options: SnapshotOptions = {}) => {
      const all: TakeOptions = { cache, minPaged, ...options };
      return later(10, () => repository.snapshot(everything(root), all));
    };
    await snapshot();
    await work({ root, folder, storage, snapshot, repository });
  });
}

test("an unchanged snapshot makes at most three requests, and stores nothing", async () => {
  await remembered(async ({ root, storage }) => {
    const cache = join(root, "../cache");
    storage.asked = [];
    const { isNew, diff, skipped } = await later(10, async () => {
      const repository = await Repository.open(storage);
      return await repository.snapshot(everything(root), { cache });
    });
    assert.equal(isNew, false);
    assert.equal(diff.isEmpty, true);
    assert.deepEqual(skipped, []);
    assert.ok(storage.asked.length <= 3, storage.asked.join());
  });
});

test(
  "snapshot() with `measure` computes the amount to read",
  needsSymlinks,
  async () => {
    await remembered(async ({ root, snapshot }) => {
      fs.writeFileSync(join(root, "sub/7"), noise(3000, 1));
      fs.writeFileSync(join(root, "sub/large"), noise(3 << 20, 2));
      const run = async (measure: boolean) => {
        const told: IndexProgress[] = [];
        await snapshot({
          label: "again",
          measure,
          onProgress: (progress) => {
            told.push(progress);
            // Only work that takes long is measured.
            for (const end = performance.now() + 20; performance.now() < end;);
          },
        });
        return told;
      };
      const told = await run(true);
      const last = told.at(-1)!;
      const { entries, bytes, read } = last;
      assert.equal(read, 3000 + (3 << 20));
      assert.deepEqual(last, {
        entries: 54,
        bytes: 49 * 2000 + read,
        read,
        path: "sub/large",
        allEntries: entries,
        allBytes: bytes,
        allRead: read,
      });
      assert.equal(told[0].allEntries, undefined);
      // Progress is also reported within a large file.
      const inFile = told.filter(({ path }) => path === "sub/large");
      assert.deepEqual(
        inFile.map(({ entries, read }) => [entries, read - 3000]),
        [[53, 1 << 20], [53, 2 << 20], [54, 3 << 20]],
      );

      fs.writeFileSync(join(root, "sub/8"), noise(3000, 3));
      for (const progress of await run(false)) {
        assert.equal(progress.allEntries, undefined);
      }
    });
  },
);

test("snapshot() reports excluded paths again, even if no folder is read", async () => {
  await remembered(async ({ root, snapshot }) => {
    fs.mkdirSync(join(root, ".git"));
    fs.writeFileSync(join(root, ".deltar-stage-x"), "");
    const first = await snapshot({ label: "again" });
    const told: unknown[] = [];
    const second = await snapshot({ onSkip: (skip) => told.push(skip) });
    assert.equal(second.isNew, false);
    assert.equal(first.skipped.length, 1);
    assert.deepEqual(second.skipped, first.skipped);
    assert.deepEqual(told, first.skipped);
  });
});

test("a damaged tree is stored again, even if the state is remembered", async () => {
  await remembered(async ({ root, folder, storage, snapshot, repository }) => {
    const [name] = [...storage.objects.keys()]
      .filter((name) => name.startsWith("trees/"));
    storage.objects.get(name)![20] ^= 1;
    fs.appendFileSync(join(root, "sub/7"), "more");
    roundTimes(root);
    await assert.rejects(snapshot(), { code: "corrupt" });
    const told: string[] = [];
    const { record, isNew } = await snapshot({
      onDamage: (error) => told.push(error.message),
    });
    assert.equal(isNew, true);
    assert.equal(told.length, 1);
    assert.ok(told[0].startsWith(`${name}: `), told[0]);
    await repository.restore(record, join(folder, "restored"));
    assert.deepEqual(stateOf(join(folder, "restored")), stateOf(root));
  });
});

test("snapshot() notices a snapshot that another machine took in the meantime", async () => {
  await remembered(async ({ root, folder, snapshot, repository }) => {
    const before = fs.readFileSync(join(root, "sub/3"));
    fs.writeFileSync(join(root, "sub/3"), "another");
    await snapshot({ cache: join(folder, "elsewhere") });
    fs.writeFileSync(join(root, "sub/3"), before);
    const { isNew, diff } = await snapshot();
    assert.equal(isNew, true);
    assert.deepEqual(diff.updated, ["sub/3"]);
    assert.equal((await repository.snapshots()).length, 3);
  });
});

test("a clock that is set back costs only time", async () => {
  await remembered(async ({ root, folder, repository }) => {
    const cache = join(folder, "cache");
    const snapshot = () =>
      later(-1e6, () => repository.snapshot(everything(root), { cache }));
    fs.writeFileSync(join(root, "sub/3"), "3");
    assert.deepEqual((await snapshot()).diff.updated, ["sub/3"]);
    assert.equal((await snapshot()).isNew, false);
    fs.writeFileSync(join(root, "sub/3"), "4");
    assert.deepEqual((await snapshot()).diff.updated, ["sub/3"]);
  });
});

test("a directory is not read again if another one with the same source has the same files", async () => {
  await withTemp(async (folder) => {
    const [first, second] = ["first", "second"].map((name) =>
      join(folder, name)
    );
    for (const place of [first, second]) fs.mkdirSync(place);
    for (let at = 0; at < 20; at++) {
      fs.writeFileSync(join(first, `${at}`), noise(1000, at + 1));
      fs.linkSync(join(first, `${at}`), join(second, `${at}`));
    }
    fs.writeFileSync(join(second, "new"), noise(500, 99));
    const repository = await Repository.create(new MemoryStorage());
    const options = { source: "both", cache: join(folder, "cache") };
    const read: number[] = [];
    const take = async (place: string, time: number) => {
      let last = 0;
      await repository.snapshot(everything(place), {
        ...options,
        time,
        onProgress: (progress) => last = progress.read,
      });
      read.push(last);
    };
    // A file that changed just before a snapshot is read again.
    await later(10, () => take(first, 1_000_000_000_000));
    await later(10, () => take(second, 1_000_086_400_000));
    assert.deepEqual(read, [20_000, 500]);
    const { damage } = await repository.verify({ data: true });
    assert.deepEqual(damage, []);
  });
});
