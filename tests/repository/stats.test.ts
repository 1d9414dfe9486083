import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Repository } from "../../lib/repository/repository.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything, noise } from "./helpers.ts";

test("stats() returns what takes the space, and what could be freed", async () => {
  await withTemp(async (root) => {
    const storage = new MemoryStorage();
    const repository = await Repository.create(storage);
    const none = await repository.stats();
    assert.deepEqual([none.snapshots, none.folders, none.snapshot], [
      [],
      [],
      undefined,
    ]);
    const options = { volumeSize: 40_000 };
    fs.mkdirSync(join(root, "much/deep"), { recursive: true });
    fs.mkdirSync(join(root, "little"));
    fs.writeFileSync(join(root, "top"), "top");
    fs.writeFileSync(join(root, "much/deep/a"), noise(200_000, 1));
    fs.writeFileSync(join(root, "much/b"), noise(90_000, 2));
    fs.writeFileSync(join(root, "little/c"), noise(5000, 3));
    await repository.snapshot(everything(root), options);
    fs.writeFileSync(join(root, "short-lived"), noise(150_000, 4));
    await repository.snapshot(everything(root), options);
    fs.rmSync(join(root, "short-lived"));
    const { record } = await repository.snapshot(everything(root), options);

    const stats = await repository.stats({ largest: 2 });
    assert.equal(stats.objects, storage.objects.size);
    assert.equal(
      stats.bytes,
      [...storage.objects.values()].reduce((sum, one) => sum + one.length, 0),
    );
    const near = (got: number, good: number) =>
      assert.ok(Math.abs(got - good) < 3000, `${got}, not about ${good}`);
    const [first, second, third] = stats.snapshots;
    near(first.added, 295_000);
    near(second.added, 150_000);
    near(third.added, 0);
    near(first.own, 0);
    near(second.own, 150_000);
    near(third.own, 0);
    assert.equal(stats.snapshot?.id, record.id);
    assert.deepEqual(
      stats.folders.map(({ path, files }) => [path, files]),
      [["much", 2], ["little", 1], ["", 1]],
    );
    near(stats.folders[0].stored, 290_000);
    near(stats.folders[1].stored, 5000);
    assert.deepEqual(stats.largest.map(({ path, bytes }) => [path, bytes]), [
      ["much/deep/a", 200_000],
      ["much/b", 90_000],
    ]);
    near(stats.volumes.dead, 0);
    const inside = await repository.stats({ within: "much" });
    assert.deepEqual(inside.folders.map(({ path }) => path), [
      "much/deep",
      "",
    ]);

    // The removal frees the predicted space.
    const gone = second.record.id;
    storage.objects.delete(`snapshots/${gone}.json`);
    near((await repository.stats()).volumes.dead, 150_000);
  });
});
