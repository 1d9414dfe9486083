import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  idBehind,
  newId,
  timeOfId,
} from "../../lib/repository/format/names.ts";
import { parseTime } from "../../lib/repository/format/moment.ts";
import { judge } from "../../lib/repository/prune/retention.ts";
import { Repository } from "../../lib/repository/repository.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 2, 2, 10);
const QUICK = { patience: 4 };

/** A repository of a directory, with a clock that the test sets. */
class Life {
  readonly root: string;
  readonly storage = new MemoryStorage();
  repository!: Repository;
  #changes = 0;

  constructor(root: string) {
    this.root = root;
    fs.mkdirSync(root);
  }

  /**
   * Runs work with a clock that shows the given number of days since the start.
   */
  async at<Result>(days: number, work: () => Promise<Result>): Promise<Result> {
    const clock = Date.now;
    Date.now = () => START + days * DAY;
    try {
      return await work();
    } finally {
      Date.now = clock;
    }
  }

  /** Changes the directory, and takes a snapshot. */
  async take(days: number): Promise<SnapshotRecord> {
    fs.writeFileSync(join(this.root, "file"), `change ${this.#changes++}`);
    const taking = () => this.repository.snapshot(everything(this.root));
    return (await this.at(days, taking)).record;
  }

  /** Returns the times of the records in days since the start, in order. */
  async days(): Promise<number[]> {
    const records = await this.repository.snapshots();
    return records.map(({ time }) => (time - START) / DAY);
  }
}

function withLife(work: (life: Life) => Promise<void>): Promise<void> {
  return withTemp(async (folder) => {
    const life = new Life(join(folder, "root"));
    life.repository = await Repository.create(life.storage);
    await work(life);
  });
}

/** Returns a record with the fields that retention uses. */
function record(id: number, days: number): SnapshotRecord {
  return {
    id: newId(START + id, 0),
    time: START + days * DAY,
    directory: "/a",
  } as SnapshotRecord;
}

/** Returns the days of the records that a policy keeps. */
function keptDays(
  days: number[],
  policy: Parameters<typeof judge>[1],
  now: number,
): number[] {
  const records = days.map((day, at) => record(at, day));
  return judge(records, policy, { now: START + now * DAY })
    .flatMap(({ keep }, at) => keep ? [days[at]] : []);
}

test("snapshot() gives each snapshot its own time after one with a clock that was ahead [S1]", async () => {
  await withLife(async (life) => {
    const { repository } = life;
    const bad = await life.take(60);
    const good = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    for (const day of good) await life.take(day);
    assert.deepEqual(await life.days(), [60, ...good]);
    const records = await repository.snapshots();
    assert.deepEqual(
      records.map(({ id }) => id),
      records.map(({ id }) => id).sort(),
      "each sorts behind its parent",
    );
    assert.equal((await repository.find("latest")).id, records.at(-1)!.id);
    const prune = () => repository.prune({ daily: 7 }, QUICK);
    await life.at(9, prune);
    assert.deepEqual(await life.days(), [60, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal((await repository.snapshots())[0].id, bad.id);
    // An older deltar would make ids that sort before these from the times.
    const versions = [...life.storage.objects]
      .filter(([name]) => name.startsWith("snapshots/"))
      .map(([, bytes]) =>
        JSON.parse(new TextDecoder().decode(bytes).split("\n")[0]).version
      );
    assert.deepEqual(versions, [1, 2, 2, 2, 2, 2, 2, 2]);
  });
});

test("snapshot() warns immediately that the newest snapshot is ahead of the clock [S1]", async () => {
  await withLife(async (life) => {
    const { repository, root } = life;
    const taking = () => repository.snapshot(everything(root));
    const bad = await life.take(60);
    assert.equal((await life.at(0, taking)).ahead?.id, bad.id);
    fs.writeFileSync(join(root, "file"), "x");
    assert.equal((await life.at(1, taking)).ahead?.id, bad.id);
    fs.writeFileSync(join(root, "file"), "y");
    assert.equal((await life.at(2, taking)).ahead, undefined);
  });
});

test("snapshots() sorts the snapshots of several directories by their own times [S1]", async () => {
  await withLife(async (life) => {
    const { repository, root } = life;
    const other = `${root}-2`;
    fs.mkdirSync(other);
    await life.take(60);
    await life.take(1);
    await life.at(2, () => repository.snapshot(everything(other)));
    await life.take(3);
    const records = await life.at(4, () => repository.snapshots());
    assert.deepEqual(
      records.map(({ time }) => (time - START) / DAY),
      [60, 1, 2, 3],
    );
  });
});

test("judge() does not remove a snapshot because of another one with a wrong clock [S1]", () => {
  const good = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const table: [number[], Parameters<typeof judge>[1], number[]][] = [
    // The clock is ahead for the first, a middle or the last snapshot; behind;
    // or wrong for several.
    [[60, ...good], { daily: 7 }, [60, 3, 4, 5, 6, 7, 8, 9]],
    [[1, 2, 3, 4, 60, 5, 6], { daily: 3 }, [4, 60, 5, 6]],
    [[...good, 60], { daily: 2 }, [8, 9, 60]],
    [[...good, 60], { within: 2 * DAY }, [7, 8, 9, 60]],
    [[...good, 60], { withinDaily: 2 * DAY }, [7, 8, 9, 60]],
    [[1, 2, 3, -20_000 / 2, 4, 5], { daily: 3 }, [3, -10_000, 4, 5]],
    [[1, 2, 3, 60, 61, 62, 63, 64, 4], { daily: 2 }, [
      3,
      60,
      61,
      62,
      63,
      64,
      4,
    ]],
    // A wrong time zone.
    [[1, 2, 3.5, 3, 4], { daily: 2 }, [3.5, 3, 4]],
    [[1, 2, 3, 3.4], { within: DAY / 2 }, [3, 3.4]],
    // After a change to summer time, the times around it count.
    [[1, 2, 3 + 1 / 24, 3, 4], { daily: 2 }, [3, 4]],
    // A rule with a number does not count such a snapshot, either.
    [[60, ...good], { last: 2 }, [60, 8, 9]],
    [[...good, 60], { last: 2 }, [8, 9, 60]],
  ];
  for (const [days, policy, kept] of table) {
    const now = days.includes(9) ? 9 : days.includes(6) ? 6 : 5;
    assert.deepEqual(
      keptDays(days, policy, now),
      kept,
      JSON.stringify({ days, policy }),
    );
  }
  // A prune whose own clock is behind keeps the snapshots that it cannot judge.
  assert.deepEqual(keptDays(good, { daily: 1 }, -5000), good);
});

test("judge() treats a rule of 0 as no rule [S2]", () => {
  const days = [1, 2, 3];
  const rules = [
    "last",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "within",
    "withinHourly",
    "withinDaily",
    "withinWeekly",
  ] as const;
  for (const rule of rules) {
    assert.deepEqual(keptDays(days, { [rule]: 0 }, 4), days, rule);
    assert.deepEqual(keptDays(days, { [rule]: 0, last: 1 }, 4), [3], rule);
    if (rule === "last") continue;
    assert.deepEqual(keptDays(days, { [rule]: 0, last: 2 }, 4), [2, 3], rule);
  }
});

test("ids have valid times, and other ids are refused [A6]", () => {
  for (const time of [0, START, START + 999, Date.UTC(2199, 11, 31, 23)]) {
    assert.equal(timeOfId(newId(time, 0.5)), time);
  }
  for (
    const id of [
      "20261301T000000Z-000000",
      "20260230T000000Z-000000",
      "20260101T240000Z-000000",
      "20260101T006000Z-000000",
      "99991231T235959Z-3e7fff",
      "22000101T000000Z-000000",
      "19691231T235959Z-000000",
      "x",
    ]
  ) assert.equal(timeOfId(id), undefined, id);
  for (const now of [-1, NaN, Date.UTC(2200, 0, 1), 8.64e15, Infinity]) {
    assert.throws(() => newId(now, 0), { name: "DeltarError", code: "io" });
  }
  const last = newId(START, 0.9);
  assert.ok(idBehind(last, START, 0) > last);
  assert.ok(idBehind(`${last}-safety`, START - DAY, 0) > last);
  assert.ok(
    idBehind("20260101T000000Z-fffffff", 0, 0) > "20260101T000000Z-fff",
  );
  for (const last of ["99991231T235959Z-3e7fff", "21991231T235959Z-3e7fff"]) {
    assert.throws(() => idBehind(last, START, 0), {
      name: "DeltarError",
      code: "corrupt",
    });
  }
  assert.equal(parseTime("2026-03-02T10:00:00.000Z"), START);
  assert.equal(parseTime("2026-03-02T12:00:00+02:00"), START);
  for (
    const text of [
      "+275760-09-13T00:00:00.000Z",
      "9999-12-31T23:59:59.999Z",
      "1969-12-31T23:59:59.999Z",
      "2026-13-01T00:00:00Z",
      "2026",
      "yesterday",
      5,
      undefined,
    ]
  ) assert.equal(parseTime(text), undefined, String(text));
});

test("a record with an impossible time or id is named, and does not affect others [A6]", async () => {
  const plants: [string, string][] = [
    ["99991231T235959Z-3e7fff", "9999-12-31T23:59:59.999Z"],
    ["99991231T235959Z-3e7fff", "2026-03-01T00:00:00.000Z"],
    ["20260301T000000Z-000000", "+275760-09-13T00:00:00.000Z"],
    ["20261399T000000Z-000000", "2026-03-01T00:00:00.000Z"],
    ["30000101T000000Z-000000", "3000-01-01T00:00:00.000Z"],
  ];
  for (const [id, time] of plants) {
    await withLife(async (life) => {
      const { repository, storage, root } = life;
      await life.take(0);
      const [name, bytes] = [...storage.objects].find(([name]) =>
        name.startsWith("snapshots/")
      )!;
      const header = JSON.parse(
        new TextDecoder().decode(bytes).split("\n")[0],
      );
      const { format, version, ...rest } = header;
      const planted = `snapshots/${id}.json`;
      storage.objects.set(
        planted,
        encodeLines(format, version, { ...rest, id, time }, []),
      );
      const refused = { name: "DeltarError", code: "corrupt", object: planted };
      await assert.rejects(repository.snapshots(), refused);
      await assert.rejects(repository.prune({}, QUICK), refused);
      const told: string[] = [];
      fs.writeFileSync(join(root, "file"), "next");
      const { record } = await life.at(
        1,
        () =>
          repository.snapshot(everything(root), {
            onDamage: (error) => told.push(error.object!),
          }),
      );
      const isNewest = planted > name;
      assert.deepEqual(told, isNewest ? [planted] : []);
      assert.equal(timeOfId(record.id), START + DAY);
      const listed = await repository.snapshots({ onDamage: () => {} });
      assert.deepEqual(listed.map(({ id }) => `snapshots/${id}.json`), [
        name,
        `snapshots/${record.id}.json`,
      ]);
      if (id !== "20260301T000000Z-000000") {
        assert.equal((await repository.find("latest")).id, record.id);
      }
      const { damage } = await repository.verify();
      assert.deepEqual(damage.map(({ object }) => object), [planted]);
      // After its removal by its id, it has no effect.
      await repository.forget(id);
      await life.at(2, () => repository.prune({}, { grace: 0, ...QUICK }));
      assert.equal((await repository.snapshots()).length, 2);
      assert.deepEqual((await repository.verify({ data: true })).damage, []);
    });
  }
});

test("setMaxSize() and label() work despite notes with impossible ids [A6]", async () => {
  await withLife(async (life) => {
    const { repository, storage } = life;
    const record = await life.take(0);
    const far = "99991231T235959Z-3e7fff";
    storage.objects.set(
      `settings/${far}.json`,
      encodeLines("deltar-settings", 1, { maxSize: 1 }, []),
    );
    storage.objects.set(
      `labels/${record.id}.${far}.json`,
      encodeLines("deltar-label", 1, {
        snapshot: record.id,
        time: "2026-01-01T00:00:00.000Z",
        label: "planted",
      }, []),
    );
    assert.equal(await repository.maxSize(), undefined);
    assert.equal((await repository.find(record.id)).label, undefined);
    await repository.setMaxSize(5000);
    await repository.label(record, "mine");
    assert.equal(await repository.maxSize(), 5000);
    assert.equal((await repository.find(record.id)).label, "mine");
  });
});

test("setMaxSize() and label() name a note after which no id can sort [A6]", async () => {
  await withLife(async (life) => {
    const { repository, storage } = life;
    const record = await life.take(0);
    const last = "21991231T235959Z-3e7fff";
    const settings = `settings/${last}.json`;
    const label = `labels/${record.id}.${last}.json`;
    for (const name of [settings, label]) {
      storage.objects.set(name, new Uint8Array());
    }
    const refusal = (object: string) => ({
      code: "corrupt",
      object,
      message: /not plausible, .+; delete this object from the storage$/,
    });
    await assert.rejects(repository.setMaxSize(5000), refusal(settings));
    await assert.rejects(repository.label(record, "mine"), refusal(label));
  });
});

test("Repository.maxSize() refuses a size of zero or less", async () => {
  await withLife(async ({ repository, storage }) => {
    for (const maxSize of [0, -1, 1.5, "5"]) {
      const name = "settings/20260101T000000Z-000000.json";
      const bytes = encodeLines("deltar-settings", 1, { maxSize }, []);
      storage.objects.set(name, bytes);
      const corrupt = { name: "DeltarError", code: "corrupt", object: name };
      await assert.rejects(repository.maxSize(), corrupt);
    }
  });
});

test("prune() of an idle repository frees space when it runs the second time [S18]", async () => {
  await withLife(async (life) => {
    const { repository } = life;
    for (const day of [0, 0.1, 0.2, 0.3, 0.4, 0.5]) await life.take(day);
    const prune = (days: number) =>
      life.at(days, async () => {
        const result = await repository.prune({ last: 2 }, QUICK);
        return [result.purged.length, result.isClockDoubted];
      });
    assert.deepEqual(await prune(1), [0, false]);
    assert.deepEqual(await prune(9), [0, true]);
    assert.deepEqual(await prune(10), [4, false]);
    // If nothing waits for its grace period, the clock is not doubted.
    const before = new Map(life.storage.objects);
    for (const day of [17, 31, 61]) {
      assert.deepEqual(await prune(day), [0, false]);
    }
    assert.deepEqual(life.storage.objects, before);
  });
});

test("prune() frees space even if it runs once a month and the snapshots are unchanged [S18]", async () => {
  await withLife(async (life) => {
    const { repository, root } = life;
    for (const day of [0, 0.1, 0.2]) await life.take(day);
    let purged = 0;
    for (const day of [1, 31, 62]) {
      const { isNew } = await life.at(
        day,
        () => repository.snapshot(everything(root)),
      );
      assert.ok(!isNew);
      const prune = () => repository.prune({ last: 1 }, QUICK);
      purged += (await life.at(day, prune)).purged.length;
    }
    assert.equal(purged, 2);
  });
});

test("prune() directly after a snapshot with the same wrong clock purges nothing [S18]", async () => {
  await withLife(async (life) => {
    const { repository } = life;
    for (const day of [0, 1, 2, 3]) await life.take(day);
    const prune = () => repository.prune({ last: 2 }, QUICK);
    await life.at(3, prune);
    await life.take(63);
    const doubted = await life.at(63, prune);
    assert.deepEqual([doubted.purged, doubted.isClockDoubted], [[], true]);
    // The clock is right again.
    await life.take(4);
    for (const day of [4, 5, 9]) {
      assert.deepEqual((await life.at(day, prune)).purged, []);
    }
    // The clock is doubted again.
    const again = await life.at(64, prune);
    assert.deepEqual([again.purged, again.isClockDoubted], [[], true]);
  });
});

test("prune() with a right clock does not immediately purge what a clock that was behind removed [S18]", async () => {
  await withLife(async (life) => {
    const { repository, storage } = life;
    const records: SnapshotRecord[] = [];
    for (const day of [0, 1, 2, 3, 4]) records.push(await life.take(day));
    const left = "volumes/20200101T000000Z-000000.vol0.tar.zst";
    storage.objects.set(left, new Uint8Array(100));
    for (const record of records.slice(0, 3)) {
      await life.at(-60, () => repository.forget(record));
    }
    await life.at(-60, () => repository.prune({ last: 1 }, QUICK));
    assert.equal((await repository.removed()).length, 3);
    const prune = () => repository.prune({}, QUICK);
    for (const day of [4, 5, 6]) {
      const { purged, deleted } = await life.at(day, prune);
      assert.deepEqual([purged, deleted], [[], 0]);
    }
    assert.ok(storage.objects.has(left));
    await life.take(9);
    assert.equal((await life.at(12, prune)).purged.length, 3);
    assert.ok(!storage.objects.has(left));
  });
});

test("prune() without a grace period purges what a clock that was ahead removed [S18]", async () => {
  await withLife(async (life) => {
    const { repository } = life;
    const first = await life.take(0);
    await life.take(1);
    await life.at(60, () => repository.forget(first));
    const now = { grace: 0, ...QUICK };
    const { purged } = await life.at(2, () => repository.prune({}, now));
    assert.deepEqual(purged, [first.id]);
  });
});

test("prune() trusts a clock with which snapshots were taken for a day [S18]", async () => {
  await withLife(async (life) => {
    const { repository } = life;
    for (const day of [0, 1]) await life.take(day);
    const prune = () => repository.prune({ last: 1 }, QUICK);
    await life.at(1, prune);
    for (const day of [40, 40.5, 41.2]) await life.take(day);
    assert.equal((await life.at(41.2, prune)).purged.length, 1);
  });
});
