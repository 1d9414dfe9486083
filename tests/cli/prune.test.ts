import assert from "node:assert/strict";
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
