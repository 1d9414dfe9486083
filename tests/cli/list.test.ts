import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shortIds } from "../../cli/short_ids.ts";
import { formatBytes } from "../../shared/text.ts";
import { needsPosix } from "../support/system.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Returns the first word of each line that begins with an id. */
function idsIn(text: string): string[] {
  return [...text.matchAll(/^((?:\d{8}T\d{6}Z-)?[0-9a-f]{6}(?:-safety)?) /gm)]
    .map(([, id]) => id);
}

/** Takes two snapshots, and returns their short ids. */
function take(place: Place): string[] {
  place.write({ a: "1" });
  place.run(["snapshot"]);
  place.write({ a: "22", b: "2" });
  place.run(["snapshot"]);
  return idsIn(place.run(["list"]).out);
}

test("shortIds() returns ids that name one snapshot each", () => {
  const ids = [
    "20261125T194354Z-20e89e",
    "20261125T194355Z-20e89e",
    "20261125T194356Z-202611",
    "20261125T194357Z-abcdef",
    "20261125T194358Z-123456",
    "20261125T194358Z-123456-safety",
  ];
  assert.deepEqual(
    [...shortIds(ids, ["abcdef"]).values()],
    // The third id would be the beginning of all ids, and the fourth is a
    // label.
    [...ids.slice(0, 4), "123456", "123456-safety"],
  );
});

test("every command accepts the ids that list prints", async () => {
  await withPlace((place) => {
    const [first, second] = take(place);
    const { snapshots } = place.json(["list"]);
    assert.deepEqual(
      snapshots.map(({ id }: { id: string }) => id.slice(-6)),
      [first, second],
    );
    const done = (...words: string[]) => {
      const { code, out, err } = place.run(words);
      assert.equal(code, 0, `${words.join(" ")}: ${err}`);
      return out;
    };
    assert.match(done("diff", first, second), /^~ a\n\+ b\n$/);
    assert.match(done("files", first), / a\n$/);
    assert.match(done("files", `${first}:`), / a\n$/);
    assert.equal(done("cat", first, "a"), "1");
    done("why", "a", first);
    done("label", first, "good");
    done("stats", first);
    done("drill", first);
    done("copy", first, "--to", join(place.folder, "copies"));
    done("restore", first, "--to", join(place.folder, "restored"));
    done("restore", first, "--in-place");
    const safety = idsIn(done("list", "--safety"))[2];
    assert.match(safety, /^[0-9a-f]{6}-safety$/);
    assert.match(done("files", safety), / a\n$/);
    done("forget", first);
    done("undelete", first);
    assert.equal(idsIn(done("list")).length, 2);
    assert.deepEqual(
      idsIn(done("list", "--long")),
      snapshots.map(({ id }: { id: string }) => id),
    );
  });
});

test("list shows how much each snapshot added and, with --now, how much only it needs", async () => {
  await withPlace((place) => {
    take(place);
    const { snapshots } = place.json(["stats"]);
    const own = snapshots.map((one: { own: number }) => one.own);
    const listed = place.json(["list", "--now"]).snapshots;
    assert.deepEqual(listed.map((one: { own: number }) => one.own), own);
    const { out } = place.run(["list", "--now"]);
    assert.match(out, /^Snapshot .* Size +Added +Now {2}Changes\n/);
    assert.match(
      out,
      new RegExp(`^\\S+ .* ${formatBytes(own[0])} {2}\\+1 *$`, "m"),
    );
    assert.doesNotMatch(place.run(["list"]).out, /Now/);
    assert.equal(place.json(["list"]).snapshots[0].own, undefined);
  });
});

test("list distinguishes several directories and machines", async () => {
  await withPlace((place) => {
    const repo = ["--repo", join(place.folder, "repo")];
    const other = join(place.folder, "other");
    fs.mkdirSync(other);
    place.write({ a: "1" });
    place.run(["snapshot", ...repo]);
    assert.doesNotMatch(place.run(["list", ...repo]).out, /:\n/);
    fs.writeFileSync(join(other, "b"), "2");
    place.run(["snapshot", other, ...repo]);
    const env = { DELTAR_MACHINE: "second" };
    place.run(["snapshot", ...repo], { env });
    const { out } = place.run(["list", ...repo]);
    const id = "[0-9a-f]{6} .*\n";
    assert.match(
      out,
      new RegExp(
        `^Snapshot .*\n${other}:\n${id}${place.root} on .*:\n${id}` +
          `${place.root} on .*:\n${id}3 snapshots of 2 directories added `,
      ),
    );
    const own = place.run(["list", "--dir", other, ...repo]).out;
    assert.equal(idsIn(own).length, 1);
  });
});

test(
  "list marks a snapshot that lacks a file",
  needsPosix("modes"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1", ".deltar-stage-x": "2" });
      assert.equal(place.run(["snapshot"]).code, 3);
      const { out } = place.run(["list"]);
      assert.match(out, /^[0-9a-f]{6} .* {2}incomplete: 1 path$/m);
      fs.rmSync(join(place.root, ".deltar-stage-x"));
      place.write({ a: "2" });
      assert.equal(place.run(["snapshot"]).code, 0);
      assert.match(place.run(["list"]).out, /~1 *\n1?2 snapshots/);
    });
  },
);
