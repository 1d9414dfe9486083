import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noise } from "../support/noise.ts";
import { needs, run } from "../support/peer.ts";
import { needsPosix, needsSymlinks } from "../support/system.ts";
import { type Place, withPlace } from "./helpers.ts";

/** Writes secrets and other files, and takes two snapshots. */
function prepare(place: Place): void {
  place.write({ "file": "one\n", "sub/file": "two\n" });
  fs.mkdirSync(join(place.root, "sub/keys"), { recursive: true });
  fs.writeFileSync(join(place.root, "token"), noise(3000, 1));
  fs.writeFileSync(join(place.root, "sub/keys/a"), noise(3000, 2));
  assert.equal(place.run(["snapshot", "--init"]).code, 0);
  place.write({ "file": "more\n" });
  assert.equal(place.run(["snapshot"]).code, 0);
}

test("purge deletes paths from all snapshots, and its JSON describes the result", async () => {
  await withPlace((place) => {
    prepare(place);
    const plan = place.json(["purge", "token", "--dry-run"]);
    assert.equal(plan.code, 0);
    assert.equal(plan.snapshots.length, 2);
    assert.deepEqual(plan.snapshots[0].paths, ["token"]);
    assert.deepEqual([plan.contents, plan.bytes], [1, 3000]);
    const before = place.json(["list"]).snapshots;
    assert.equal(before[0].purged, undefined);
    const done = place.json(["purge", "token", "--yes"]);
    assert.equal(done.code, 0);
    assert.equal(done.replaced.length, 2);
    const { snapshots } = place.json(["list"]);
    assert.deepEqual(
      snapshots.map((one: { repairs: string }) => one.repairs),
      before.map((one: { id: string }) => one.id),
    );
    assert.deepEqual(snapshots[0].purged.paths, ["token"]);
    assert.match(place.run(["list"]).out, /purged \d{4}-/);
    assert.doesNotMatch(place.run(["files", "latest"]).out, /token/);
    assert.equal(place.run(["verify", "--data"]).code, 0);
    const restored = place.run(["restore", "latest", "--to", "../restored"]);
    assert.equal(restored.code, 0);
    assert.deepEqual(
      fs.readFileSync(join(place.root, "../restored/sub/keys/a")),
      Buffer.from(noise(3000, 2)),
    );
    // The file is still in the directory, so it is stored again.
    assert.match(
      place.run(["purge", "sub/keys", "--yes"]).err,
      /sub\/keys: still in the directory/,
    );
    assert.equal(place.run(["snapshot"]).code, 0);
    assert.match(place.run(["files", "latest"]).out, /token/);
  });
});

test("purge takes patterns in an option", async () => {
  await withPlace((place) => {
    place.write({
      "a.key": "1",
      "sub/b.key": "2",
      "sub/deep/c.key": "3",
      "cache/x": "4",
      "sub/cache": "5",
      "x": "6",
    });
    assert.equal(place.run(["snapshot", "--init"]).code, 0);
    fs.rmSync(join(place.root, "sub/b.key"));
    place.write({ "sub/e.key": "10" });
    assert.equal(place.run(["snapshot"]).code, 0);
    const planned = (patterns: string[], words: string[] = [], at = "") => {
      const options = patterns.flatMap((one) => ["--pattern", one]);
      const all = ["purge", "--dry-run", ...options, ...words];
      return place.json(all, { cwd: join(place.root, at) }).paths.sort();
    };
    const inSub = ["sub/b.key", "sub/e.key"];
    assert.deepEqual(planned(["*.key"]), [
      "a.key",
      "sub/b.key",
      "sub/deep/c.key",
      "sub/e.key",
    ]);
    assert.deepEqual(planned(["./*.key"]), ["a.key"]);
    assert.deepEqual(planned(["sub/*.key"]), inSub);
    assert.deepEqual(planned([join(place.root, "sub/*.key")]), inSub);
    assert.deepEqual(planned(["c*e/"]), ["cache"]);
    assert.deepEqual(planned(["./*.key", "c*e/"], ["x"]), [
      "a.key",
      "cache",
      "x",
    ]);
    assert.deepEqual(planned(["sub/**"]), [
      "sub/b.key",
      "sub/cache",
      "sub/deep",
      "sub/e.key",
    ]);
    assert.deepEqual(planned(["*.key"], [], "sub"), [
      "b.key",
      "deep/c.key",
      "e.key",
    ]);
    assert.deepEqual(planned(["*.key"], ["../x"], "sub"), [
      "sub/b.key",
      "sub/deep/c.key",
      "sub/e.key",
      "x",
    ]);
    assert.deepEqual(planned(["./*.key"], ["../x"], "sub"), [...inSub, "x"]);
    const none = place.run(["purge", "--pattern", "*.gone", "--dry-run"]);
    assert.match(none.err, /\*\.gone: no path .* matches this pattern/);
    const failed = place.run(["purge", "--pattern", "*.gone", "--yes"]);
    assert.equal(failed.code, 1);
    assert.match(failed.err, /`deltar find` searches/);
    const done = place.run(["purge", "--pattern", "*.key", "--yes"]);
    assert.equal(done.code, 0, done.err);
    for (const snapshot of ["latest~1", "latest"]) {
      const { out } = place.run(["files", snapshot]);
      assert.doesNotMatch(out, /\.key/);
      assert.match(out, /cache/);
    }
    assert.equal(place.run(["verify", "--data"]).code, 0);
  });
});

test("purge treats each argument as a path, even if it is repeated", async () => {
  await withPlace((place) => {
    place.write({ "src/[id].ts": "1", "src/i.ts": "2", "src/d.ts": "3" });
    assert.equal(place.run(["snapshot", "--init"]).code, 0);
    const words = ["purge", "src/[id].ts", "--yes"];
    assert.equal(place.run(words).code, 0);
    const again = place.run(words);
    assert.equal(again.code, 1);
    assert.match(again.err, /no snapshot and no volume has this path/);
    const { out } = place.run(["files", "latest"]);
    assert.match(out, /src\/d\.ts[^]*src\/i\.ts/);
    assert.doesNotMatch(out, /\[id\]/);
    const starred = place.run(["purge", "src/*.ts", "--yes"]);
    assert.equal(starred.code, 1);
    assert.match(starred.err, /for a pattern, use `--pattern`/);
    assert.equal(place.run(["files", "latest"]).out, out);
  });
});

test("purge treats the name of a folder before a pattern literally", async () => {
  await withPlace((place) => {
    place.write({ "p[1]/a.key": "1", "p1/b.key": "2", "x": "3" });
    assert.equal(place.run(["snapshot", "--init"]).code, 0);
    const cwd = join(place.root, "p[1]");
    for (const pattern of ["*.key", "./*.key", join(cwd, "*.key")]) {
      const words = ["purge", "../x", "--pattern", pattern, "--dry-run"];
      const { paths } = place.json(words, { cwd });
      assert.deepEqual(paths.sort(), ["p[1]/a.key", "x"]);
    }
  });
});

test(
  "purge treats a backslash in a pattern as an escape",
  needsPosix("backslashes in patterns"),
  async () => {
    await withPlace((place) => {
      place.write({ "*.pem": "1", "sub/*.pem": "2", "d.pem": "3" });
      assert.equal(place.run(["snapshot", "--init"]).code, 0);
      const words = ["purge", "--pattern", "\\*.pem", "--dry-run"];
      const { paths } = place.json(words);
      assert.deepEqual(paths.sort(), ["*.pem", "sub/*.pem"]);
    });
  },
);

test("purge accepts paths of a subfolder, and deletes the remembered state", async () => {
  await withPlace((place) => {
    prepare(place);
    const states = () =>
      fs.readdirSync(place.cache).filter((name) => name.endsWith(".state"));
    assert.equal(states().length, 1);
    const cwd = join(place.root, "sub");
    const done = place.json(["purge", "keys", "--yes"], { cwd });
    assert.deepEqual(done.snapshots[0].paths, ["sub/keys"]);
    assert.deepEqual(states(), []);
    const whole = join(place.root, "token");
    assert.equal(place.run(["purge", whole, "--yes"]).code, 0);
    assert.doesNotMatch(place.run(["files", "latest"]).out, /token|keys/);
  });
});

test("purge needs a confirmation, an existing path and a directory", async () => {
  await withPlace((place) => {
    prepare(place);
    const refused = place.run(["purge", "token"]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /without a terminal .* `--yes`/);
    assert.match(place.run(["files", "latest"]).out, /token/);
    const missing = place.run(["purge", "nothing", "--yes"]);
    assert.equal(missing.code, 1);
    assert.match(missing.err, /nothing: no snapshot .* has this path/);
    const whole = place.run(["purge", ".", "--yes"]);
    assert.match(whole.err, /whole directory.*`deltar forget`/);
    assert.equal(place.run(["purge"]).code, 2);
    const from = place.run(["purge", "token", "--from", "20200101", "--yes"]);
    assert.equal(from.code, 1);
    assert.match(from.err, /20200101: no such snapshot/);
  });
});

test("purge deletes a symlink, not the file that it points to", {
  ...needsSymlinks,
}, async () => {
  await withPlace((place) => {
    prepare(place);
    fs.symlinkSync("sub/keys", join(place.root, "current"));
    assert.equal(place.run(["snapshot"]).code, 0);
    const through = place.run(["purge", "current/a", "--yes"]);
    assert.match(through.err, /current\/a: no snapshot .* has this path/);
    const link = join(place.root, "current");
    const cwd = join(place.root, "sub/keys");
    const plan = place.json(["purge", link, "--dry-run"], { cwd });
    assert.deepEqual(plan.snapshots[0].paths, ["current"]);
    const { code, snapshots } = place.json(["purge", "current", "--yes"]);
    assert.equal(code, 0);
    assert.deepEqual(snapshots[0].paths, ["current"]);
    const { out } = place.run(["files", "latest"]);
    assert.match(out, /sub\/keys\/a/);
    assert.doesNotMatch(out, /current/);
  });
});

test("purge accepts paths above the current directory, and names missing ones", async () => {
  await withPlace((place) => {
    prepare(place);
    const cwd = join(place.root, "sub");
    const { code, err, out } = place.run(
      ["purge", "../token", "file", "sub/file", "--dry-run", "--json"],
      { cwd },
    );
    assert.equal(code, 0);
    const plan = JSON.parse(out);
    assert.deepEqual(plan.snapshots[0].paths, ["token", "sub/file"]);
    assert.deepEqual(plan.missing, ["sub/sub/file"]);
    assert.match(err, /sub\/sub\/file: no snapshot/);
    const nested = place.run(["purge", "sub/file", "keys", "--dry-run"]);
    assert.match(nested.err, /keys: no snapshot/);
    const suffix = place.run(["purge", "sub/keys/a", "a", "--dry-run"]);
    assert.match(suffix.err, /^deltar: a: no snapshot/m);
    const folder = place.json(["purge", ".", "--dry-run"], { cwd });
    assert.deepEqual(folder.snapshots[0].paths, ["sub"]);
  });
});

test("purge names a damaged volume if nothing else has the path", async () => {
  await withPlace((place) => {
    prepare(place);
    const [repository] = fs.readdirSync(join(place.data, "repositories"));
    const folder = join(place.data, "repositories", repository, "volumes");
    const [name] = fs.readdirSync(folder);
    fs.chmodSync(join(folder, name), 0o600);
    fs.writeFileSync(join(folder, name), noise(3000, 3));
    const { code, err } = place.run(["purge", "nothing", "--yes"]);
    assert.equal(code, 3);
    assert.ok(
      err.includes(`volumes/${name}: this object might still hold`),
      err,
    );
  });
});

test("purge exits with 3 if the content stays in other files", async () => {
  await withPlace((place) => {
    prepare(place);
    fs.copyFileSync(join(place.root, "token"), join(place.root, "copy"));
    assert.equal(place.run(["snapshot"]).code, 0);
    const { code, err } = place.run(["purge", "token", "--yes"]);
    assert.equal(code, 3);
    assert.match(err, /copy in .*: this file has the same content as token/);
    fs.copyFileSync(join(place.root, "copy"), join(place.root, "token"));
    assert.equal(place.run(["snapshot"]).code, 0);
    const from = place.run(["purge", "token", "--from", "latest", "--yes"]);
    assert.equal(from.code, 3);
    const all = place.run(["purge", "copy", "--all", "--yes"]);
    assert.equal(all.code, 0);
    assert.doesNotMatch(place.run(["files", "latest"]).out, /copy|token/);
    assert.equal(place.run(["verify", "--data"]).code, 0);
  });
});

test(
  "zstd and tar read the rewritten volumes, which have nothing of the file",
  { ...needs("zstd", "tar") },
  async () => {
    await withPlace((place) => {
      prepare(place);
      assert.equal(place.run(["purge", "token", "--yes"]).code, 0);
      const [repository] = fs.readdirSync(join(place.data, "repositories"));
      const folder = join(place.data, "repositories", repository, "volumes");
      const secret = Buffer.from(noise(3000, 1));
      let found = 0;
      for (const name of fs.readdirSync(folder)) {
        const packed = join(folder, name);
        const plain = Buffer.from(run("zstd", ["-dc", packed]));
        for (let at = 0; at < secret.length; at += 60) {
          assert.ok(!plain.includes(secret.subarray(at, at + 60)), name);
        }
        const listed = String(run("tar", ["--zstd", "-tf", packed]));
        assert.doesNotMatch(listed, /token/);
        if (/^purged$/m.test(listed)) found++;
      }
      assert.equal(found, 1);
    });
  },
);
