import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needsMount, runApart } from "../support/apart.ts";
import { COMMAND, withPlace } from "./helpers.ts";

test("label, drill and stats print their results, and list shows them", async () => {
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
    assert.match(labelled.out, /has the label "before\\nthe move"/);
    assert.equal(
      place.json(["list", ...words]).snapshots[0].label,
      "before\nthe move",
    );
    assert.match(
      place.run(["label", "latest", "--remove", ...words]).out,
      /has no label/,
    );

    const drilled = place.json(["drill", "--files", "1", ...words]);
    assert.deepEqual([drilled.code, drilled.snapshot, drilled.files], [
      0,
      id,
      1,
    ]);
    assert.match(
      place.run(["drill", ...words]).out,
      /Each matches its SHA-256/,
    );
    const [listed] = place.json(["list", ...words]).snapshots;
    assert.equal(listed.proven.files, 2);
    assert.match(place.run(["list", ...words]).out, /tested \d{4}-/);

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
    assert.match(told.out, /tested \d{4}-/);
    for (const files of ["none", "0", "-1"]) {
      const { code, err } = place.run(["drill", "--files", files, ...words]);
      assert.equal(code, 2, files);
      assert.match(err, /Use a whole number/);
    }
    const copy = ["copy", ...words, "--to", "../copy"];
    assert.equal(place.run(copy).code, 0);
    assert.match(place.run(copy).out, /Copied 0 .*; 1 was already there\n$/);

    // If no file could be restored, the drill fails.
    fs.rmSync(join(place.folder, "repo/volumes"), { recursive: true });
    const failed = place.run(["drill", ...words]);
    assert.equal(failed.code, 1);
    assert.match(failed.out, /^2 files cannot be restored\. .*\n$/);
  });
});

test("drill of a snapshot without files says that it restored none", async () => {
  await withPlace((place) => {
    fs.mkdirSync(join(place.root, "empty"));
    const { id } = place.json(["snapshot"]);
    const { code, out } = place.run(["drill"]);
    assert.deepEqual([code, out], [0, `Restored no files of ${id}.\n`]);
  });
});

test(
  "drill of a read-only repository prints its result",
  needsMount(),
  async () => {
    await withPlace((place) => {
      place.write({ "a.txt": "first" });
      place.run(["snapshot", "--repo", "../repo"]);
      const drill = [...COMMAND, "drill", "--repo", "repo"].join(" ");
      const script = `
      mount --bind repo repo; mount -o remount,ro,bind repo
      ${drill} >out 2>err; echo $? >codes
      ${drill} --json >json 2>>err; echo $? >>codes`;
      runApart(script, { cwd: place.folder, env: place.env });
      const read = (name: string) =>
        fs.readFileSync(join(place.folder, name), "utf8");
      assert.equal(read("codes"), "3\n3\n", read("err"));
      assert.match(
        read("out"),
        /^Restored 1 file .* Each matches its SHA-256\.$/m,
      );
      assert.match(
        read("err"),
        /^(?:deltar: the next drill .* could not be recorded: cannot write to \S+\/repo: the file system is read-only\n){2}$/,
      );
      assert.match(JSON.parse(read("json")).unnoted, /read-only$/);
    });
  },
);
