import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { STAGE_PREFIX } from "../../lib/storage/temporary.ts";
import {
  failAt,
  FaultyStorage,
  isInjected,
} from "../support/faulty_storage.ts";
import { withTemp } from "../support/temp.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { copyOf, everything, noise } from "./helpers.ts";

/** Makes a directory with some small files and a large one. */
function makeRoot(folder: string): string {
  const root = join(folder, "root");
  fs.mkdirSync(root);
  for (let at = 0; at < 4; at++) {
    fs.writeFileSync(join(root, `${at}`), noise(3000, at + 1));
  }
  fs.writeFileSync(join(root, "large"), noise(1_200_000, 9));
  return root;
}

test("committed snapshots remain after any operation fails, and the next run succeeds", async () => {
  await withTemp(async (folder) => {
    const root = makeRoot(folder);
    roundTimes(root);
    const storage = new MemoryStorage();
    const volumeSize = 8192;
    const repository = await Repository.create(storage);
    const first = await repository.snapshot(everything(root), { volumeSize });
    const old = stateOf(root);
    fs.appendFileSync(join(root, "1"), "more");
    fs.appendFileSync(join(root, "large"), "more");
    fs.writeFileSync(join(root, "new"), noise(20_000, 10));
    fs.rmSync(join(root, "2"));
    roundTimes(root);
    const now = stateOf(root);

    let finished = 0;
    for (let failing = 1; finished < 3; failing++) {
      finished = 0;
      for (const fault of ["before", "after", "reset"] as const) {
        const what = `operation ${failing} ${fault}`;
        const copy = await copyOf(storage);
        const faulty = new FaultyStorage(
          copy.storage,
          failAt(failing, fault),
        );
        let committed = false;
        try {
          const opened = await Repository.open(faulty);
          await opened.snapshot(everything(root), { volumeSize });
          committed = true;
        } catch (error) {
          assert.ok(isInjected(error), what);
        }
        if (faulty.operations < failing) finished++;
        const again = await copy.open();
        const records = await again.snapshots();
        assert.ok(records.length <= 2, what);
        if (committed) assert.equal(records.length, 2, what);
        const restores = async (from: Repository, state: unknown) => {
          const target = join(folder, "restored");
          const wanted = state === old ? first.record.id : "latest";
          const record = await from.find(wanted);
          const { failed } = await from.restore(record, target);
          assert.deepEqual(failed, [], what);
          assert.deepEqual(stateOf(target), state, what);
          fs.rmSync(target, { recursive: true });
        };
        for (const record of records) {
          await restores(again, record.id === first.record.id ? old : now);
        }
        await again.snapshot(everything(root), { volumeSize });
        assert.equal((await again.snapshots()).length, 2, what);
        await restores(again, now);
      }
    }
  });
});

test("a fault of the storage during a restore is reported, and no wrong file is left", async () => {
  await withTemp(async (folder) => {
    const root = makeRoot(folder);
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    await repository.snapshot(everything(root), { volumeSize: 4096 });
    fs.appendFileSync(join(root, "large"), "more");
    await repository.snapshot(everything(root), { volumeSize: 4096 });
    const target = join(folder, "target");
    for (let failing = 1;; failing++) {
      const faulty = new FaultyStorage(
        storage,
        failAt(failing, failing % 2 === 0 ? "reset" : "before"),
      );
      try {
        const opened = await Repository.open(faulty);
        await opened.restore(await opened.find("latest"), target);
        if (faulty.operations < failing) break;
      } catch (error) {
        assert.ok(isInjected(error), String(error));
      }
      for (const name of fs.existsSync(target) ? fs.readdirSync(target) : []) {
        if (name.startsWith(STAGE_PREFIX)) continue;
        const [got, good] = [target, root].map((folder) =>
          fs.readFileSync(join(folder, name))
        );
        assert.ok(got.equals(good), name);
      }
      fs.rmSync(target, { recursive: true, force: true });
    }
  });
});

test("snapshot() that is aborted at any time leaves no snapshot", async () => {
  await withTemp(async (folder) => {
    const root = join(folder, "root");
    fs.mkdirSync(root);
    for (let at = 0; at < 10; at++) {
      fs.writeFileSync(join(root, `${at}`), noise(3000, at + 1));
    }
    fs.writeFileSync(join(root, "large"), noise(2_500_000, 99));
    const aborted = { name: "DeltarError", code: "aborted" };
    for (let last = 0; last < 11; last++) {
      const storage = new MemoryStorage();
      const repository = await Repository.create(storage);
      const stop = new AbortController();
      const snapshot = repository.snapshot(everything(root), {
        volumeSize: 4096,
        signal: stop.signal,
        onProgress: ({ entries }) => {
          if (entries === last) stop.abort(new Error("enough"));
        },
      });
      if (last === 0) stop.abort(new Error("enough"));
      await assert.rejects(snapshot, aborted, `after ${last} entries`);
      assert.deepEqual(await repository.snapshots(), []);
      for (const name of storage.objects.keys()) {
        // The finished volumes wait for the next snapshot.
        assert.match(name, /^(?:deltar\.json|(?:volumes|checkpoints)\/.*)$/);
      }
    }
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(root));
    const stop = new AbortController();
    await assert.rejects(
      repository.restore(record, join(folder, "target"), {
        signal: stop.signal,
        onProgress: ({ entries }) => {
          if (entries === 3) stop.abort(new Error("enough"));
        },
      }),
      aborted,
    );
    const names = fs.readdirSync(join(folder, "target"));
    assert.equal(
      names.filter((name) => !name.startsWith(STAGE_PREFIX)).length,
      3,
    );
  });
});

test("readFile() of a file whose content is not read does no harm", async () => {
  await withTemp(async (folder) => {
    fs.writeFileSync(join(folder, "a"), "a");
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const { record } = await repository.snapshot(everything(folder));
    for (const name of storage.objects.keys()) {
      if (name.startsWith("volumes/")) storage.objects.delete(name);
    }
    const stream = await repository.readFile(record, "a");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await stream.cancel();
    const other = await repository.readFile(record, "a");
    await assert.rejects(other.getReader().read(), { code: "not-found" });
  });
});
