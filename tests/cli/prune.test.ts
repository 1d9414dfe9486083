import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { parseBytes, parseDuration } from "../../cli/quantity.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { previewLines } from "../../cli/prune_preview.ts";
import { newId, recordName } from "../../lib/repository/format/names.ts";
import {
  encodeRecord,
  type SnapshotRecord,
} from "../../lib/repository/format/snapshot_record.ts";
import {
  judge,
  type RetentionPolicy,
} from "../../lib/repository/prune/retention.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { noise } from "../support/noise.ts";
import { withPlace } from "./helpers.ts";

const text = (length: number, seed: number) =>
  Array.from(noise(length, seed), (byte) => byte.toString(36)).join("");

test("prune prints reasons and removes snapshots, and undelete brings them back", async () => {
  await withPlace((place) => {
    const ids = [1, 2, 3].map((seed) => {
      place.write({ file: text(4000, seed) });
      return place.json(["snapshot", "--label", `n${seed}`]).id as string;
    });
    const rules = ["--keep-last", "1", "--keep-label", "n1"];
    const plan = place.run(["prune", ...rules, "--dry-run"]);
    assert.equal(plan.code, 0, plan.err);
    const [first, second, third] = ids.map((id) => id.slice(-6));
    const date = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d";
    assert.match(
      plan.out,
      new RegExp(
        `^${place.root}: keeps 2 of 3 snapshots, frees .*\n` +
          `  keep    ${date}  ${first}  n1  labelled\n` +
          `  remove  ${date}  ${second}  n2  frees \\d.*\n` +
          `  keep    ${date}  ${third}  n3  last, 1 of 1\n` +
          `Would remove 1 of 3 snapshots\\. The first prune after ${date} ` +
          "frees the space of 1 snapshot; until then, `deltar undelete` brings " +
          "it back" +
          "\\.\nThis removal would free .* of .*\\.\n$",
      ),
    );
    // The columns are the same with colors, where the runtime can force them.
    const colored = place.run(["prune", ...rules, "--dry-run"], {
      env: { NO_COLOR: "", FORCE_COLOR: "1" },
    });
    // A minute may have passed since the plan.
    const undated = (out: string) => out.replaceAll(new RegExp(date, "g"), "");
    assert.equal(
      undated(stripVTControlCharacters(colored.out)),
      undated(plan.out),
    );
    assert.equal(place.json(["list"]).snapshots.length, 3);

    const pruned = place.json(["prune", ...rules]);
    assert.deepEqual(pruned.removed, [ids[1]]);
    assert.deepEqual(pruned.purged, []);
    assert.equal(place.json(["list"]).snapshots.length, 2);
    assert.match(place.run(["undelete"]).out, /\(policy\) {2}n2/);
    assert.equal(place.run(["undelete", ids[1]]).code, 0);
    assert.equal(place.json(["list"]).snapshots.length, 3);

    assert.equal(place.run(["forget", "latest", "latest~1"]).code, 0);
    assert.deepEqual(
      place.json(["list"]).snapshots.map(({ id }: { id: string }) => id),
      [ids[0]],
    );
    const purged = place.json(["prune", "--grace", "0"]);
    assert.deepEqual(purged.purged, ids.slice(1));
    assert.equal(purged.code, 0);
    const gone = place.run(["undelete", ids[1]]);
    assert.equal(gone.code, 1);
    assert.match(gone.err, /no removed snapshot/);
    assert.equal(place.run(["restore", "latest", "--to", "../back"]).code, 0);
    assert.equal(place.run(["prune", "--keep-last", "x"]).code, 2);
    assert.equal(place.run(["prune", "--grace", "soon"]).code, 2);
  });
});

test("prune prints what was removed and when its space is freed, or that there is nothing to do", async () => {
  await withPlace((place) => {
    for (const seed of [1, 2, 3]) {
      place.write({ file: text(4000, seed) });
      place.run(["snapshot"]);
    }
    const idle = place.run(["prune"]).out;
    assert.match(
      idle,
      /^Nothing to remove or free: kept 3 snapshots\. The repository uses .*\.\n$/,
    );
    const { out } = place.run(["prune", "--keep-last", "1"]);
    assert.match(
      out,
      /root: removed 2 snapshots, of \d{4}-\d\d-\d\d\nRemoved 2 of 3 snapshots\. The repository uses .*\nThe first prune after \d{4}.* frees the space of 2 removed snapshots; until/,
    );
    const waiting = place.run(["prune", "--keep-last", "1"]).out;
    assert.match(
      waiting,
      /^Nothing to remove or free: kept 1 snapshot\. .* the space of 2 removed snapshots; .*\n$/,
    );
    const plan = place.run(["prune", "--dry-run"]).out;
    assert.match(plan, /\n2 earlier removals would free .* of .*\.\n$/);
    const now = place.run(["prune", "--grace", "0"]).out;
    assert.match(
      now,
      /^Purged 2 removed snapshots\. Deleted \d objects and freed .*\n$/,
    );
  });
});

test("prune --dry-run prints few lines, regardless of the number of snapshots", () => {
  const HOUR = 3_600_000;
  const records = Array.from({ length: 10_000 }, (_, at) => {
    const time = Date.UTC(2026, 0, 1) + at * HOUR;
    const directory = `/home/${at % 40}`;
    return { id: newId(time, Math.random()), time, directory };
  }) as SnapshotRecord[];
  const of = (policy: RetentionPolicy) =>
    previewLines(
      judge(records, policy, { now: Date.UTC(2028, 0, 1) }),
      policy,
      new Map(),
    );
  for (const policy of [{}, { last: 5 }, { daily: 7, weekly: 8 }]) {
    const lines = of(policy);
    assert.ok(lines.length <= 20 * 32 + 1, String(lines.length));
    const heads = lines.filter((line) => line.startsWith("/home/"));
    assert.equal(heads.length, 20);
    assert.match(
      lines.at(-1)!,
      /^20 more directories: keeps [\d,]+ of 5,000 snapshots$/,
    );
  }
  assert.match(
    of({ last: 5 }).join("\n"),
    /\n {2}remove .* to .* {2}245 snapshots {2}frees 0 B\n {2}keep .* {2}5 snapshots {4}last, 1 to 5 of 5\n/,
  );
  for (const record of records) record.directory = "/home";
  const lines = of({ hourly: 30, daily: 200, weekly: 100 });
  assert.equal(lines.length, 32);
  assert.match(
    lines[1],
    /^ {2}before 2027-.*: keeps \d+ of 9,\d+ snapshots; `--json` names all$/,
  );
  // The newest days and hours are shown.
  assert.match(lines.at(-1)!, /hourly, 1 of 30; daily, 1 of 200; weekly, 1/);
});

test("prune treats 0 as no rule, and its help says so [S2]", async () => {
  await withPlace((place) => {
    for (const seed of [1, 2, 3]) {
      place.write({ file: text(400, seed) });
      place.run(["snapshot"]);
    }
    const periods = ["hourly", "daily", "weekly", "monthly", "yearly"];
    const ages = ["", "-hourly", "-daily", "-weekly"];
    const rules = [
      ...["last", ...periods].map((rule) => `--keep-${rule}`),
      ...ages.map((rule) => `--keep-within${rule}`),
    ];
    const all = rules.flatMap((rule) => [rule, "0"]);
    assert.deepEqual(place.json(["prune", ...all]).removed, []);
    assert.deepEqual(place.json(["prune", "--keep-within", "0"]).removed, []);
    const one = ["prune", "--keep-within", "0", "--keep-last", "2"];
    assert.equal(place.json(one).removed.length, 1);
    const help = place.run(["prune", "--help"]).out.replaceAll(/\s+/g, " ");
    assert.match(help, /A rule of 0 has no effect/);
  });
});

test("list --safety shows safety snapshots, and --json marks them [S3]", async () => {
  await withPlace((place) => {
    place.write({ file: "one" });
    place.run(["snapshot"]);
    place.write({ file: "two" });
    place.run(["snapshot"]);
    place.write({ file: "three" });
    const back = ["restore", "latest~1", "--in-place"];
    assert.equal(place.run(back).code, 0);
    const plain = place.run(["list"]).out;
    assert.doesNotMatch(plain, /^[0-9a-f]{6}-safety /m);
    assert.match(plain, /^2 snapshots of /m);
    assert.match(
      plain,
      /^Not shown: 1 safety snapshot\. `deltar list --safety`/m,
    );
    const shown = place.run(["list", "--safety"]).out;
    assert.match(shown, /^[0-9a-f]{6}-safety /m);
    assert.match(shown, /^3 snapshots of /m);
    assert.match(shown, /`deltar undo` and `deltar redo` restore them/);
    const { snapshots } = place.json(["list"]);
    assert.deepEqual(
      snapshots.map(({ safety }: { safety?: { before: string } }) =>
        safety?.before
      ),
      [undefined, undefined, "restore"],
    );
    // A safety snapshot is not the last of its directory, and nobody labeled
    // it.
    const plan = place.json([
      ...["prune", "--dry-run", "--keep-label", "*", "--keep-safety", "1d"],
    ]);
    assert.deepEqual(
      plan.snapshots.map(({ reasons }: { reasons: string[] }) =>
        reasons.join()
      ),
      [
        "",
        "the last of its directory",
        "needed to undo the last restore to its directory,recent safety snapshot",
      ],
    );
  });
});

test("prune --keep-within-hourly, -daily and -weekly keep the newest snapshot of each period", async () => {
  await withPlace((place) => {
    const ids = [1, 2].map((seed) => {
      place.write({ file: text(4000, seed) });
      return place.json(["snapshot", "--label", `n${seed}`]).id as string;
    });
    for (
      const [name, unit] of [["hourly", "hour"], ["daily", "day"], [
        "weekly",
        "week",
      ]]
    ) {
      const rule = [`--keep-within-${name}`, "1d"];
      const { snapshots } = place.json(["prune", ...rule, "--dry-run"]);
      assert.deepEqual(
        snapshots.map(({ id }: { id: string }) => id),
        ids,
      );
      const [old, last] = snapshots;
      assert.deepEqual(last.reasons, [
        "the last of its directory",
        `young enough, newest of its ${unit}`,
      ]);
      // The hour or day may have changed in the meantime.
      const isOfOther = old.keep;
      assert.deepEqual(old.reasons, isOfOther ? last.reasons.slice(1) : []);
    }
    const config = join(place.folder, "config.json");
    const prune = {
      keepWithinHourly: "2d",
      keepWithinDaily: "30d",
      keepWithinWeekly: "1y",
    };
    const root = { directory: "root", prune };
    fs.writeFileSync(config, JSON.stringify({ backups: { root } }));
    const { out, err } = place.run(["backup", "--config", config, "--dry-run"]);
    assert.match(
      out,
      / --keep-within-hourly=2d --keep-within-daily=30d --keep-within-weekly=1y$/m,
      err,
    );
    assert.equal(place.run(["prune", "--keep-within-daily", "7"]).code, 2);
  });
});

test("snapshot --max-size applies a size limit and, if requested, stores it", async () => {
  await withPlace((place) => {
    for (const seed of [1, 2, 3, 4]) {
      place.write({ file: text(8000, seed) });
      place.run(["snapshot"]);
    }
    place.write({ file: text(8000, 5) });
    const words = ["snapshot", "--max-size", "25kB", "--remember"];
    const fit = place.run(words);
    assert.equal(fit.code, 0, fit.err);
    assert.match(fit.out, /removed +\d{8}T\S+ of .*to free space/);
    assert.match(fit.out, /size .* exceeded the limit of 25.0 KB/);
    place.write({ file: text(8000, 6) });
    const again = place.json(["snapshot"]);
    assert.equal(again.size.maxSize, 25_000);
    assert.ok(again.size.after <= 25_000);
    const tooMuch = place.run(["snapshot", "--max-size", "1k"]);
    assert.equal(tooMuch.code, 3);
    assert.match(tooMuch.err, /is never removed/);
    assert.equal(place.json(["list"]).snapshots.length, 1);
    place.run(["snapshot", "--max-size", "none", "--remember"]);
    assert.equal(place.json(["snapshot"]).size, undefined);
  });
});

test("a size limit that only the repository names removes snapshots with a grace period [A1]", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repository");
    const snapshot = (seed: number, more: string[] = [], env = {}) => {
      place.write({ file: text(8000, seed) });
      return place.json(["snapshot", "--repo", repo, ...more], { env });
    };
    const ids = [1, 2, 3].map((seed) => snapshot(seed).id);
    // An attacker may add objects to the repository.
    fs.mkdirSync(join(repo, "settings"));
    fs.writeFileSync(
      join(repo, "settings/20991231T000000Z-000000.json"),
      encodeLines("deltar-settings", 1, { maxSize: 1 }, []),
    );
    const last = snapshot(4);
    assert.equal(last.code, 0);
    assert.equal(last.size.grace, 7 * 86_400_000);
    assert.deepEqual([...last.size.removed].sort(), ids);
    const undelete = place.run(["undelete", ...ids, "--repo", repo]);
    assert.equal(undelete.code, 0, undelete.err);
    const back = ["restore", ids[0], "--repo", repo, "--to", "../back"];
    assert.equal(place.run(back).code, 0);
    const said = place.run(["snapshot", "--repo", repo, "--label", "said"]);
    assert.match(
      said.out,
      /in the repository's settings; .* \d removed snapshots is freed/,
    );

    // A limit that the user of this machine set applies immediately, but only
    // on this machine.
    const limit = ["--max-size", "20kB", "--remember"];
    assert.equal(snapshot(5, limit).size.grace, 0);
    assert.equal(snapshot(6).size.grace, 0);
    const home = join(place.folder, "other");
    const env = { HOME: home, XDG_DATA_HOME: join(home, "data") };
    assert.ok(snapshot(7, [], env).size.grace > 0);
    assert.equal(snapshot(8, ["--max-size", "20kB"], env).size.grace, 0);
  });
});

test("prune removes no good snapshot because of forged dates, and asks if there are too many new snapshots [S20]", async () => {
  await withPlace(async (place) => {
    const repo = join(place.folder, "repository");
    const repository = await Repository.create(new LocalStorage(repo));
    const clock = Date.now;
    const start = clock();
    const at = async (days: number) => {
      place.write({ file: text(400, days) });
      Date.now = () => start + days * 86_400_000;
      const walker = new Walker(place.root, { excludes: [] });
      return (await repository.snapshot(walker)).record;
    };
    const good: SnapshotRecord[] = [];
    try {
      for (let days = -10; days < 0; days++) good.push(await at(days));
    } finally {
      Date.now = clock;
    }
    const prune = ["prune", "--keep-last", "5", "--repo", repo];
    assert.deepEqual(
      place.json(prune).removed,
      good.slice(0, 5).map(({ id }) => id),
    );
    const kept = good.slice(5).map(({ id }) => id);
    /** Adds a snapshot with the given time, in milliseconds from now. */
    const add = (time: number, parent?: string) => {
      const { parent: _, parentSha256: __, ...rest } = good[9];
      const id = newId(start + time, Math.random());
      const record = { ...rest, id, time: start + time, parent };
      fs.writeFileSync(join(repo, recordName(id)), encodeRecord(record));
      return id;
    };
    const forged = [];
    for (let day = 1; day < 400; day += 20) {
      forged.push(add(day * 86_400_000), add(-(day + 20) * 86_400_000));
    }
    const attacked = place.run([...prune, "--keep-daily", "5"]);
    assert.equal(attacked.code, 0, attacked.err);
    assert.match(
      attacked.out,
      /^The rules do not count 40 snapshots, which are kept\. /m,
    );
    const listed = () =>
      place.json(["list", "--repo", repo]).snapshots
        .map(({ id }: { id: string }) => id) as string[];
    assert.deepEqual(listed().toSorted(), [...forged, ...kept].sort());
    const plan = place.run([...prune, "--dry-run"]);
    assert.match(plan.out, /^ {2}keep .* {2}implausible time$/m);
    assert.match(plan.out, /^ {2}keep .* {2}appeared after later snapshots$/m);
    assert.doesNotMatch(plan.out, /the repository did not have/);
    for (const id of forged) fs.rmSync(join(repo, recordName(id)));
    // A snapshot that claims an early snapshot as its parent is named, with
    // advice.
    const early = add(60_000, kept[0]);
    const stalled = place.run(prune);
    assert.equal(stalled.code, 0, stalled.err);
    assert.ok(
      stalled.out.includes(
        `The rules do not count 4 snapshots of ${place.root}, because the ` +
          `repository did not have them when snapshot ${early} was taken. ` +
          "`deltar list` shows all snapshots. If you did not take snapshot " +
          `${early}, \`deltar forget ${early}\` makes the rules count these ` +
          "snapshots again.",
      ),
      stalled.out,
    );
    assert.equal(listed().length, kept.length + 1);
    fs.rmSync(join(repo, recordName(early)));

    let parent: string | undefined = kept.at(-1);
    for (let minute = -60; minute < 0; minute++) {
      parent = add(minute * 60_000, parent);
    }
    const refused = place.run(prune);
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /root: 61 snapshots within a day \(usually at most 1\) would replace 5/,
    );
    assert.equal(listed().length, 65);
    const { err } = place.run([...prune, "--json"]);
    assert.equal(JSON.parse(err).code, "unsafe");
    const unusual = place.json([...prune, "--dry-run"]).unusual;
    assert.deepEqual(unusual, [{
      kind: "flood",
      directory: place.root,
      snapshots: 61,
      usual: 1,
      lost: 5,
    }]);
    const size = place.run([
      ...["snapshot", "--repo", repo, "--label", "x"],
      ...["--max-size", "1kB"],
    ]);
    assert.match(
      size.err,
      /the size limit was not applied: nothing was removed/,
    );
    assert.equal(listed().length, 66);
    assert.equal(place.run([...prune, "--accept-unusual"]).code, 0);
    assert.equal(listed().length, 5);
  });
});

test("parseBytes() and parseDuration() accept the usual forms", () => {
  assert.equal(parseBytes("500M"), 500e6);
  assert.equal(parseBytes("2.5GB"), 2.5e9);
  assert.equal(parseBytes("10GiB"), 10 * 2 ** 30);
  assert.equal(parseBytes("7B"), 7);
  assert.equal(parseDuration("1y6m"), 545 * 86_400_000);
  assert.equal(parseDuration("90min"), 5_400_000);
  assert.equal(parseDuration("0"), 0);
  for (const bad of ["", "0", "0B", "7", "-1", "1x", "9999P", "M"]) {
    assert.throws(() => parseBytes(bad));
  }
  for (const bad of ["", "1", "d", "1d x", "-1d"]) {
    assert.throws(() => parseDuration(bad));
  }
});
