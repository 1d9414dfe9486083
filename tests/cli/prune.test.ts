import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseBytes, parseDuration } from "../../cli/quantity.ts";
import { noise } from "../support/noise.ts";
import { withPlace } from "./helpers.ts";

const text = (length: number, seed: number) =>
  Array.from(noise(length, seed), (byte) => byte.toString(36)).join("");

test("prune says why, removes, and undelete brings back", async () => {
  await withPlace((place) => {
    const ids = [1, 2, 3].map((seed) => {
      place.write({ file: text(4000, seed) });
      return place.json(["snapshot", "--label", `n${seed}`]).id as string;
    });
    const rules = ["--keep-last", "1", "--keep-label", "n1"];
    const plan = place.run(["prune", ...rules, "--dry-run"]);
    assert.equal(plan.code, 0, plan.err);
    assert.match(
      plan.out,
      new RegExp(`^keep    ${ids[0]} .* labelled "n1"$`, "m"),
    );
    assert.match(plan.out, new RegExp(`^remove  ${ids[1]} .* frees \\d`, "m"));
    assert.match(plan.out, /^Would remove 1 snapshot of 3; /m);
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

test("of what is young the newest of each period stays", async () => {
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
        `young enough, one of its ${unit}`,
      ]);
      // Unless the clock struck in between.
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

test("a size is kept to and said, and remembered when asked", async () => {
  await withPlace((place) => {
    for (const seed of [1, 2, 3, 4]) {
      place.write({ file: text(8000, seed) });
      place.run(["snapshot"]);
    }
    place.write({ file: text(8000, 5) });
    const words = ["snapshot", "--max-size", "25kB", "--remember"];
    const fit = place.run(words);
    assert.equal(fit.code, 0, fit.err);
    assert.match(fit.out, /removed +\d{8}T\S+ of .*to save space/);
    assert.match(fit.out, /size .* were more than the 25.0 KB allowed/);
    place.write({ file: text(8000, 6) });
    const again = place.json(["snapshot"]);
    assert.equal(again.size.maxSize, 25_000);
    assert.ok(again.size.after <= 25_000);
    const tooMuch = place.run(["snapshot", "--max-size", "1k"]);
    assert.equal(tooMuch.code, 3);
    assert.match(tooMuch.err, /they stay/);
    assert.equal(place.json(["list"]).snapshots.length, 1);
    place.run(["snapshot", "--max-size", "none", "--remember"]);
    assert.equal(place.json(["snapshot"]).size, undefined);
  });
});

test("sizes and durations as people write them", () => {
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
