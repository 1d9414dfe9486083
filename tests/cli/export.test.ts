import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { noise } from "../support/noise.ts";
import { needs, runText } from "../support/peer.ts";
import { needsPosix } from "../support/system.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** Writes a small tree with links, and takes a snapshot of it. */
function snapshot(place: Place, words: string[] = []): string {
  place.write({
    "docs/a.txt": "first",
    "docs/deep/b.txt": "second",
    "other/c.txt": "third",
  });
  fs.linkSync(join(place.root, "docs/a.txt"), join(place.root, "other/hard"));
  fs.linkSync(join(place.root, "docs/a.txt"), join(place.root, "other/hard2"));
  fs.symlinkSync("../docs/a.txt", join(place.root, "other/soft"));
  return place.json(["snapshot", "--init", ...words]).id;
}

/** Returns the lines of `tar -tvf` without owners and times. */
function membersOf(archive: string): string[] {
  return runText("tar", ["-tvf", archive]).trim().split("\n")
    .map((line) => line.replace(/^(\S)\S+ +\S+ +\d+ \S+ \S+ +/, "$1 "));
}

test("export writes paths with the folders above them", {
  ...needsPosix("hard links, symlinks and named pipes"),
  ...needs("tar"),
}, async () => {
  await withPlace((place) => {
    snapshot(place);
    const out = join(place.folder, "out.tar");
    const all = place.json(["export", "latest", "--to", out]);
    const { code, files, directories, links, special, copies, bytes } = all;
    assert.deepEqual(
      { code, files, directories, links, special, copies, bytes },
      {
        ...{ code: 0, files: 3, directories: 3, links: 3, special: 0 },
        ...{ copies: 0, bytes: 16 },
      },
    );
    assert.equal(all.size, fs.statSync(out).size);
    assert.deepEqual([all.format, all.file, all.failed], ["tar", out, []]);
    assert.deepEqual(membersOf(out), [
      "d docs/",
      "- docs/a.txt",
      "d docs/deep/",
      "- docs/deep/b.txt",
      "d other/",
      "- other/c.txt",
      "h other/hard link to docs/a.txt",
      "h other/hard2 link to docs/a.txt",
      "l other/soft -> ../docs/a.txt",
    ]);
    const chosen = (...words: string[]) => {
      const to = ["--to", out, "--force"];
      const { code, err } = place.run(["export", ...words, ...to]);
      assert.deepEqual([code, err], [0, ""]);
      return membersOf(out);
    };
    // The order of the arguments and repeated arguments do not matter.
    assert.deepEqual(
      chosen("latest", "other/hard2", "docs/deep", "docs/deep/b.txt"),
      [
        "d docs/",
        "d docs/deep/",
        "- docs/deep/b.txt",
        "d other/",
        "- other/hard2",
      ],
    );
    // The first exported name of a file gets its content.
    assert.deepEqual(chosen("latest:other"), [
      "- c.txt",
      "- hard",
      "h hard2 link to hard",
      "l soft -> ../docs/a.txt",
    ]);
    assert.equal(runText("tar", ["-xOf", out, "hard"]), "first");
    assert.deepEqual(chosen("latest:docs", "deep"), [
      "d deep/",
      "- deep/b.txt",
    ]);
    const wrong = place.run(["export", "latest", "doc", "--to", `${out}2.tar`]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /doc: not in this snapshot; did you mean docs\?/);
    assert.equal(fs.existsSync(`${out}2.tar`), false);
  });
});

test("export makes the same archive each time, in each format", {
  ...needsPosix("hard links, symlinks and named pipes"),
  ...needs("tar", "zstd", "unzip"),
}, async () => {
  await withPlace((place) => {
    snapshot(place);
    fs.rmSync(place.root, { recursive: true });
    fs.mkdirSync(place.root);
    const read: Record<string, (file: string) => string> = {
      "tar": (file) => runText("tar", ["-xOf", file]),
      "tgz": (file) => runText("tar", ["-xOzf", file]),
      "tar.zst": (file) => runText("tar", ["--zstd", "-xOf", file]),
      "zip": (file) => runText("unzip", ["-p", file]),
    };
    for (const [ending, contentOf] of Object.entries(read)) {
      const [first, second] = ["1", "2"].map((name) => {
        const file = join(place.folder, `${name}.${ending}`);
        const { code } = place.run(["export", "latest", "--to", file]);
        assert.equal(code, 0);
        return file;
      });
      assert.deepEqual(fs.readFileSync(first), fs.readFileSync(second));
      assert.match(contentOf(first), /^firstsecondthird/);
    }
    const { out } = place.run(["export", "latest", "--to", "-"]);
    assert.equal(out, fs.readFileSync(join(place.folder, "1.tar"), "utf8"));
  });
});

test("export names what a zip cannot hold, and exits with 3", {
  ...needsPosix("hard links, symlinks and named pipes"),
  ...needs("mkfifo", "unzip"),
}, async () => {
  await withPlace((place) => {
    execFileSync("mkfifo", [join(place.root, "pipe")]);
    snapshot(place);
    const zip = join(place.folder, "out.zip");
    const { code, err, out } = place.run(["export", "latest", "--to", zip]);
    assert.equal(code, 3);
    assert.match(
      err,
      /^deltar: pipe was not exported: a zip cannot hold a named/,
    );
    assert.match(err, /use `--format tar`/);
    assert.match(err, /2 hard links became files/);
    assert.match(out, /^Exported 5 files, 3 directories, 1 link, 26 B, from /);
    assert.equal(
      runText("unzip", ["-Z1", zip]),
      "docs/\ndocs/a.txt\ndocs/deep/\ndocs/deep/b.txt\n" +
        "other/\nother/c.txt\nother/hard\nother/hard2\nother/soft\n",
    );
    assert.equal(runText("unzip", ["-p", zip, "other/hard2"]), "first");
    const json = place.json(["export", "latest", "--to", zip, "--force"]);
    assert.deepEqual(
      [json.code, json.copies, json.failed],
      [3, 2, [{
        path: "pipe",
        error: "pipe: a zip cannot hold a named pipe",
        exported: false,
      }]],
    );
  });
});

test("export of a damaged file leaves no archive behind", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    place.write({ small: "small" });
    // This file is larger than a frame, so it is read as a stream.
    fs.writeFileSync(join(place.root, "large"), noise(5_000_000, 1));
    assert.equal(place.run(["snapshot", "--init", "--repo", repo]).code, 0);
    const [volume] = fs.readdirSync(join(repo, "volumes"))
      .map((name) => join(repo, "volumes", name))
      .sort((a, b) => fs.statSync(b).size - fs.statSync(a).size);
    const bytes = fs.readFileSync(volume);
    bytes[4_000_000] ^= 1;
    fs.writeFileSync(volume, bytes);
    const out = join(place.folder, "out");
    fs.mkdirSync(out);
    for (const ending of ["tar", "tar.gz", "zip"]) {
      const file = join(out, `x.${ending}`);
      const words = ["export", "latest", "--repo", repo];
      const { code, err } = place.run([...words, "--to", file]);
      assert.equal(code, 1);
      assert.match(err, /^deltar: (?:volumes\/\S+: )?large: .*\n/);
      assert.match(err, /deltar verify --data/);
      assert.deepEqual(fs.readdirSync(out), []);
      // An existing file is kept.
      fs.writeFileSync(file, "old");
      place.run([...words, "--to", file, "--force"]);
      assert.equal(fs.readFileSync(file, "utf8"), "old");
      fs.rmSync(file);
      const printed = place.run([...words, "--to", "-", "--format", ending]);
      assert.equal(printed.code, 1);
    }
    const sound = ["export", "latest", "small", "--repo", repo];
    assert.equal(place.run([...sound, "--to", join(out, "x.tar")]).code, 0);
  });
});

test("export refuses to write to certain files", async () => {
  await withPlace((place) => {
    const repo = join(place.folder, "repo");
    snapshot(place, ["--repo", repo]);
    const words = ["export", "latest", "--repo", repo];
    const exported = (...more: string[]) => place.run([...words, ...more]);
    const inside = exported("--to", join(repo, "volumes/x.tar"));
    assert.equal(inside.code, 1);
    assert.match(inside.err, /would be written into the repository/);
    const file = join(place.folder, "x.tar");
    fs.writeFileSync(file, "old");
    const existing = exported("--to", file);
    assert.equal(existing.code, 1);
    assert.match(existing.err, /file exists; replace it with --force/);
    assert.equal(fs.readFileSync(file, "utf8"), "old");
    assert.equal(exported("--to", file, "--force").code, 0);
    fs.mkdirSync(join(place.folder, "folder.zip"));
    const folder = exported("--to", join(place.folder, "folder.zip"));
    assert.equal(folder.code, 1);
    assert.match(folder.err, /this is a directory; name a file/);
    for (
      const [more, message] of [
        [[], /missing target/],
        [["--to", "x.rar"], /add `--format`/],
        [["--to", "x", "--format", "rar"], /Allowed choices are tar, tar.gz/],
        [["--to", "-", "--json"], /`--json` needs a file/],
      ] as const
    ) {
      const { code, err } = exported(...more);
      assert.equal(code, 2);
      assert.match(err, message);
    }
  });
});

test(
  "export writes to a device, and ends without an error when its reader ends",
  {
    ...needsPosix("hard links, symlinks and named pipes"),
    ...needs("head"),
  },
  async () => {
    await withPlace((place) => {
      fs.writeFileSync(join(place.root, "large"), noise(3_000_000, 1));
      snapshot(place);
      const device = ["--to", "/dev/null", "--format", "zip"];
      assert.equal(place.run(["export", "latest", ...device]).code, 0);
      assert.ok(fs.statSync("/dev/null").isCharacterDevice());
      const line = `{ "$@"; echo "exit $?" >&2; } | head -c 10`;
      const command = [...COMMAND, "export", "latest", "--to", "-"];
      const err = execFileSync("sh", [
        "-c",
        `{ ${line} > head; } 2>&1`,
        "sh",
        ...command,
      ], { cwd: place.root, env: place.env, encoding: "utf8" });
      assert.equal(err, "exit 0\n");
      assert.equal(
        fs.readFileSync(join(place.root, "head"), "utf8"),
        "PaxHeader\0",
      );
    });
  },
);

test("an interrupted export leaves nothing behind", {
  ...needsPosix("signals and holes"),
}, async () => {
  await withPlace(async (place) => {
    const file = join(place.root, "sparse");
    fs.writeFileSync(file, "start");
    fs.truncateSync(file, 20 * 2 ** 30);
    assert.equal(place.run(["snapshot", "--init"]).code, 0);
    const out = join(place.folder, "out");
    fs.mkdirSync(out);
    const [program, ...words] = COMMAND;
    const child = spawn(
      program,
      [...words, "export", "latest", "--to", join(out, "x.zip")],
      { cwd: place.root, env: place.env },
    );
    const ended = once(child, "close");
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (text) => err += text);
    while (fs.readdirSync(out).length === 0) await pause(20);
    child.kill("SIGINT");
    await ended;
    assert.match(err, /deltar: interrupted; the archive was not finished/);
    assert.deepEqual(fs.readdirSync(out), []);
  });
});

test("export reads an encrypted repository", needs("tar"), async () => {
  await withPlace((place) => {
    snapshot(place, ["--encrypt"]);
    const out = join(place.folder, "out.tar");
    assert.equal(place.run(["export", "latest", "docs", "--to", out]).code, 0);
    assert.equal(runText("tar", ["-xOf", out]), "firstsecond");
  });
});
