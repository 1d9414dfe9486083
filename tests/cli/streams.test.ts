/** Snapshots of archives, standard input, and the output of commands. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs, runText } from "../support/peer.ts";
import { needsPosix } from "../support/system.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** Runs the command in the root, with a file as its standard input. */
function piped(place: Place, words: string[], file: string): number | null {
  const [program, ...args] = [...COMMAND, ...words];
  const { status } = spawnSync(program, args, {
    cwd: place.root,
    env: place.env,
    input: fs.readFileSync(file),
  });
  return status;
}

test(
  "snapshot --from-tar stores an archive, which the next one continues and restore restores",
  needs("tar"),
  async () => {
    await withPlace((place) => {
      place.write({ "top/a.txt": "one\n", "top/sub/b": "b".repeat(3 << 20) });
      const tgz = join(place.folder, "a.tgz");
      runText("tar", ["-czf", tgz, "-C", place.root, "top"]);
      const source = ["--source", "/srv/project"];
      const how = [...source, "--strip-components", "1"];
      const first = place.json([
        "snapshot",
        "--from-tar",
        tgz,
        ...how,
        "--time",
        "2024-01-31T12:00:00Z",
      ]);
      assert.equal(first.code, 0);
      assert.equal(first.isNew, true);
      assert.equal(first.time, "2024-01-31T12:00:00.000Z");
      assert.equal(first.directory, "/srv/project");
      assert.equal(first.counts.files, 2);

      // The same time changes nothing, and an earlier time is refused.
      const words = ["snapshot", "--from-tar", "-", ...how, "--time"];
      assert.equal(piped(place, [...words, "2024-01-31T12:00:00Z"], tgz), 0);
      assert.equal(piped(place, [...words, "2024-01-31T11:00:00Z"], tgz), 1);
      place.write({ "top/a.txt": "two\n" });
      const tar = join(place.folder, "a.tar");
      runText("tar", ["-cf", tar, "-C", place.root, "top"]);
      assert.equal(piped(place, [...words, "2024-02-01"], tar), 0);
      const { snapshots } = place.json(["list", "--dir", "/srv/project"]);
      assert.equal(snapshots.length, 2);
      assert.equal(snapshots[1].parent, first.id);
      assert.ok(snapshots[1].counts.stored < 2000);

      const to = join(place.folder, "restored");
      const { code, err } = place.run([
        "restore",
        "latest",
        "--dir",
        "/srv/project",
        "--to",
        to,
      ]);
      assert.equal(code, 0, err);
      runText("diff", ["-r", join(place.root, "top"), to]);
    });
  },
);

test(
  "snapshot --from-tar refuses a damaged archive, and makes no snapshot",
  needs("tar"),
  async () => {
    await withPlace((place) => {
      place.write({ "a.txt": "a".repeat(100_000) });
      const tar = join(place.folder, "a.tar");
      runText("tar", ["-cf", tar, "-C", place.root, "a.txt"]);
      fs.truncateSync(tar, 50_000);
      const { code, err } = place.run(["snapshot", "--from-tar", tar]);
      assert.equal(code, 1);
      assert.match(err, /a\.tar: the input ends inside/);
      assert.equal(place.run(["snapshot", "--from-tar", "none"]).code, 1);
      assert.deepEqual(place.json(["list"]).snapshots, []);
    });
  },
);

test("snapshot --from-tar of a missing file or a directory creates nothing", async () => {
  await withPlace((place) => {
    const missing = place.run(["snapshot", "--from-tar", "none.tar"]);
    assert.equal(missing.code, 1);
    assert.match(missing.err, /^deltar: .*none\.tar: no such file/);
    const directory = place.run(["snapshot", "--from-tar", "."]);
    assert.equal(directory.code, 1);
    assert.match(directory.err, /this is a directory, not an archive/);
    assert.equal(fs.existsSync(place.data), false);
  });
});

test("snapshot --stdin stores standard input as one file", async () => {
  await withPlace((place) => {
    const words = ["snapshot", "--stdin", "db.sql"];
    const taken = place.json(words, { input: "select 1;\n" });
    assert.equal(taken.code, 0);
    assert.equal(taken.directory, join(place.root, "db.sql"));
    const { out } = place.run(["cat", "latest", "db.sql"]);
    assert.equal(out, "select 1;\n");
    const next = place.json(words, { input: "select 2;\n" });
    assert.equal(next.parent, taken.id);
    assert.equal(next.counts.updated, 1);
  });
});

test(
  "snapshot --stdin-from-command stores the output, unless the command fails",
  needsPosix("signals"),
  async () => {
    await withPlace((place) => {
      const run = (...words: string[]) =>
        place.run(["snapshot", "--stdin-from-command", "out", "--", ...words]);
      const missing = run("no-such-command");
      assert.equal(missing.code, 1);
      assert.match(missing.err, /no such command/);
      assert.equal(fs.existsSync(place.data), false);
      const failed = run("sh", "-c", "echo partial; exit 7");
      assert.equal(failed.code, 1);
      assert.match(failed.err, /sh: the command failed with exit status 7/);
      const killed = run("sh", "-c", "kill -9 $$");
      assert.match(killed.err, /was ended by SIGKILL/);
      assert.deepEqual(place.json(["list"]).snapshots, []);
      const taken = run("echo", "--label", "x");
      assert.equal(taken.code, 0, taken.err);
      assert.equal(place.run(["cat", "latest", "out"]).out, "--label x\n");
      const words = run("echo", "--tag", "", "--json");
      assert.equal(words.code, 0, words.err);
      const { out } = place.run(["cat", "latest", "out"]);
      assert.equal(out, "--tag  --json\n");
      assert.match(run("sh", "-c", "exit 7", "--json").err, /^deltar: sh: /);
      assert.match(run("").err, /the command is empty/);
    });
  },
);

test(
  "snapshot --stdin-from-command starts the command only if its output can be stored",
  needsPosix("permissions"),
  async () => {
    await withPlace((place) => {
      const mark = join(place.folder, "mark");
      const run = (...words: string[]) =>
        place.run([
          "snapshot",
          "--stdin-from-command",
          "out",
          "--time",
          "2024-01-31T12:00:00Z",
          ...words,
        ]);
      place.write({ "script": "#!/bin/sh\n" });
      const unfit = run("--", "./script");
      assert.equal(unfit.code, 1);
      assert.match(unfit.err, /script: .*the file is not executable/);
      assert.equal(fs.existsSync(place.data), false);
      const touch = ["--", "touch", mark];
      const refused = run("--repo", join(place.root, "script"), ...touch);
      assert.equal(refused.code, 1);
      assert.equal(fs.existsSync(mark), false, refused.err);
      const taken = run(...touch);
      assert.equal(taken.code, 0, taken.err);
      fs.rmSync(mark);
      assert.equal(run(...touch).code, 0);
      assert.equal(fs.existsSync(mark), false);
    });
  },
);

test("options that a stream does not have are wrong usage", async () => {
  await withPlace((place) => {
    for (
      const [words, message] of [
        [["--stdin", "a", "--exclude", "b"], /'--exclude' cannot be used/],
        [["--stdin", "a", "--from-tar", "b"], /cannot be used with/],
        [["--stdin", "a", "dir"], /a directory cannot be used/],
        [["--stdin", "a", "--strip-components", "1"], /cannot be used with/],
        [["--from-tar", "-"], /needs --source/],
        [["--stdin-from-command", "a"], /needs a command/],
        [["--source", "a"], /needs --from-tar/],
        [["--time", "2024-01-31"], /needs --from-tar/],
        [["--stdin", "a", "--time", "yesterday"], /Use a time such as/],
        [["--stdin", "a", "--time", "2190-01-01"], /in the future/],
      ] as const
    ) {
      const { code, err } = place.run(["snapshot", ...words]);
      assert.equal(code, 2, words.join(" "));
      assert.match(err, message);
    }
  });
});
