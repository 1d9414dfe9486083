import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { restoreTree } from "../../lib/repository/restore/restore.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { lstat, setTimes } from "../../lib/tree/stat.ts";
import { noise } from "../support/noise.ts";
import { withTemp } from "../support/temp.ts";
import { everything, storeOf } from "./helpers.ts";

const LARGE = Buffer.from(noise(3 << 20));

/**
 * Runs work with a snapshot of a large file, and a target in which the file has
 * other content.
 */
async function withChanged(
  work: (
    repository: Repository,
    record: SnapshotRecord,
    target: string,
  ) => Promise<void>,
): Promise<void> {
  await withTemp(async (folder) => {
    const [source, target] = ["source", "target"].map((name) =>
      join(folder, name)
    );
    for (const root of [source, target]) fs.mkdirSync(root);
    fs.writeFileSync(join(source, "large"), LARGE);
    fs.writeFileSync(join(target, "large"), noise(LARGE.length, 2));
    // A file with another hard link is read again before it is replaced.
    fs.linkSync(join(target, "large"), join(folder, "other name"));
    const repository = await Repository.create(new MemoryStorage());
    const { record } = await repository.snapshot(everything(source));
    await work(repository, record, target);
  });
}

/** Waits until a change of a file is visible in its time. */
async function untilOld(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2100));
}

test("restore() replaces a large file that was read again, unless the file changes after that [T3]", async () => {
  await withChanged(async (repository, record, target) => {
    await untilOld();
    const place = join(target, "large");
    const { mtime } = lstat(place);
    const other = Buffer.from(noise(LARGE.length, 3));
    const change = (step: string) => {
      if (step !== "write") return;
      fs.writeFileSync(place, other);
      setTimes(place, mtime);
    };
    const refused = await restoreTree(
      await storeOf(repository),
      record,
      target,
      {},
      {
        onStep: change,
      },
    );
    assert.deepEqual(refused.failed.map(({ path }) => path), ["large"]);
    assert.match(
      refused.failed[0].error.message,
      /changed after the plan was made/,
    );
    assert.ok(other.equals(fs.readFileSync(place)));
    await untilOld();
    const { failed } = await restoreTree(
      await storeOf(repository),
      record,
      target,
      {},
    );
    assert.deepEqual(failed, []);
    assert.ok(LARGE.equals(fs.readFileSync(place)));
  });
});

test("restore() reacts to a signal during a flush, and can be continued or undone [T3]", async () => {
  await withChanged(async (repository, record, target) => {
    const interrupt = async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const onStep = (step: string) => {
        if (step === "sync") controller.abort();
      };
      await assert.rejects(
        restoreTree(await storeOf(repository), record, target, { signal }, {
          onStep,
        }),
        { code: "aborted" },
      );
      const journals = fs.readdirSync(target)
        .filter((name) => name.endsWith("-journal"));
      assert.equal(journals.length, 1);
    };
    const before = fs.readFileSync(join(target, "large"));
    await interrupt();
    const { failed } = await repository.restore(record, target);
    assert.deepEqual(failed, []);
    assert.deepEqual(fs.readdirSync(target), ["large"]);
    assert.ok(LARGE.equals(fs.readFileSync(join(target, "large"))));
    await repository.revert(target);
    assert.ok(before.equals(fs.readFileSync(join(target, "large"))));
    await interrupt();
    await repository.revert(target);
    assert.deepEqual(fs.readdirSync(target), ["large"]);
    assert.ok(before.equals(fs.readFileSync(join(target, "large"))));
  });
});
