import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./helpers.ts";

test("label, drill and stats say what they did, and list shows it", async () => {
  await withPlace((place) => {
    const words = ["--repo", join(place.folder, "repo")];
    place.write({ "a.txt": "first", "sub/b.txt": "second" });
    const { id } = place.json(["snapshot", ...words]);

    const labelled = place.run([
      "label",
      "latest",
      "before\nthe move",
      ...words,
    ]);
    assert.equal(labelled.code, 0, labelled.err);
    assert.match(labelled.out, /is labelled "before\\nthe move"/);
    assert.equal(
      place.json(["list", ...words]).snapshots[0].label,
      "before\nthe move",
    );
    assert.match(place.run(["label", "latest", ...words]).out, /has no label/);

    const drilled = place.json(["drill", "--files", "1", ...words]);
    assert.deepEqual([drilled.code, drilled.snapshot, drilled.files], [
      0,
      id,
      1,
    ]);
    assert.match(place.run(["drill", ...words]).out, /each is what was stored/);
    const [listed] = place.json(["list", ...words]).snapshots;
    assert.equal(listed.proven.files, 2);
    assert.match(place.run(["list", ...words]).out, /proven \d{4}-/);

    const stats = place.json(["stats", ...words]);
    assert.equal(stats.snapshot, id);
    assert.deepEqual(
      stats.folders.map(({ path }: { path: string }) => path).sort(),
      ["", "sub"],
    );
    assert.equal(stats.snapshots[0].proven.failed, 0);
    const told = place.run(["stats", "latest", "sub", ...words]);
    assert.equal(told.code, 0, told.err);
    assert.match(told.out, /sub\/b\.txt/);
    assert.doesNotMatch(told.out, /a\.txt/);
    assert.match(told.out, /proven \d{4}-/);
    assert.equal(place.run(["drill", "--files", "none", ...words]).code, 2);
  });
});
