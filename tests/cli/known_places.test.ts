import assert from "node:assert/strict";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Place, withPlace } from "./helpers.ts";

/**
 * Runs `work` in a place that is not in a temporary folder: a repository in a
 * temporary folder never counts as unmounted.
 */
async function withLastingPlace(work: (place: Place) => void): Promise<void> {
  const folder = fs.mkdtempSync(join(homedir(), ".deltar-test-"));
  try {
    await work(new Place(fs.realpathSync(folder)));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns the folder with the notes of the user of a place. */
function notesOf(place: Place): string {
  return join(place.env.HOME, ".local/state/deltar/places");
}

/**
 * Simulates that the disk of a repository is not mounted: the folder is empty,
 * and is on another file system than the recorded one.
 */
function unmount(place: Place): { disk: string; repo: string } {
  const disk = join(place.folder, "disk");
  const repo = join(disk, "backups");
  place.write({ a: "a" });
  assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  fs.renameSync(disk, join(place.folder, "elsewhere"));
  fs.mkdirSync(disk);
  swapFileSystem(place);
  return { disk, repo };
}

/** Makes the notes name another file system than the current one. */
function swapFileSystem(place: Place, mount?: string): void {
  for (const name of fs.readdirSync(notesOf(place))) {
    const note = join(notesOf(place), name);
    const known = JSON.parse(fs.readFileSync(note, "utf8"));
    known.fileSystem.mark = "another";
    known.fileSystem.mount = mount ?? known.fileSystem.mount;
    fs.writeFileSync(note, JSON.stringify(known));
  }
}

test("snapshot creates no new repository if the disk is not mounted [S5]", async () => {
  await withLastingPlace((place) => {
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
        err.includes(
          `${repo}: the repository that was here is missing. If its`,
        ),
        err,
      );
      assert.match(err, /`deltar snapshot` or `deltar copy` with `--init`/);
      assert.deepEqual(fs.readdirSync(disk), []);
    }
    // A repository at another location can still be created, and the disk can
    // be mounted again.
    assert.equal(place.run(["snapshot", "--repo", `${repo}2`]).code, 0);
    fs.rmSync(disk, { recursive: true });
    fs.renameSync(join(place.folder, "elsewhere"), disk);
    assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  });
});

test("snapshot creates a deleted repository again, and prints a note [S5]", async () => {
  await withLastingPlace((place) => {
    place.write({ a: "a" });
    const repo = join(place.folder, "backups");
    const snapshot = () => place.run(["snapshot", "--repo", repo]);
    assert.deepEqual([snapshot().code, snapshot().err], [0, ""]);
    fs.rmSync(repo, { recursive: true });
    const list = place.run(["list", "--repo", repo]);
    assert.equal(list.code, 1);
    assert.match(list.err, /the repository that was here was deleted/);
    const again = snapshot();
    assert.equal(again.code, 0);
    assert.match(again.err, /was deleted or moved; created a new one\n$/);
    assert.equal(snapshot().err, "");
    // The notes are in the state folder, because a cache may be deleted at any
    // time.
    fs.rmSync(place.cache, { recursive: true });
    fs.rmSync(repo, { recursive: true });
    swapFileSystem(place);
    assert.equal(snapshot().code, 1);
  });
});

test("snapshot never refuses the default folder or a temporary folder [S5]", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    assert.equal(place.run(["snapshot"]).code, 0);
    assert.ok(!fs.existsSync(notesOf(place)));
    fs.rmSync(place.data, { recursive: true });
    const own = place.run(["snapshot"]);
    assert.deepEqual([own.code, own.err], [0, ""]);

    // The temporary folders are those of the system, and those that services
    // name.
    const other = fs.mkdtempSync(join(homedir(), ".deltar-test-"));
    try {
      for (
        const [folder, env] of [
          [place.folder, {}],
          [place.folder, { TMPDIR: other }],
          [other, { TMPDIR: other }],
          [other, { RUNNER_TEMP: other }],
        ] as const
      ) {
        const repo = join(folder, "backups");
        const words = ["snapshot", "--repo", repo];
        assert.equal(place.run(words, { env }).code, 0);
        fs.rmSync(repo, { recursive: true });
        swapFileSystem(place);
        const again = place.run(words, { env });
        assert.equal(again.code, 0, again.err);
        assert.match(again.err, /was deleted or moved; created a new one/);
        fs.rmSync(repo, { recursive: true });
      }
      // A disk that is mounted in a temporary folder does not count as
      // temporary.
      const repo = join(place.folder, "disk/backups");
      const words = ["snapshot", "--repo", repo];
      assert.equal(place.run(words).code, 0);
      fs.rmSync(repo, { recursive: true });
      swapFileSystem(place, join(place.folder, "disk"));
      assert.equal(place.run(words).code, 1);
    } finally {
      fs.rmSync(other, { recursive: true, force: true });
    }
  });
});

test("a note that an older version stored in the cache still protects the repository [S5]", async () => {
  await withLastingPlace((place) => {
    const { repo } = unmount(place);
    const old = join(place.cache, "places");
    fs.mkdirSync(old, { recursive: true });
    const [name] = fs.readdirSync(notesOf(place));
    fs.rmSync(join(notesOf(place), name));
    const note = join(old, name.replace(".json", ""));
    fs.writeFileSync(note, `${repo}\n`);
    assert.equal(place.run(["snapshot", "--repo", repo]).code, 1);
    assert.equal(place.run(["snapshot", "--repo", repo, "--init"]).code, 0);
    assert.ok(!fs.existsSync(note));
    assert.deepEqual(fs.readdirSync(notesOf(place)), [name]);
  });
});

test("snapshot --init creates a lost repository again", async () => {
  await withLastingPlace((place) => {
    const { disk, repo } = unmount(place);
    const env = { DELTAR_REPOSITORY: repo };
    assert.equal(place.run(["snapshot"], { env }).code, 1);
    assert.equal(place.run(["snapshot", "--init"], { env }).code, 0);
    assert.equal(place.json(["list"], { env }).snapshots.length, 1);

    const copy = (...more: string[]) =>
      place.run(["copy", "--repo", repo, "--to", join(disk, "copy"), ...more]);
    assert.equal(copy().code, 0);
    fs.rmSync(join(disk, "copy"), { recursive: true });
    swapFileSystem(place);
    assert.equal(copy().code, 1);
    assert.equal(copy("--init").code, 0);

    // In a configuration, `init` would hide every disk that is not mounted.
    const config = join(place.folder, "config.json");
    const root = { directory: "root", snapshot: { init: true } };
    fs.writeFileSync(config, JSON.stringify({ backups: { root } }));
    const { err } = place.run(["backup", "--config", config]);
    assert.match(
      err,
      /"snapshot" has no option "init" in a configuration; the options are (?!.*\binit\b)/,
    );
  });
});

test("doctor names repositories that no longer exist", async () => {
  await withLastingPlace((place) => {
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
    assert.match(named.at[0].detail, /If its disk is not mounted, mount it\./);

    const { code, at: [other] } = find();
    assert.equal(code, 0);
    assert.equal(other.state, "warning");
    assert.ok(
      other.detail.startsWith(`${repo} is missing. If its disk is not`),
    );
    fs.rmSync(/delete (\S+) to end this warning\.$/.exec(other.detail)![1]);
    assert.deepEqual(find(), { code: 0, at: [] });
    assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  });
});

test("a repository is recognized by any path that leads to it", async () => {
  await withLastingPlace((place) => {
    const { disk, repo } = unmount(place);
    const link = join(place.folder, "link");
    const further = join(place.folder, "further");
    fs.symlinkSync("disk/backups", link);
    fs.symlinkSync(link, further);
    const refused = (...words: string[]) => {
      const { code, err } = place.run(words);
      assert.equal(code, 1);
      assert.match(err, /If its disk is not mounted, mount it\./);
    };
    refused("snapshot", "--repo", further);
    fs.symlinkSync(disk, join(place.folder, "parent"));
    refused("snapshot", "--repo", join(place.folder, "parent/backups"));
    fs.rmSync(disk, { recursive: true });
    refused("snapshot", "--repo", further);
    refused("list", "--repo", link);

    // A file in the mount point does not make the location another one.
    fs.mkdirSync(repo, { recursive: true });
    fs.writeFileSync(join(repo, "NOT-MOUNTED"), "");
    refused("snapshot", "--repo", repo);

    // The reverse also holds: first by a link, and then by the path itself.
    fs.mkdirSync(join(disk, "other"));
    const other = join(place.folder, "other");
    fs.symlinkSync("disk/other", other);
    assert.equal(place.run(["snapshot", "--repo", other]).code, 0);
    fs.rmSync(disk, { recursive: true });
    swapFileSystem(place);
    refused("snapshot", "--repo", join(disk, "other"));

    // A circular link is an error of the system, and causes no endless loop.
    fs.symlinkSync("round", join(place.folder, "round"));
    assert.equal(
      place.run(["snapshot", "--repo", join(place.folder, "round/r")]).code,
      1,
    );
  });
});

test("a repository is created at the target of a link, if the target does not exist", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    const link = join(place.folder, "link");
    fs.symlinkSync("disk/backups", link);
    const { code, err } = place.run(["snapshot", "--repo", link]);
    assert.equal(code, 0, err);
    assert.ok(fs.existsSync(join(place.folder, "disk/backups/deltar.json")));
  });
});

test("unreadable notes about repositories are ignored", async () => {
  await withPlace((place) => {
    const places = notesOf(place);
    place.write({ a: "a" });
    const repo = ["--repo", join(place.folder, "backups")];
    fs.mkdirSync(join(places, "folder.json"), { recursive: true });
    for (const text of ["", "null", '{"location":5}', "[".repeat(70_000)]) {
      fs.writeFileSync(join(places, "0123456789abcdef.json"), text);
      assert.equal(place.run(["doctor"]).code, 0, text);
      assert.equal(place.run(["snapshot", ...repo]).code, 0, text);
    }
    fs.rmSync(places, { recursive: true });
    fs.writeFileSync(places, "");
    assert.equal(place.run(["doctor"]).code, 0);
    assert.equal(place.run(["snapshot", ...repo]).code, 0);
  });
});
