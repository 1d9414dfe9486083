import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HELD, needsHeld } from "../support/other_user.ts";
import { COMMAND, type Outcome, type Place, withPlace } from "./helpers.ts";

function run(place: Place, words: string[]): Outcome {
  const [program, ...args] = [...HELD, ...COMMAND, ...words];
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: place.root,
    env: place.env,
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

test(
  "list and snapshot do not count unreadable paths as deleted [S10]",
  needsHeld,
  async () => {
    await withPlace((place) => {
      place.write({ f: "secret", "folder/g": "g", gone: "x", other: "y" });
      assert.equal(run(place, ["snapshot"]).code, 0);
      fs.chmodSync(join(place.root, "f"), 0);
      fs.chmodSync(join(place.root, "folder"), 0);
      fs.rmSync(join(place.root, "gone"));
      try {
        const taken = run(place, ["snapshot"]);
        assert.equal(taken.code, 3, taken.err);
        assert.match(taken.out, /deleted +1 file\n/);
        assert.match(taken.out, /renamed +0 files\n/);
        const { snapshots } = place.json(["list"]);
        assert.equal(snapshots[1].counts.deleted, 1);
        assert.match(place.run(["list"]).out, / -1 t1 .*incomplete: 2 paths\n/);
        const diff = run(place, ["diff", "latest~1", "latest"]).out;
        assert.match(diff, /^\? f was skipped: /m);
        assert.match(diff, /^- gone$/m);
        for (const path of ["f", "folder", "folder/g"]) {
          assert.match(
            run(place, ["why", path]).out,
            /is skipped: (?:folder: )?cannot be read: permission denied/,
            path,
          );
        }
        assert.match(
          run(place, ["why", "f", "latest"]).out,
          /^f is skipped: f: unreadable/,
        );
        assert.match(run(place, ["why", "other"]).out, /other is included/);
      } finally {
        fs.chmodSync(join(place.root, "folder"), 0o755);
      }
      // A copy of an unreadable file does not count as its new name.
      fs.writeFileSync(join(place.root, "copy"), "secret");
      const copied = run(place, ["snapshot"]);
      assert.match(copied.out, /renamed +0 files\n/);
    });
  },
);

test("snapshot does not count a file that is excluded from now on as deleted [S10]", async () => {
  await withPlace((place) => {
    place.write({ a: "a", "b/c": "c", d: "d" });
    place.run(["snapshot"]);
    fs.rmSync(join(place.root, "d"));
    const taken = place.json(["snapshot", "--exclude", "/b/"]);
    assert.equal(taken.counts.deleted, 1);
  });
});

test("diff and list show the mode of the directory itself [S9]", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    fs.chmodSync(place.root, 0o755);
    place.run(["snapshot"]);
    fs.chmodSync(place.root, 0o700);
    place.run(["snapshot"]);
    assert.equal(
      place.run(["diff", "latest~1", "latest"]).out,
      "t ./: mode 0755 -> 0700\n",
    );
    assert.equal(place.run(["diff", "latest~1", "latest", "a"]).out, "");
    assert.equal(place.json(["list"]).snapshots[1].counts.touched, 1);
    assert.match(place.run(["list"]).out, / t1\n/);
    const { changes } = place.json(["diff", "latest~1", "latest"]);
    assert.deepEqual(changes, [
      {
        change: "touched",
        path: "",
        kind: "directory",
        size: 0,
        fields: ["mode"],
      },
    ]);
  });
});

test("diff and list do not show a file as updated if only its hard links changed [S9]", async () => {
  await withPlace((place) => {
    const at = (name: string) => join(place.root, name);
    const link = (from: string, to: string) => fs.linkSync(at(from), at(to));
    const copy = (name: string) => {
      const bytes = fs.readFileSync(at(name));
      fs.rmSync(at(name));
      fs.writeFileSync(at(name), bytes);
    };
    const steps: [string, () => void, string[]][] = [
      ["a link is broken", () => copy("c"), ["t c: hard links, time"]],
      ["and made", () => {
        fs.rmSync(at("c"));
        link("b", "c");
      }, ["t c: hard links, time"]],
      ["the first name goes", () => fs.rmSync(at("b")), [
        "- b",
        "t c: hard links",
        "t d: hard links",
      ]],
      ["another comes before it", () => link("c", "a"), [
        "= c -> a",
        "t c: hard links",
        "t d: hard links",
      ]],
      ["the content changes", () => fs.writeFileSync(at("a"), "other"), [
        "~ a",
        "~ c",
        "~ d",
      ]],
    ];
    place.write({ b: "content" });
    link("b", "c");
    link("b", "d");
    place.run(["snapshot"]);
    for (const [name, change, lines] of steps) {
      change();
      const { counts } = place.json(["snapshot"]);
      const shown = place.run(["diff", "latest~1", "latest"]).out;
      assert.deepEqual(shown.trimEnd().split("\n"), lines, name);
      const count = (sign: string) =>
        lines.filter((line) => line.startsWith(sign)).length;
      assert.deepEqual(
        [counts.touched, counts.updated, counts.deleted],
        [count("t"), count("~"), count("-")],
        name,
      );
    }
    assert.match(place.run(["verify", "--data"]).out, /Found no damage/);
    assert.equal(
      place.run(["restore", "latest", "--to", "../back"]).code,
      0,
    );
    const { ino } = fs.statSync(join(place.folder, "back/a"));
    assert.equal(fs.statSync(join(place.folder, "back/d")).ino, ino);
    assert.equal(
      fs.readFileSync(join(place.folder, "back/c"), "utf8"),
      "other",
    );
  });
});
