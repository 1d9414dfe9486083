import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newId } from "../../lib/repository/format/names.ts";
import { encodeLines } from "../../lib/bytes/listing.ts";
import { type Place, withPlace } from "./helpers.ts";

const DAY = 86_400_000;

/** Takes a snapshot, and stores its record again with another id and time. */
function plant(place: Place, id: string, time: string): string {
  place.write({ file: "one" });
  const { repository, id: first } = place.json(["snapshot"]);
  const folder = join(repository, "snapshots");
  const text = fs.readFileSync(join(folder, `${first}.json`), "utf8");
  const { format, version, ...rest } = JSON.parse(text.split("\n")[0]);
  const lines = encodeLines(format, version, { ...rest, id, time }, []);
  fs.writeFileSync(join(folder, `${id}.json`), lines);
  place.write({ file: "two" });
  return first;
}

test("snapshot warns immediately that the newest snapshot is ahead of the clock [S1]", async () => {
  await withPlace((place) => {
    const later = Date.now() + 60 * DAY;
    const bad = newId(later, 0);
    const first = plant(place, bad, new Date(later).toISOString());
    const taken = place.json(["snapshot"]);
    assert.equal(taken.code, 0);
    assert.equal(taken.ahead.id, bad);
    assert.equal(taken.ahead.time, new Date(later).toISOString());
    assert.ok(Date.parse(taken.time) < Date.now());
    assert.ok(taken.id > bad);
    const ids = place.json(["list"]).snapshots
      .map(({ id }: { id: string }) => id);
    assert.deepEqual(ids, [first, bad, taken.id]);
    assert.equal(place.run(["cat", "latest", "file"]).out, "two");
    const date = new Date().getFullYear();
    assert.match(
      place.run(["list"]).out,
      new RegExp(`^${taken.id.slice(-6)}    ${date}-`, "m"),
    );
    const plan = place.run(["prune", "--keep-daily", "7", "--dry-run"]).out;
    assert.match(
      plan,
      new RegExp(`^  keep    .*  ${bad.slice(-6)} .* implausible time$`, "m"),
    );
    // The other snapshot is the newest one again.
    place.run(["forget", taken.id]);
    const said = place.run(["snapshot"]).err;
    assert.match(said, /the newest snapshot \S+ has the time .* 60 days ahead/);
  });
});

test("commands name a record whose time is not plausible, and continue [A6]", async () => {
  const plants = [
    ["99991231T235959Z-3e7fff", "9999-12-31T23:59:59.999Z"],
    ["20260301T000000Z-000000", "+275760-09-13T00:00:00.000Z"],
    ["20269901T000000Z-000000", "2026-03-01T00:00:00.000Z"],
  ];
  for (const [id, time] of plants) {
    await withPlace((place) => {
      const first = plant(place, id, time);
      const told = new RegExp(`^deltar: snapshots/${id}\\.json: `);
      const taken = place.json(["snapshot"]);
      assert.equal(taken.code, 0);
      const list = place.run(["list"]);
      assert.equal(list.code, 3);
      assert.match(list.err, told);
      assert.match(
        list.out,
        new RegExp(`^${first.slice(-6)} .*\n${taken.id.slice(-6)} `, "m"),
      );
      const prune = place.run(["prune", "--keep-last", "1", "--grace", "0"]);
      assert.equal(prune.code, 1);
      assert.match(prune.err, told);
      for (const { err } of [list, prune]) {
        assert.match(err, /is not plausible/);
        assert.doesNotMatch(err, /^ +at /m);
      }
      assert.equal(place.run(["forget", id]).code, 0);
      assert.equal(place.run(["prune", "--grace", "0"]).code, 0);
      assert.equal(place.run(["cat", "latest", "file"]).out, "two");
      assert.equal(place.run(["verify", "--data"]).code, 0);
    });
  }
});
