import assert from "node:assert/strict";
import { test } from "node:test";
import { thinningOrder } from "../../lib/repository/prune/size_limit.ts";
import { newId } from "../../lib/repository/format/names.ts";
import {
  groupSnapshots,
  judge,
  type RetentionPolicy,
} from "../../lib/repository/prune/retention.ts";
import type { SnapshotRecord } from "../../lib/repository/format/snapshot_record.ts";

/** Returns a snapshot with a local time, written as `YYYY-MM-DD hh:mm`. */
function at(
  time: string,
  more: Partial<SnapshotRecord> = {},
): SnapshotRecord {
  const [year, month, day, hour, minute] = time.split(/\D/).map(Number);
  const moment = new Date(year, month - 1, day, hour, minute).getTime();
  return {
    id: newId(moment, 0),
    time: moment,
    directory: "/a",
    ...more,
  } as SnapshotRecord;
}

const TIMES = [
  "2024-12-30 10:00", // a Monday of the week that has New Year's Day
  "2024-12-31 23:30",
  "2025-01-01 00:10",
  "2025-01-05 23:00", // the Sunday of that week
  "2025-01-06 01:00",
  "2025-01-06 01:20",
  "2025-01-06 02:00",
  "2025-02-28 12:00",
  "2025-03-30 02:30", // where clocks are changed, an hour that may not be
  "2025-03-30 04:00",
  "2025-10-26 02:30", // and one that may be twice
  "2025-10-26 03:30",
];

const table: [string, RetentionPolicy, string[]][] = [
  ["no rule keeps all", {}, TIMES],
  ["rules of zero have no effect", { last: 0, daily: 0, labels: [] }, TIMES],
  ["the last", { last: 1 }, TIMES.slice(-1)],
  ["a rule for more snapshots than exist", { last: 100 }, TIMES],
  ["three of them", { last: 3 }, TIMES.slice(-3)],
  ["the newest of each year", { yearly: 2 }, [
    "2024-12-31 23:30",
    "2025-10-26 03:30",
  ]],
  ["of each month", { monthly: 3 }, [
    "2025-02-28 12:00",
    "2025-03-30 04:00",
    "2025-10-26 03:30",
  ]],
  ["weeks continue across the end of a year", { weekly: 9 }, [
    "2025-01-05 23:00",
    "2025-01-06 02:00",
    "2025-02-28 12:00",
    "2025-03-30 04:00",
    "2025-10-26 03:30",
  ]],
  ["of each day", { daily: 4 }, [
    "2025-01-06 02:00",
    "2025-02-28 12:00",
    "2025-03-30 04:00",
    "2025-10-26 03:30",
  ]],
  ["of each hour", { hourly: 7 }, [
    "2025-01-06 01:20",
    "2025-01-06 02:00",
    "2025-02-28 12:00",
    "2025-03-30 02:30",
    "2025-03-30 04:00",
    "2025-10-26 02:30",
    "2025-10-26 03:30",
  ]],
  ["any rule is enough", { last: 2, yearly: 2 }, [
    "2024-12-31 23:30",
    "2025-10-26 02:30",
    "2025-10-26 03:30",
  ]],
  ["all within a time before the newest", { within: 3_600_000 * 1.5 }, [
    "2025-10-26 02:30",
    "2025-10-26 03:30",
  ]],
  ["within nothing", { within: 0 }, TIMES],
  ["one of each hour within a time", { withinHourly: 293.5 * 86_400_000 }, [
    "2025-01-05 23:00",
    "2025-01-06 01:20",
    "2025-01-06 02:00",
    "2025-02-28 12:00",
    "2025-03-30 02:30",
    "2025-03-30 04:00",
    "2025-10-26 02:30",
    "2025-10-26 03:30",
  ]],
  ["one of each day within a time", { withinDaily: 293.5 * 86_400_000 }, [
    "2025-01-05 23:00",
    "2025-01-06 02:00",
    "2025-02-28 12:00",
    "2025-03-30 04:00",
    "2025-10-26 03:30",
  ]],
  ["one of each week without a limit", { withinWeekly: Infinity }, [
    "2025-01-05 23:00",
    "2025-01-06 02:00",
    "2025-02-28 12:00",
    "2025-03-30 04:00",
    "2025-10-26 03:30",
  ]],
  ["no such label", { labels: ["x"] }, ["2025-10-26 03:30"]],
];

for (const [name, policy, kept] of table) {
  test(`retention: ${name}`, () => {
    const records = TIMES.map((time) => at(time));
    const judgements = judge(records, policy);
    assert.deepEqual(judgements.map(({ record }) => record), records);
    assert.deepEqual(
      TIMES.filter((_, at) => judgements[at].keep),
      kept,
    );
    for (const { keep, reasons } of judgements) {
      assert.equal(keep, reasons.length > 0);
    }
  });
}

test("retention: reasons name every rule", () => {
  const records = [
    at("2025-01-01 10:00", { label: "release" }),
    at("2025-01-02 10:00", { label: "other" }),
    at("2025-01-02 11:00"),
  ];
  const judge2 = (policy: RetentionPolicy) =>
    judge(records, policy).map(({ reasons }) => reasons);
  assert.deepEqual(judge2({ daily: 2, labels: ["release"] }), [
    ["day 2 of 2", 'labelled "release"'],
    [],
    ["the last of its directory", "day 1 of 2"],
  ]);
  assert.deepEqual(judge2({ labels: ["*"] }).map((all) => all.length), [
    1,
    1,
    1,
  ]);
  assert.deepEqual(judge2({})[0], ["the policy has no rules"]);
});

test("retention: each directory is judged separately, in any order", () => {
  const records = [
    at("2025-01-05 10:00", { directory: "/b" }),
    at("2025-01-02 10:00"),
    at("2025-01-01 10:00", { directory: "/b" }),
    at("2025-01-03 10:00"),
  ];
  assert.deepEqual(judge(records, { last: 1 }).map(({ keep }) => keep), [
    true,
    false,
    false,
    true,
  ]);
});

test("judge() has a separate rule for safety snapshots, and judges their parts together [S3]", () => {
  const safety = { before: "restore", of: "x" } as SnapshotRecord["safety"];
  const label = "before the restore of x";
  const first = at("2025-03-03 10:00", { safety, label });
  const records = [
    at("2025-01-01 10:00"),
    at("2025-01-02 10:00", { safety, label }),
    at("2025-02-20 10:00", { safety, label }),
    first,
    at("2025-03-04 10:00", { safety: { ...safety!, continues: first.id } }),
    at("2025-03-04 11:00"),
    at("2025-01-01 10:00", { directory: "/b", safety, label }),
  ];
  const kept = (policy: RetentionPolicy) =>
    judge(records, policy).map(({ keep }) => keep ? 1 : 0).join("");
  // Safety snapshots of the last thirty days, and the last one of each
  // directory, are kept.
  assert.equal(kept({ last: 1 }), "0011111");
  assert.equal(kept({ labels: ["*"] }), "0011111");
  assert.equal(kept({ labels: [label], safety: 0 }), "0001111");
  assert.equal(kept({ last: 1, safety: Infinity }), "0111111");
  // This rule alone does not affect other snapshots: without further rules, all
  // are kept.
  assert.equal(kept({ safety: 0 }), "1001111");
  assert.equal(kept({}), "1111111");
  assert.throws(() => judge(records, { safety: -1 }), RangeError);
});

test("thinning does not treat the labels of safety snapshots as labels [S3]", () => {
  const safety = { before: "restore", of: "x" } as SnapshotRecord["safety"];
  const records = [
    at("2025-01-01 00:00", { label: "kept longest" }),
    at("2025-01-01 01:00"),
    at("2025-01-02 00:00", { safety, label: "before" }),
    at("2025-01-02 01:00", { safety, label: "before" }),
    at("2025-01-03 00:00"),
  ];
  const order = [...thinningOrder(groupSnapshots(records, {})).keys()].map((
    { id },
  ) => records.findIndex((record) => record.id === id));
  assert.deepEqual([...order].sort(), [0, 1, 2]);
  assert.equal(order.at(-1), 0);
});

test("judge() keeps every part of a restore that was interrupted twice", () => {
  const safety = { before: "restore", of: "x" } as SnapshotRecord["safety"];
  const first = at("2025-01-01 10:00", { safety });
  const part = { safety: { ...safety!, continues: first.id } };
  const records = [
    at("2024-12-01 10:00", { safety }),
    first,
    at("2025-01-02 10:00", part),
    at("2025-03-01 10:00", part),
    at("2025-03-02 10:00"),
  ];
  const judgements = judge(records, { last: 1 });
  assert.deepEqual(judgements.map(({ keep }) => keep), [
    false,
    true,
    true,
    true,
    true,
  ]);
});

test("retention: no further snapshot is removed because a clock jumped", () => {
  // The order of the ids is the order of the snapshots. Ages count from the
  // newest one.
  const records = [
    at("2025-01-01 10:00"),
    at("2025-01-02 10:00"),
    { ...at("2099-01-01 10:00"), time: at("2025-01-02 11:00").time },
  ];
  const within = 2 * 3_600_000;
  assert.deepEqual(judge(records, { within }).map(({ keep }) => keep), [
    false,
    true,
    true,
  ]);
});

test("retention: a value other than a number is refused", () => {
  for (const policy of [{ last: -1 }, { daily: 1.5 }, { within: NaN }]) {
    assert.throws(() => judge([], policy), RangeError);
  }
});

test("thinning begins where snapshots are most frequent, and keeps labels and the last snapshot", () => {
  const records = [
    at("2025-01-01 00:00", { label: "kept longest" }),
    at("2025-01-01 01:00"),
    at("2025-01-02 00:00"),
    at("2025-01-02 00:30"),
    at("2025-01-03 00:00"),
    at("2025-01-03 00:01", { directory: "/b" }),
  ];
  const order = [...thinningOrder(groupSnapshots(records, {})).keys()];
  assert.equal(order.length, 4);
  assert.equal(order.at(-1), records[0]);
  assert.ok(order.indexOf(records[2]) < order.indexOf(records[1]));
  assert.ok(!order.includes(records[4]) && !order.includes(records[5]));
  assert.deepEqual([...thinningOrder(groupSnapshots(records, {})).values()], [
    1,
    2,
    3,
    4,
  ]);
});
