import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs, runText } from "../support/peer.ts";
import { isWindows, needsPosix } from "../support/system.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Returns the lines that `diff` prints, except changes of times only. */
function diff(place: Place, words: string[], cwd?: string): string[] {
  const { code, out, err } = place.run(["diff", ...words], { cwd });
  assert.equal(code, 0, err);
  return out.split("\n").slice(0, -1)
    .filter((line) => !/^t .*: time$/.test(line));
}

test("diff SNAPSHOT compares with the directory as it is now", async () => {
  await withPlace((place) => {
    place.write({ a: "a\n", b: "b\n", "sub/c": "c\n", "sub/gone": "gone\n" });
    const { id } = place.json(["snapshot"]);
    assert.deepEqual(diff(place, ["latest"]), []);
    place.write({ a: "changed\n", "sub/new": "new\n" });
    fs.rmSync(join(place.root, "sub/gone"));
    fs.renameSync(join(place.root, "b"), join(place.root, "sub/b"));
    const all = ["~ a", "> b -> sub/b", "- sub/gone", "+ sub/new"];
    assert.deepEqual(diff(place, ["latest"]), all);
    assert.deepEqual(diff(place, [id]), all);
    const inSub = all.slice(1);
    for (const words of [["sub"], ["./sub"], ["sub/"]]) {
      assert.deepEqual(diff(place, ["latest", ...words]), inSub);
    }
    assert.deepEqual(diff(place, ["latest:sub"]), inSub);
    assert.deepEqual(diff(place, ["latest", "a", "sub/new"]), [
      "~ a",
      "+ sub/new",
    ]);
    // Paths are relative to the current directory.
    const sub = join(place.root, "sub");
    assert.deepEqual(diff(place, ["latest", "new"], sub), ["+ sub/new"]);
    const { before, directory, changes } = place.json(["diff", "latest"]);
    assert.deepEqual([before, directory], [id, place.root]);
    assert.ok(changes.some(({ path }: { path: string }) => path === "sub/new"));
    // A snapshot of the current state gives the same result.
    place.run(["snapshot"]);
    assert.deepEqual(diff(place, ["latest~1", "latest"]), all);
    assert.deepEqual(diff(place, ["latest~1", "latest", "a"]), ["~ a"]);
    assert.deepEqual(diff(place, ["latest~1", "latest", "a", "sub/new"]), [
      "~ a",
      "+ sub/new",
    ]);
  });
});

test("diff takes a path that is spelled like a snapshot with ./", async () => {
  await withPlace((place) => {
    place.write({ latest: "1\n", other: "1\n" });
    place.run(["snapshot"]);
    place.write({ latest: "2\n", other: "2\n" });
    assert.deepEqual(diff(place, ["latest", "latest"]), []);
    assert.deepEqual(diff(place, ["latest", "./latest"]), ["~ latest"]);
    assert.deepEqual(diff(place, ["latest", "."]), ["~ latest", "~ other"]);
  });
});

test("diff SNAPSHOT uses the exclude rules of the snapshot", async () => {
  await withPlace((place) => {
    place.write({ a: "a", "b.tmp": "b", "c.log": "c" });
    place.run(["snapshot", "--exclude", "*.tmp"]);
    place.write({ "b.tmp": "changed", "d.tmp": "new", a: "changed" });
    assert.deepEqual(diff(place, ["latest"]), ["~ a"]);
    // A file that is excluded now does not count as deleted, not even in a
    // patch.
    place.write({ ".deltarignore": "*.log\n" });
    const lines = diff(place, ["latest"]);
    assert.ok(lines.some((line) => line.startsWith("? c.log was excluded")));
    const { out } = place.run(["diff", "latest", "--patch"]);
    assert.doesNotMatch(out, /c\.log/);
  });
});

test("diff --checksum finds a change that kept the size and time", async () => {
  await withPlace((place) => {
    place.write({ a: "one" });
    const file = join(place.root, "a");
    const old = new Date("2020-01-01T00:00:00Z");
    fs.utimesSync(file, old, old);
    place.run(["snapshot"]);
    place.write({ a: "two" });
    fs.utimesSync(file, old, old);
    assert.deepEqual(diff(place, ["latest"]), []);
    assert.deepEqual(diff(place, ["latest", "--checksum"]), ["~ a"]);
    // A file that changed while the snapshot was taken is always read again.
    place.write({ b: "one" });
    place.run(["snapshot"]);
    const { mtime } = fs.statSync(join(place.root, "b"));
    place.write({ b: "two" });
    fs.utimesSync(join(place.root, "b"), mtime, mtime);
    assert.deepEqual(diff(place, ["latest"]), ["~ b"]);
  });
});

test("diff SNAPSHOT works for several directories", async () => {
  await withPlace((place) => {
    place.write({ "one/a": "a", "two/b": "b", "three/c": "c" });
    const repo = ["--repo", join(place.folder, "repo")];
    const { id } = place.json(["snapshot", "one", "two", ...repo]);
    place.write({ "one/a": "changed", "three/c": "changed", "two/n": "new" });
    assert.deepEqual(diff(place, [id, ...repo]), ["~ one/a", "+ two/n"]);
    const one = join(place.root, "one");
    assert.deepEqual(diff(place, ["latest", "a", ...repo], one), ["~ one/a"]);
  });
});

test("diff SNAPSHOT finds no change in a sparse file that is unchanged", {
  ...needs("truncate"),
  ...isWindows && { skip: "needs holes" },
}, async () => {
  await withPlace((place) => {
    place.write({ sparse: "start" });
    runText("truncate", ["-s", "20M", join(place.root, "sparse")]);
    place.run(["snapshot"]);
    assert.deepEqual(diff(place, ["latest", "--checksum"]), []);
    // `appendFileSync` of Deno changes the mode.
    const append = 'printf end >> "$1"';
    runText("sh", ["-c", append, "sh", join(place.root, "sparse")]);
    assert.deepEqual(diff(place, ["latest"]), ["~ sparse"]);
    const { out } = place.run(["diff", "latest", "--patch"]);
    assert.match(out, /^Binary files a\/sparse and b\/sparse differ$/m);
  });
});

test("diff names what it cannot read, and exits with 3", async () => {
  await withPlace((place) => {
    place.write({ a: "a\n", b: "b\n" });
    place.run(["snapshot", "--repo", "../repo"]);
    // The content in the repository is damaged.
    const volumes = join(place.folder, "repo/volumes");
    for (const name of fs.readdirSync(volumes, { recursive: true })) {
      const file = join(volumes, String(name));
      if (fs.statSync(file).isFile()) fs.truncateSync(file, 20);
    }
    place.write({ a: "changed\n", new: "new\n" });
    const words = ["diff", "latest", "--patch", "--repo", "../repo"];
    const { code, out, err } = place.run(words);
    assert.equal(code, 3, err);
    assert.match(err, /^deltar: a: .*deltar verify --data/m);
    assert.match(out, /^\+new$/m);
    assert.doesNotMatch(out, /changed/);
  });
});

test("show prints a snapshot and its changes", async () => {
  await withPlace((place) => {
    place.write({ a: "a", "sub/b": "b" });
    const first = place.json(["snapshot"]);
    const shown = place.run(["show"]);
    assert.equal(shown.code, 0);
    assert.match(
      shown.out,
      /There is no earlier snapshot to compare this one with/,
    );
    place.write({ a: "changed", "sub/c": "c" });
    const second = place.json(["snapshot", "--label", "evening"]);
    const { out } = place.run(["show", "evening"]);
    assert.ok(out.startsWith(`Snapshot ${second.id} of ${place.root}\n`), out);
    assert.match(out, /^ {2}label {7}evening$/m);
    assert.match(out, /^ {2}found {7}3 files, 1 directory, 9 B$/m);
    assert.ok(out.includes(`changes since ${first.id}:\n`), out);
    assert.match(out, /^ {2}~ a$/m);
    assert.match(out, /^ {2}\+ sub\/c$/m);
    // The printed line restores the snapshot.
    const [, line] = /^Restore it with:\n {2}.*?(restore .*)$/m.exec(out)!;
    const restored = place.run(line.split(" "));
    assert.equal(restored.code, 0, restored.err);
    const json = place.json(["show", second.id]);
    assert.equal(json.before, first.id);
    assert.equal(json.trust, "trusted");
    assert.equal(json.label, "evening");
    assert.equal(json.restore.includes(second.id), true);
    assert.deepEqual(
      json.folders.find(({ path }: { path: string }) => path === "sub"),
      { path: "sub", created: 1 },
    );
  });
});

test(
  "show names a change of the directory itself",
  needsPosix("modes"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "a" });
      fs.chmodSync(place.root, 0o755);
      place.run(["snapshot"]);
      fs.chmodSync(place.root, 0o700);
      place.run(["snapshot"]);
      assert.match(place.run(["show"]).out, /^ {2}t \.\/: mode 0755 -> 0700$/m);
      assert.deepEqual(place.json(["show"]).folders, [{
        path: "",
        touched: 1,
      }]);
    });
  },
);

test("show names damaged records of earlier snapshots, and exits with 3", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    place.env.DELTAR_REPOSITORY = repo;
    place.write({ a: "a" });
    const { id } = place.json(["snapshot"]);
    place.write({ a: "changed" });
    place.run(["snapshot"]);
    const [record] = fs.readdirSync(join(repo, "snapshots")).filter((name) =>
      name.startsWith(id)
    );
    fs.truncateSync(join(repo, "snapshots", record), 10);
    const { code, out, err } = place.run(["show"]);
    assert.equal(code, 3);
    assert.ok(err.includes(record), err);
    assert.match(out, /There is no earlier snapshot to compare this one with/);
  });
});

test("show prints the folders with the most changes", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    place.run(["snapshot"]);
    const files = (folder: string, count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, at) => [`${folder}/${at}`, "x"]),
      );
    for (let at = 0; at < 20; at++) place.write(files(`f${at}`, 2));
    place.write(files("most", 30));
    place.run(["snapshot"]);
    const { out } = place.run(["show"]);
    const lines = out.split("\n");
    const at = lines.findIndex((line) => /changes since/.test(line));
    // The directory itself has 21 new folders.
    assert.deepEqual(lines.slice(at + 1, at + 3), [
      "  most/  +30",
      "  ./  +21",
    ]);
    assert.match(out, /and 10 other folders/);
    assert.match(out, /`deltar diff \S+ \S+` shows all changes/);
    assert.equal(place.json(["show"]).folders.length, 12);
  });
});
