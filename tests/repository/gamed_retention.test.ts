import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newId, recordName } from "../../lib/repository/format/names.ts";
import {
  encodeRecord,
  type SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import {
  judge,
  type Judgement,
  type JudgeOptions,
  type RetentionPolicy,
} from "../../lib/repository/prune/retention.ts";
import type { Unusual } from "../../lib/repository/prune/unusual.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { withTemp } from "../support/temp.ts";
import { everything } from "./helpers.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = new Date(2026, 2, 2, 10).getTime();
const POLICIES: RetentionPolicy[] = [
  { last: 5 },
  { daily: 7 },
  { within: 7 * DAY },
  { last: 5, daily: 7, monthly: 12 },
  { withinDaily: 30 * DAY },
];

/**
 * A repository with a clock that the test sets, and an attacker who only adds
 * objects.
 */
class Attacked {
  readonly root: string;
  readonly storage = new MemoryStorage();
  repository!: Repository;
  /** The time, in days since the start. */
  day = 0;
  #last: SnapshotRecord | undefined;
  #changes = 0;
  #forged = 0;

  constructor(root: string) {
    this.root = root;
    fs.mkdirSync(root);
    for (let at = 0; at < 20; at++) fs.writeFileSync(join(root, `f${at}`), "f");
  }

  async #now<Result>(work: () => Promise<Result>): Promise<Result> {
    const clock = Date.now;
    Date.now = () => START + this.day * DAY;
    try {
      return await work();
    } finally {
      Date.now = clock;
    }
  }

  /** Takes good snapshots on the given days. */
  async take(days: readonly number[], root = this.root): Promise<string[]> {
    const ids: string[] = [];
    for (this.day of days) {
      fs.writeFileSync(join(root, "file"), `change ${this.#changes++}`);
      const taking = () => this.repository.snapshot(everything(root));
      this.#last = (await this.#now(taking)).record;
      ids.push(this.#last.id);
    }
    return ids;
  }

  /** Adds a snapshot with a forged id and time, in days since the start. */
  forge(day: number, more: Partial<SnapshotRecord> = {}): string {
    assert.ok(this.#last);
    const time = Math.round(START + day * DAY);
    const id = newId(time, (this.#forged++ % 4096) / 4096);
    const { parent: _, parentSha256: __, ...rest } = this.#last;
    const record = { ...rest, id, time, ...more };
    this.storage.objects.set(recordName(record.id), encodeRecord(record));
    return record.id;
  }

  /**
   * Adds snapshots whose times are those at which they are added. Each one has
   * the one before it as its parent.
   */
  append(days: readonly number[]): void {
    let parent = [...this.storage.objects.keys()]
      .filter((name) => name.startsWith("snapshots/")).sort().at(-1)
      ?.slice("snapshots/".length, -".json".length);
    for (const day of days) parent = this.forge(day, { parent });
  }

  /** Replaces all objects of the storage. */
  reset(objects: ReadonlyMap<string, Uint8Array>): void {
    this.storage.objects.clear();
    for (const [name, bytes] of objects) this.storage.objects.set(name, bytes);
  }

  /** Returns the judgements of a prune. */
  async plan(policy: RetentionPolicy): Promise<Judgement[]> {
    const planning = () => this.repository.planPrune(policy);
    return (await this.#now(planning)).judgements;
  }

  /** Prunes. Returns the ids of the remaining snapshots. */
  async prune(
    policy: RetentionPolicy,
    onUnusual?: (unusual: readonly Unusual[]) => boolean,
  ): Promise<string[]> {
    const options = { patience: 4, onUnusual };
    await this.#now(() => this.repository.prune(policy, options));
    return (await this.repository.snapshots()).map(({ id }) => id);
  }
}

function withAttacked(work: (place: Attacked) => Promise<void>): Promise<void> {
  return withTemp(async (folder) => {
    const place = new Attacked(join(folder, "root"));
    place.repository = await Repository.create(place.storage);
    await work(place);
  });
}

const range = (from: number, to: number, step = 1) =>
  Array.from({ length: (to - from) / step }, (_, at) => from + at * step);

/** The attacks of restic issue 22057: each adds snapshots after day 10.2. */
const attacks: Record<string, (place: Attacked) => void> = {
  "dates far in the future": (place) => {
    for (const day of range(400, 430)) place.forge(day);
  },
  "dates a few hours in the future": (place) => {
    for (const hour of range(3, 24)) place.forge(10.2 + hour / 24);
  },
  "a date in each of 14 past months": (place) => {
    for (const month of range(1, 15)) place.forge(-30 * month);
  },
  "dates between the good ones": (place) => {
    for (const day of range(0.5, 10)) place.forge(day);
  },
  "many dates in the past and future": (place) => {
    for (const day of range(-40, 60, 0.7)) place.forge(day);
  },
  "ids that follow, with times in the past": (place) => {
    for (const [at, day] of range(0, 10, 0.1).entries()) {
      place.forge(10.2 + at / 1440, { time: Math.round(START + day * DAY) });
    }
  },
  "dates in the past, in a separate chain": (place) => {
    let parent: string | undefined;
    for (const day of range(-14, 0)) {
      parent = place.forge(day, parent === undefined ? {} : { parent });
    }
  },
  "ids in the past that claim to repair": (place) => {
    for (const day of range(-14, 0)) {
      place.forge(day, { repairs: newId(START + day * DAY, 0.9) });
    }
  },
  "dates in the past, and a list that counts them": (place) => {
    const lines: Record<string, unknown>[] = [
      { group: place.root, busiest: 1000 },
    ];
    for (const day of range(-14, 0)) {
      const id = place.forge(day);
      lines.push({ id, time: new Date(START + day * DAY).toISOString() });
    }
    place.storage.objects.set(
      "judged/20260301T000000Z-000000.json",
      encodeLines("deltar-judged", 1, {}, lines),
    );
  },
  "a snapshot without a parent, other dates, and a list that counts them": (
    place,
  ) => {
    const lines: Record<string, unknown>[] = [
      { group: place.root, busiest: 1000 },
    ];
    for (const day of range(-14.5, 10)) {
      const id = place.forge(day);
      const time = new Date(Math.round(START + day * DAY)).toISOString();
      lines.push({ id, time });
    }
    place.storage.objects.set(
      "judged/20260301T000000Z-000000.json",
      encodeLines("deltar-judged", 1, {}, lines),
    );
    place.forge(10.15);
  },
};

for (const [name, attack] of Object.entries(attacks)) {
  test(`prune() removes no good snapshot because of ${name} [S20]`, async () => {
    await withAttacked(async (place) => {
      await place.take(range(0, 10));
      const start = new Map(place.storage.objects);
      for (const policy of POLICIES) {
        for (const isFirst of [true, false]) {
          place.reset(start);
          place.day = 9.1;
          if (!isFirst) await place.prune(policy);
          await place.take([10, 10.1]);
          const before = new Map(place.storage.objects);
          const prunes = async () => {
            place.day = 10.2;
            const first = await place.prune(policy);
            place.day = 11.3;
            return [first, await place.prune(policy)];
          };
          const [kept, keptLater] = await prunes();
          place.reset(before);
          attack(place);
          const [left, leftLater] = await prunes();
          const how = JSON.stringify({ policy, isFirst });
          assert.deepEqual(kept.filter((id) => !left.includes(id)), [], how);
          assert.deepEqual(
            keptLater.filter((id) => !leftLater.includes(id)),
            [],
            how,
          );
        }
      }
    });
  });
}

test("prune() removes no good snapshot that is taken after forged ones [S20]", async () => {
  const policies = [{ hourly: 48 }, { withinHourly: 4 * DAY }, { daily: 4 }];
  for (const policy of policies) {
    await withAttacked(async (place) => {
      await place.take(range(0, 24).map((hour) => hour / 24));
      place.append(range(27, 48).map((hour) => hour / 24));
      const good = await place.take(range(25, 60).map((hour) => hour / 24));
      place.day = 3;
      const left = await place.prune(policy);
      if (policy.daily === undefined) {
        assert.deepEqual(good.filter((id) => !left.includes(id)), []);
      } else assert.ok(left.includes(good.at(-1) ?? ""));
    });
  }
});

test("prune() still thins out good snapshots among snapshots with forged dates [S20]", async () => {
  await withAttacked(async (place) => {
    const good = await place.take(range(0, 10));
    await place.prune({ daily: 5 });
    for (const day of range(-14, 0)) place.forge(day);
    for (const day of range(400, 410)) place.forge(day);
    place.day = 10;
    const left = await place.prune({ daily: 3 });
    assert.deepEqual(left.filter((id) => good.includes(id)), good.slice(-3));
    assert.equal(left.length, 3 + 24);
  });
});

test("prune() still works if there is a forged snapshot without a parent [S20]", async () => {
  await withAttacked(async (place) => {
    const good = await place.take(range(0, 10));
    await place.prune({ daily: 30 });
    const later = await place.take([10, 11]);
    const forged = place.forge(11.5);
    place.day = 12;
    const left = await place.prune({ daily: 3 });
    // The forged snapshot is kept in addition.
    assert.deepEqual(left, [good[9], ...later, forged]);
    const after = await place.take([12, 13]);
    assert.deepEqual(await place.prune({ daily: 3 }), [
      later[1],
      forged,
      ...after,
    ]);
  });
});

test("a judgement names the snapshot that makes others late [S20]", async () => {
  await withAttacked(async (place) => {
    // Without an earlier prune, it is not known which snapshot is genuine.
    const good = await place.take(range(0, 5));
    const forged = place.forge(4.5);
    place.day = 5;
    const records = await place.repository.snapshots();
    const judgements = judge(records, { last: 1 }, { now: START + 5 * DAY });
    assert.deepEqual(
      judgements.map(({ keep, lateBy }) => [keep, lateBy]),
      [...good.map(() => [true, forged]), [true, undefined]],
    );
    await place.repository.forget(forged);
    assert.deepEqual(await place.prune({ last: 3 }), good.slice(-3));
    // After a prune, a snapshot with an early parent is doubted, and a good one
    // is not.
    const early = place.forge(5.1, { parent: good[2] });
    const past = place.forge(3.5);
    place.day = 5.2;
    const plan = await place.plan({ last: 1 });
    assert.deepEqual(
      plan.map(({ record: { id }, lateBy }) => [id, lateBy]),
      [[good[2], undefined], [good[3], early], [past, undefined], [
        good[4],
        early,
      ], [early, undefined]],
    );
  });
});

test("prune() asks before many snapshots with right dates displace good ones [S20]", async () => {
  const policies: [RetentionPolicy, boolean][] = [
    [{ last: 5 }, true],
    [{ last: 5, labels: ["x"] }, true],
    [{ daily: 7 }, false],
    [{ within: 7 * DAY }, false],
  ];
  for (const [policy, isRefused] of policies) {
    for (const isFirst of [true, false]) {
      await withAttacked(async (place) => {
        await place.take(range(0, 10));
        if (!isFirst) await place.prune(policy);
        place.day = 10;
        const before = new Map(place.storage.objects);
        place.append(range(1, 60).map((minute) => 10 + minute / 1440));
        place.day = 10.1;
        const flooded = new Map(place.storage.objects);
        if (!isRefused) {
          // One genuine snapshot of the same day displaces the same snapshots.
          const left = await place.prune(policy);
          place.reset(before);
          await place.take([10 + 59 / 1440]);
          place.day = 10.1;
          const kept = (await place.prune(policy)).slice(0, -1);
          assert.deepEqual(kept.filter((id) => !left.includes(id)), []);
          return;
        }
        await assert.rejects(place.prune(policy), {
          code: "unsafe",
          message: /root: 59 snapshots within a day \(usually at most 1\)/,
        });
        assert.deepEqual(place.storage.objects, flooded);
        const found: Unusual[] = [];
        const left = await place.prune(policy, (unusual) => {
          found.push(...unusual);
          return true;
        });
        assert.deepEqual(found.map(({ kind }) => kind), ["flood"]);
        assert.equal(left.length, 5);
        // The user accepted the number of snapshots, so it counts as usual now.
        place.append(range(1, 60).map((minute) => 12 + minute / 1440));
        place.day = 12.1;
        assert.equal((await place.prune(policy)).length, 5);
      });
    }
  }
});

test("prune() removes no good snapshot because many snapshots are added in small groups [S20]", async () => {
  await withAttacked(async (place) => {
    const good = await place.take(range(0, 10));
    const policy = { last: 10 };
    await place.prune(policy);
    let refused = 0;
    for (const hour of range(1, 12)) {
      place.append([10, 20].map((minute) => 9 + hour / 24 + minute / 1440));
      place.day = 9 + (hour + 0.5) / 24;
      await place.prune(policy).catch(({ code }) => {
        assert.equal(code, "unsafe");
        refused++;
      });
    }
    assert.ok(refused > 5, String(refused));
    const left = (await place.repository.snapshots()).map(({ id }) => id);
    assert.ok(good.filter((id) => left.includes(id)).length > 5);
  });
});

test("prune() asks if the newest snapshot has few of the earlier files [S20]", async () => {
  await withAttacked(async (place) => {
    await place.take(range(0, 10));
    await place.prune({ daily: 7 });
    for (const name of fs.readdirSync(place.root)) {
      fs.rmSync(join(place.root, name));
    }
    await place.take(range(10, 13));
    const before = new Map(place.storage.objects);
    await assert.rejects(place.prune({ daily: 7 }), {
      code: "unsafe",
      message: /root: the newest snapshot, .*, has 1 file, while an earlier/,
    });
    await assert.rejects(place.repository.fit(5000, { patience: 4 }), {
      code: "unsafe",
    });
    assert.deepEqual(place.storage.objects, before);
    // If nothing would be removed, there is no question.
    await place.prune({ daily: 70 });
    await place.prune({ daily: 7 });
    assert.equal((await place.repository.snapshots()).length, 7);
  });
});

test("prune() does not ask during ordinary use [S20]", async () => {
  // The clock is set back by an hour.
  await withAttacked(async (place) => {
    const hours = [...range(0, 24), ...range(23, 60)].map((hour) => hour / 24);
    await place.take(hours);
    const left = await place.prune({ daily: 3, last: 5 });
    assert.equal(left.length, 5 + 2);
  });
  // There are 200 hourly snapshots after a month without a prune.
  await withAttacked(async (place) => {
    await place.take([0]);
    place.append(range(1, 50).map((hour) => hour / 24));
    place.day = 3;
    assert.equal((await place.prune({ last: 24 })).length, 24);
    place.append(range(0, 200).map((hour) => 30 + hour / 24));
    place.day = 40;
    assert.equal((await place.prune({ last: 24 })).length, 24);
  });
  // One of two directories has many snapshots.
  await withAttacked(async (place) => {
    const other = `${place.root}-2`;
    fs.mkdirSync(other);
    for (const day of range(0, 4)) {
      await place.take([day]);
      await place.take(range(1, 9).map((at) => day + at / 24), other);
      await place.prune({ last: 3 });
    }
    const records = await place.repository.snapshots();
    const counts = Map.groupBy(records, ({ directory }) => directory);
    assert.deepEqual(
      [...counts.values()].map(({ length }) => length).sort(),
      [3, 3],
    );
  });
  // From one day on, there is a snapshot before each edit of an agent.
  await withAttacked(async (place) => {
    const policy = { within: DAY, withinHourly: 7 * DAY, daily: 31 };
    await place.take(range(0, 5));
    await place.prune(policy);
    place.append(range(0, 120).map((at) => 5 + at / 300));
    place.day = 5.4;
    await place.prune(policy);
    place.day = 7;
    await place.take([7]);
    assert.equal((await place.prune(policy)).length, 16);
  });
  // A removed snapshot that was brought back counts as before.
  await withAttacked(async (place) => {
    const ids = await place.take(range(0, 10));
    await place.prune({ last: 4 });
    await place.repository.undelete(ids[3]);
    await place.take([10]);
    const left = await place.prune({ last: 4 });
    assert.deepEqual(left.slice(0, 3), ids.slice(-3));
    assert.equal(left.length, 4);
  });
});

test("prune() does not count snapshots that were copied with earlier dates [S20]", async () => {
  await withAttacked(async (place) => {
    const good = await place.take(range(0, 10));
    const other = new MemoryStorage();
    const source = await Repository.create(other);
    for (const [name, bytes] of place.storage.objects) {
      if (name !== "deltar.json") other.objects.set(name, bytes);
    }
    place.day = 20;
    const forget = { grace: 0, patience: 4 };
    await place.repository.prune({ last: 3 }, forget);
    const records = await source.snapshots();
    await source.copyTo(place.repository, records.slice(0, 7));
    assert.equal((await place.repository.snapshots()).length, 10);
    const left = await place.prune({ last: 2 });
    assert.deepEqual(left, [...good.slice(0, 7), ...good.slice(-2)]);
  });
});

test("prune() counts a repaired snapshot in place of the damaged one [S20]", () => {
  const at = (day: number, more: Partial<SnapshotRecord> = {}) =>
    ({
      id: newId(START + day * DAY, 0),
      time: START + day * DAY,
      directory: "/a",
      ...more,
    }) as SnapshotRecord;
  const ids = range(0, 5).map((day) => at(day).id);
  const repaired = at(2, {
    id: newId(START + 2 * DAY, 0.5),
    repairs: ids[2],
  });
  const records = [
    at(0),
    at(1, { parent: ids[0] }),
    repaired,
    at(3, { parent: ids[2] }),
    at(4, { parent: ids[3] }),
  ];
  const judged: JudgeOptions["judged"] = [{
    taken: new Map([["/a", {
      times: new Map(ids.map((id, day) => [id, START + day * DAY])),
      busiest: 1,
    }]]),
    saved: new Map(),
  }];
  for (const options of [{}, { judged }]) {
    const judgements = judge(records, { last: 3 }, {
      now: START + 5 * DAY,
      ...options,
    });
    assert.deepEqual(judgements.map(({ keep }) => keep), [
      false,
      false,
      true,
      true,
      true,
    ]);
    assert.ok(judgements.every(({ isCounted }) => isCounted));
  }
});

test("judge() keeps untrusted snapshots in addition [S20]", () => {
  const records = range(0, 6).map((day) =>
    ({
      id: newId(START + day * DAY, 0),
      time: START + day * DAY,
      directory: "/a",
    }) as SnapshotRecord
  );
  const bad = new Set([records[1], records[4], records[5]]);
  for (const policy of [{ last: 2 }, { daily: 2 }]) {
    const judgements = judge(records, policy, {
      now: START + 6 * DAY,
      isTrusted: (record) => !bad.has(record),
    });
    assert.deepEqual(
      judgements.map(({ keep, isCounted }) => [keep, isCounted]),
      [
        [false, true],
        [true, false],
        [true, true],
        [true, true],
        [true, false],
        [true, false],
      ],
    );
    assert.deepEqual(judgements[5].reasons, [
      "not taken by a trusted machine",
    ]);
  }
});
