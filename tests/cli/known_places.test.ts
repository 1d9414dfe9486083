import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Place, withPlace } from "./helpers.ts";

/** A repository on a disk that is then not mounted any more. */
function unmount(place: Place): { disk: string; repo: string } {
  const disk = join(place.folder, "disk");
  const repo = join(disk, "backups");
  place.write({ a: "a" });
  assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  fs.renameSync(disk, join(place.folder, "elsewhere"));
  fs.mkdirSync(disk);
  return { disk, repo };
}

test("no new repository is begun where a disk is not mounted", async () => {
  await withPlace((place) => {
    const { disk, repo } = unmount(place);
    const config = join(place.folder, "config.json");
    const backups = { root: { directory: "root", repo: "disk/backups" } };
    fs.writeFileSync(config, JSON.stringify({ backups }));
    for (
      const words of [
        ["snapshot", "--repo", repo],
        ["backup", "--config", config],
        ["list", "--repo", repo],
      ]
    ) {
      const { code, err } = place.run(words);
      assert.equal(code, 1, words[0]);
      assert.ok(
        err.includes(`${repo}: there was a repository here and now there is `),
        err,
      );
      assert.match(err, /`deltar snapshot` or `deltar copy` .* `--init`/);
      assert.deepEqual(fs.readdirSync(disk), []);
    }
    // Another place is as new as it ever was, and the disk may come back.
    assert.equal(place.run(["snapshot", "--repo", `${repo}2`]).code, 0);
    fs.rmSync(disk, { recursive: true });
    fs.renameSync(join(place.folder, "elsewhere"), disk);
    assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  });
});

test("a repository that is gone for good is begun anew with --init", async () => {
  await withPlace((place) => {
    const { disk, repo } = unmount(place);
    const env = { DELTAR_REPOSITORY: repo };
    assert.equal(place.run(["snapshot"], { env }).code, 1);
    assert.equal(place.run(["snapshot", "--init"], { env }).code, 0);
    assert.equal(place.json(["list"], { env }).snapshots.length, 1);

    // One that nobody named, too.
    assert.equal(place.run(["snapshot"]).code, 0);
    fs.rmSync(join(place.env.XDG_DATA_HOME, "deltar"), { recursive: true });
    assert.match(place.run(["snapshot"]).err, /if it is gone for good/i);
    assert.equal(place.run(["snapshot", "--init"]).code, 0);

    const copy = (...more: string[]) =>
      place.run(["copy", "--repo", repo, "--to", join(disk, "copy"), ...more]);
    assert.equal(copy().code, 0);
    fs.rmSync(join(disk, "copy"), { recursive: true });
    assert.equal(copy().code, 1);
    assert.equal(copy("--init").code, 0);

    // Set for all times, it would have a lost disk forgotten each time.
    const config = join(place.folder, "config.json");
    const root = { directory: "root", snapshot: { init: true } };
    fs.writeFileSync(config, JSON.stringify({ backups: { root } }));
    const { err } = place.run(["backup", "--config", config]);
    assert.match(err, /snapshot has no option init; it has (?!.*\binit\b)/);
  });
});

test("the doctor names places that are not there any more", async () => {
  await withPlace((place) => {
    const { repo } = unmount(place);
    const find = (...words: string[]) => {
      const { code, findings } = place.json(["doctor", ...words]);
      // deno-lint-ignore no-explicit-any
      return { code, at: findings.filter((one: any) => one.state !== "ok") };
    };
    const named = find("--repo", repo);
    assert.equal(named.code, 1);
    assert.equal(named.at.length, 1);
    assert.equal(named.at[0].check, "repository");
    assert.match(named.at[0].detail, /is its disk mounted\?/);

    const { code, at: [other] } = find();
    assert.equal(code, 0);
    assert.equal(other.state, "warning");
    assert.ok(other.detail.startsWith(`${repo} is not there: is its disk mo`));
    fs.rmSync(/delete (\S+)$/.exec(other.detail)![1]);
    assert.deepEqual(find(), { code: 0, at: [] });
    assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  });
});

test("a place is known by whichever path leads to it", async () => {
  await withPlace((place) => {
    const { disk, repo } = unmount(place);
    const link = join(place.folder, "link");
    const further = join(place.folder, "further");
    fs.symlinkSync("disk/backups", link);
    fs.symlinkSync(link, further);
    const refused = (...words: string[]) => {
      const { code, err } = place.run(words);
      assert.equal(code, 1);
      assert.match(err, /is its disk mounted\?/);
    };
    refused("snapshot", "--repo", further);
    fs.symlinkSync(disk, join(place.folder, "parent"));
    refused("snapshot", "--repo", join(place.folder, "parent/backups"));
    fs.rmSync(disk, { recursive: true });
    refused("snapshot", "--repo", further);
    refused("list", "--repo", link);

    // Something that stands where the disk is not makes no other place of it.
    fs.mkdirSync(repo, { recursive: true });
    fs.writeFileSync(join(repo, "NOT-MOUNTED"), "");
    refused("snapshot", "--repo", repo);

    // And the other way about: first by a link, then by its own path.
    fs.mkdirSync(join(disk, "other"));
    const other = join(place.folder, "other");
    fs.symlinkSync("disk/other", other);
    assert.equal(place.run(["snapshot", "--repo", other]).code, 0);
    fs.rmSync(disk, { recursive: true });
    refused("snapshot", "--repo", join(disk, "other"));

    // A link that leads round is a fault of the system's, and no loop.
    fs.symlinkSync("round", join(place.folder, "round"));
    assert.equal(
      place.run(["snapshot", "--repo", join(place.folder, "round/r")]).code,
      1,
    );
  });
});

test("the doctor bears notes of places that cannot be read", async () => {
  await withPlace((place) => {
    const places = join(place.env.XDG_CACHE_HOME, "deltar/places");
    fs.mkdirSync(join(places, "folder"), { recursive: true });
    assert.equal(place.run(["doctor"]).code, 0);
    fs.rmSync(places, { recursive: true });
    fs.writeFileSync(places, "");
    assert.equal(place.run(["doctor"]).code, 0);
  });
});
