/** The command with names that are not valid UTF-8. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { toJson } from "../../cli/text.ts";
import { run, runText } from "../support/peer.ts";
import {
  bash,
  needsRawNames,
  plantFew,
  remove,
  word,
} from "../support/raw_names.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Runs `work` in a place with names that are not valid UTF-8. */
function withNames(work: (place: Place) => void): Promise<void> {
  return withPlace((place) => {
    remove(place.root);
    plantFew(place.root);
    try {
      work(place);
    } finally {
      remove(place.root);
    }
  });
}

/** Returns the id of the first snapshot. */
function firstId(place: Place): string {
  return place.json(["list", "--repo", "../repo"]).snapshots[0].id;
}

test(
  "commands print paths with \\xff, and accept them in this form",
  needsRawNames,
  async () => {
    await withNames((place) => {
      const first = place.run(["snapshot", "--init", "--repo", "../repo", "."]);
      assert.equal(first.code, 0, first.err);
      const id = firstId(place);
      const files = place.run(["files", id, "--repo", "../repo"]).out;
      assert.deepEqual(
        files.trim().split("\n").map((line) =>
          line.replace(/^(?:\S+ +){6}/, "")
        ),
        [
          "caf\\x5cxe9.txt",
          "caf\\xe9.txt",
          "d\\xf0r/",
          "d\\xf0r/f\\xff",
          "hard\\xe8 -> caf\\xe9.txt",
          "link -> ./to\\xc3",
          "plain",
        ],
      );
      const { entries } = place.json(["files", id, "--repo", "../repo"]);
      const paths = entries.map(({ path }: { path: string }) => path);
      for (
        const path of ["caf\\xe9.txt", "caf\\x5cxe9.txt", "d\\xf0r/f\\xff"]
      ) {
        assert.ok(paths.includes(path), path);
        const shown = place.run(["files", id, path, "--repo", "../repo"]);
        assert.equal(shown.out.trim().split("\n").length, 1, shown.err);
      }
      const cat = (path: string) =>
        place.run(["cat", id, path, "--repo", "../repo"]).out;
      assert.equal(cat("caf\\xe9.txt"), "content");
      assert.equal(cat("caf\\x5cxe9.txt"), "its name is plain");
      assert.equal(cat("./d\\xf0r/../d\\xf0r/f\\xff"), "below");

      const part = [
        "restore",
        id,
        "--repo",
        "../repo",
        "--to",
        "../part",
        "--",
      ];
      assert.equal(place.run([...part, "d\\xf0r/f\\xff"]).code, 0);
      const found = (words: string[]) =>
        run("find", ["../part", ...words], { cwd: place.root });
      assert.deepEqual(
        new Uint8Array(found(["-type", "f", "-printf", "%P"])),
        Uint8Array.from("d\xf0r/f\xff", (char) => char.charCodeAt(0)),
      );
      // A folder with such a path cannot be the target of a restore.
      const inPlace = ["--repo", "../repo", "--in-place"];
      const refused = place.run(["restore", `${id}:d\\xf0r`, ...inPlace]);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /d\\xf0r: cannot restore .* with --to/);

      bash(place.root, [`rm ${word("d\xf0r/f\xff")}`]);
      const again = ["restore", id, ...inPlace, "--", "d\\xf0r"];
      assert.equal(place.run(again).code, 0);
      assert.equal(cat("d\\xf0r/f\\xff"), "below");

      bash(place.root, [`printf more >> ${word("d\xf0r/f\xff")}`]);
      const second = place.json(["snapshot", "--repo", "../repo", "."]);
      assert.equal(second.code, 0);
      const diff = place.run(["diff", id, second.id, "--repo", "../repo"]);
      assert.match(diff.out, /^~ d\\xf0r\/f\\xff$/m);

      const log = place.json(["log", "d\\xf0r/f\\xff", "--repo", "../repo"]);
      assert.equal(log.path, "d\\xf0r/f\\xff");
      assert.deepEqual(
        log.versions.map(({ change }: { change: string }) => change),
        ["updated", "created"],
      );
      const find = ["find", "caf?.txt", "--repo", "../repo"];
      assert.equal(place.json(find).paths[0].path, "caf\\xe9.txt");
      assert.deepEqual(place.json([...find, "--deleted"]).paths, []);
      bash(place.root, [`mv ${word("caf\xe9.txt")} ${word("caf\xe8.txt")}`]);
      place.run(["snapshot", "--repo", "../repo", "."]);
      assert.equal(place.json([...find, "--deleted"]).paths.length, 1);
      const [renamed] =
        place.json(["log", "caf\\xe8.txt", "--repo", "../repo"]).versions;
      assert.equal(renamed.from, "caf\\xe9.txt");
      remove(join(place.folder, "part"));
    });
  },
);

test("lists of paths can have such paths", needsRawNames, async () => {
  await withNames((place) => {
    runText("sh", ["-c", `printf 'd\\360r\\0plain\\0' > ../list`], {
      cwd: place.root,
    });
    const words = ["snapshot", "--init", "--repo", "../repo", "."];
    const { code, err } = place.run([...words, "--files-from0", "../list"]);
    assert.equal(code, 0, err);
    const { entries } = place.json([
      "files",
      firstId(place),
      "--repo",
      "../repo",
    ]);
    assert.deepEqual(
      entries.map(({ path }: { path: string }) => path),
      ["d\\xf0r", "d\\xf0r/f\\xff", "plain"],
    );
  });
});

test("toJson() escapes paths, and does not change other texts", () => {
  const value = {
    path: "a\udcff\\xff",
    paths: ["b\udcfe", "\\xff"],
    label: "\\xff",
    nested: [{ target: "\\x5c \ud83d\ude00" }],
  };
  assert.deepEqual(JSON.parse(toJson(value)), {
    path: "a\\xff\\x5cxff",
    paths: ["b\\xfe", "\\xff"],
    label: "\\xff",
    nested: [{ target: "\\x5cx5c \ud83d\ude00" }],
  });
});
