import assert from "node:assert/strict";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Place, withPlace } from "./helpers.ts";

/**
 * Runs `work` at a place that is not among temporary files: what lies there is
 * never taken for unmounted.
 */
async function withLastingPlace(work: (place: Place) => void): Promise<void> {
  const folder = fs.mkdtempSync(join(homedir(), ".deltar-test-"));
  try {
    await work(new Place(fs.realpathSync(folder)));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Where the notes of a place's user are. */
function notesOf(place: Place): string {
  return join(place.env.HOME, ".local/state/deltar/places");
}

/**
 * A repository on a disk that is then not mounted any more: its folder is
 * empty, and on another file system than the one that was noted.
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

/** Makes the notes name another file system than the present one. */
function swapFileSystem(place: Place, mount?: string): void {
  for (const name of fs.readdirSync(notesOf(place))) {
    const note = join(notesOf(place), name);
    const known = JSON.parse(fs.readFileSync(note, "utf8"));
    known.fileSystem.mark = "another";
    known.fileSystem.mount = mount ?? known.fileSystem.mount;
    fs.writeFileSync(note, JSON.stringify(known));
  }
}

test("no new repository is begun where a disk is not mounted [S5]", async () => {
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
    // Another place is as new as it ever was, and the disk may come back.
    assert.equal(place.run(["snapshot", "--repo", `${repo}2`]).code, 0);
    fs.rmSync(disk, { recursive: true });
    fs.renameSync(join(place.folder, "elsewhere"), disk);
    assert.equal(place.run(["snapshot", "--repo", repo]).code, 0);
  });
});

test("a repository that was deleted is begun anew, and that is said [S5]", async () => {
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
    // The memory is in the state folder: a cache may be cleared at any time.
    fs.rmSync(place.cache, { recursive: true });
    fs.rmSync(repo, { recursive: true });
    swapFileSystem(place);
    assert.equal(snapshot().code, 1);
  });
});

test("the default folder and temporary ones are never refused [S5]", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    assert.equal(place.run(["snapshot"]).code, 0);
    assert.ok(!fs.existsSync(notesOf(place)));
    fs.rmSync(place.data, { recursive: true });
    const own = place.run(["snapshot"]);
    assert.deepEqual([own.code, own.err], [0, ""]);

    // The system's own, and those that services name.
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
      // A disk that is mounted among temporary files is not one of them.
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

test("what an older version noted in the cache still protects [S5]", async () => {
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

test("a repository that is gone for good is begun anew with --init", async () => {
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

    // Set for all times, it would have a lost disk forgotten each time.
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

test("the doctor names places that are not there any more", async () => {
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

test("a place is known by whichever path leads to it", async () => {
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
    swapFileSystem(place);
    refused("snapshot", "--repo", join(disk, "other"));

    // A link that leads round is a fault of the system's, and no loop.
    fs.symlinkSync("round", join(place.folder, "round"));
    assert.equal(
      place.run(["snapshot", "--repo", join(place.folder, "round/r")]).code,
      1,
    );
  });
});

test("a repository is made where a link leads that has no target yet", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    const link = join(place.folder, "link");
    fs.symlinkSync("disk/backups", link);
    const { code, err } = place.run(["snapshot", "--repo", link]);
    assert.equal(code, 0, err);
    assert.ok(fs.existsSync(join(place.folder, "disk/backups/deltar.json")));
  });
});

test("notes of places that cannot be read do no harm", async () => {
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
