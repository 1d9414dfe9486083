import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { needs, runText } from "../support/peer.ts";
import { COMMAND, withPlace } from "./helpers.ts";

test("wrong usage exits with 2 and a message with the right usage", async () => {
  await withPlace((place) => {
    const cases: [string[], RegExp][] = [
      [[], /Usage: deltar/],
      [["snapshto"], /Did you mean snapshot\?/],
      [["snapshot", "--lable", "x"], /Did you mean --label\?/],
      [["prune", "a", "b"], /too many arguments/],
      [["snapshot", "--exclude"], /argument missing/],
      [["diff"], /missing required argument 'a'/],
      [["diff", "latest", "-p", "--json"], /a patch cannot be printed as JSON/],
      [["diff", "latest", "--word", "--binary"], /cannot be used with/],
      [["diff", "latest", "-U", "x"], /Use a whole number/],
      [["restore", "latest"], /error: missing target: add .--to/],
      [["cat", "latest"], /missing required argument 'path'/],
    ];
    for (const [words, said] of cases) {
      const { code, out, err } = place.run(words);
      assert.equal(code, 2, words.join(" "));
      assert.match(err, said);
      assert.equal(out, "");
    }
    for (const words of [["--help"], ["snapshot", "--help"], ["--version"]]) {
      const { code, out, err } = place.run(words);
      assert.equal(code, 0);
      assert.equal(err, "");
      assert.match(out, /Usage: deltar|^\d+\.\d+/);
    }
    assert.ok(!fs.existsSync(join(place.folder, "home/data")));
  });
});

test("an error about an object names its repository", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    const one = join(place.folder, "one");
    const two = join(place.folder, "two");
    for (const repo of [one, two]) place.run(["snapshot", "--repo", repo]);
    const [tree] = fs.readdirSync(join(one, "trees"));
    fs.truncateSync(join(one, "trees", tree), 20);
    const files = place.run(["files", "latest", "--repo", one]);
    assert.equal(files.code, 1);
    assert.match(
      files.err,
      new RegExp(
        `^deltar: trees/${tree}: .*\n {2}in the repository ${one}\n {2}.*\n$`,
      ),
    );
    const json = place.run(["files", "latest", "--repo", one, "--json"]);
    assert.equal(JSON.parse(json.err).repository, one);
    const copy = place.run(["copy", "--repo", one, "--to", two]);
    assert.match(
      copy.err,
      new RegExp(`\n {2}in the repository ${one} or ${two}\n`),
    );
    // An error about a path of a tree names no repository.
    const cat = place.run(["cat", "latest", "b", "--repo", two]);
    assert.doesNotMatch(cat.err, /repository/);

    // Of several backups, each names its own repository.
    fs.appendFileSync(join(two, "deltar.json"), "x");
    fs.rmSync(place.cache, { recursive: true });
    const backup = (repo: string) => ({ directory: place.root, repo });
    const config = join(place.folder, "config.json");
    const backups = { one: backup(one), two: backup(two) };
    fs.writeFileSync(config, JSON.stringify({ backups }));
    place.write({ a: "b" });
    const { code, err } = place.run(["backup", "-q", "--config", config]);
    assert.equal(code, 1);
    assert.deepEqual(
      err.split("\n").filter((line) => line.includes("in the repository")),
      [`  in the repository ${two}`],
    );
    assert.match(err, /\n {2}`deltar repair` writes the settings again\n/);
  });
});

test("a failed command exits with 1 and says what to do", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    const failing = (words: string[], said: RegExp) => {
      const { code, out, err } = place.run(words);
      const what = words.join(" ");
      assert.equal(code, 1, `${what}: ${out}${err}`);
      assert.match(err, said, what);
      assert.match(err, /^deltar: [^\n]*\n$/, what);
      assert.equal(out, "");
    };
    failing(["list"], /no repository here\. Create one with `deltar snapshot`/);
    failing(["snapshot", "absent"], /absent: no such directory/);
    failing(["snapshot", "a"], /not a directory/);
    assert.equal(place.run(["snapshot"]).code, 0);
    failing(
      ["snapshot", "--repo", "."],
      /the directory to back up cannot be the repository/,
    );
    fs.mkdirSync(join(place.folder, "full"));
    fs.writeFileSync(join(place.folder, "full/x"), "");
    failing(
      ["snapshot", "--repo", "../full"],
      /choose an empty or new location/,
    );
    failing(
      ["snapshot", "--repo", "a"],
      /a file, but a repository is a directory/,
    );
    failing(
      ["list", "--repo", "a/b"],
      /a\/b: the location is inside a file, but a rep/,
    );
    failing(
      ["copy", "--to", "ftp://ada:secret@host/x"],
      /^deltar: ftp:\/\/\*\*\*@host\/x: unsupported kind of location/,
    );
    if (process.platform !== "win32") {
      const device = ["snapshot", "--repo", "/dev/null"];
      failing(
        device,
        /null: the location is a device, pipe or socket, but a reposit/,
      );
    }
    failing(
      ["restore", "latest", "x", "--to", "../to"],
      /not in this snapshot/,
    );
    failing(
      ["restore", "latest~1", "--to", "../to"],
      /no snapshot latest~1: there is only 1 snapshot/,
    );
    failing(["cat", "latest", "x"], /no such file/);
    failing(["cat", "latest", "../root/a"], /is not a path inside a tree/);
    failing(["files", "latest", "x"], /not in this snapshot/);
    failing(["files", "9"], /end of its id\. `deltar list` lists/);
    failing(
      ["undelete", "9"],
      /begins or ends with "9"; `deltar undelete` lists/,
    );
    failing(["diff", "latest", "latest", "x"], /not in this snapshot/);
    failing(["diff", "latest", "x"], /no snapshot/);
    failing(["diff", "latest", "./x"], /not in this snapshot/);
    failing(["show", "9"], /end of its id\. `deltar list` lists/);
    failing(["stats", "latest", "x"], /not in this snapshot/);
    failing(["why", "x"], /no such file or folder, and no rule/);
    failing(["why", "x", "latest"], /not in this snapshot/);
    failing(
      ["why", "../x"],
      /the path is not in .*root; name another directory with `--dir`/,
    );
    fs.mkdirSync(join(place.root, "folder"));
    assert.equal(place.run(["snapshot"]).code, 0);
    failing(
      ["cat", "latest", "folder"],
      /: not a file in this snapshot, but a directory/,
    );
    assert.deepEqual(
      fs.readdirSync(place.folder).sort(),
      ["full", "home", "root"],
    );
    const { code, out, err } = place.run(["cat", "latest", "x"]);
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.doesNotMatch(err, /\bat .*\.ts/);
    const json = place.run(["list", "--json", "--repo", "../none"]);
    assert.equal(json.code, 1);
    const error = JSON.parse(json.err);
    assert.equal(error.type, "error");
    assert.equal(error.code, "not-found");
  });
});

test("files that cannot be stored or restored are named, with exit code 3", {
  skip: process.platform !== "linux" && "needs Linux",
}, async () => {
  await withPlace((place) => {
    place.write({ good: "good", bad: "bad bad" });
    // The name is reserved for temporary files.
    place.write({ ".deltar-stage-name": "x" });
    const taken = place.run(["snapshot"]);
    assert.equal(taken.code, 3);
    assert.match(
      taken.err,
      /^deltar: \.deltar-stage-name: name: the name is reserved for .*$/m,
    );
    assert.match(taken.out, /skipped {5}1 path/);
    const { code, skipped, repository, id } = place.json(["snapshot"]);
    assert.equal(code, 3);
    assert.equal(skipped[0].reason, "name");
    place.write({ other: "other" });
    place.run(["snapshot"]);
    const volume = join(repository, `volumes/${id}.vol0.tar.zst`);
    fs.rmSync(volume);
    const restored = place.run(["restore", "latest", "--to", "../to"]);
    assert.equal(restored.code, 3, restored.err);
    assert.match(restored.err, /deltar: bad was not restored: /);
    assert.match(restored.err, /deltar: good was not restored: /);
    assert.deepEqual(fs.readdirSync(join(place.folder, "to")), ["other"]);
    const again = place.json(["restore", "latest", "--to", "../json"]);
    assert.equal(again.code, 3);
    assert.equal(again.failed.length, 2);
    assert.equal(place.run(["cat", "latest", "good"]).code, 1);
  });
});

test("control characters in names never reach the terminal", async () => {
  await withPlace((place) => {
    const name = "evil\x1b[2J\u009b1m\x7f\nline";
    place.write({ [name]: "1", ["dir\x1b]0;x\x07/f"]: "2" });
    const env = { DELTAR_REPOSITORY: join(place.folder, "repo\x1b[1m") };
    const outputs = [
      place.run(["snapshot", "--label", "label\x1b[1m"], { env }),
      place.run(["files", "latest"], { env }),
      place.run(["list"], { env }),
      place.run(["cat", "latest", "x\x1b[1m"], { env }),
      place.run(["files", "latest", "x\u009b1m"], { env }),
    ];
    place.write({ [name]: "3" });
    place.run(["snapshot"], { env });
    outputs.push(place.run(["diff", "latest~1", "latest"], { env }));
    outputs.push(
      place.run(["restore", "latest", name, "--to", "../to\x1b"], { env }),
    );
    for (
      const volume of fs.readdirSync(join(env.DELTAR_REPOSITORY, "volumes"))
    ) {
      fs.rmSync(join(env.DELTAR_REPOSITORY, "volumes", volume));
    }
    outputs.push(place.run(["restore", "latest", "--to", "../none"], { env }));
    for (const { out, err } of outputs) {
      // The line to type contains the name unchanged.
      const [shown] = out.split("Restore it with:");
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(shown + err, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
      assert.ok(out + err !== "");
    }
    const { entries } = place.json(["files", "latest"], { env });
    assert.equal(entries[2].path, name);
    assert.equal(place.run(["cat", "latest~1", name], { env }).code, 1);
  });
});

test(
  "a reader that closes the output early causes no error",
  needs("sh", "head"),
  async () => {
    await withPlace((place) => {
      const files: Record<string, string> = { large: "line\n".repeat(400_000) };
      for (let at = 0; at < 3000; at++) files[`dir/${at}`] = "";
      place.write(files);
      place.run(["snapshot"]);
      for (
        const words of ["cat latest large", "files latest", "list", "--help"]
      ) {
        const command = COMMAND.map((word) => `'${word}'`).join(" ");
        const said = runText("env", [
          ...Object.entries(place.env).map(([key, value]) => `${key}=${value}`),
          "sh",
          "-c",
          `{ ${command} ${words} || echo "exit $?" >&2; } 2>&1 | head -n 1`,
        ], { cwd: place.root });
        assert.equal(said.split("\n").length, 2, said);
        assert.doesNotMatch(said, /EPIPE|exit/);
      }
    });
  },
);

test("a command names the terminal or disk that refuses its output", {
  skip: process.platform !== "linux" && "needs Linux",
}, async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    place.run(["snapshot"]);
    const command = COMMAND.map((word) => `'${word}'`).join(" ");
    for (const words of ["--help", "list", "cat latest a"]) {
      const said = runText("env", [
        ...Object.entries(place.env).map(([key, value]) => `${key}=${value}`),
        "sh",
        "-c",
        `${command} ${words} 2>&1 >/dev/full; echo "exit $?"`,
      ], { cwd: place.root });
      assert.equal(
        said,
        "deltar: cannot write to standard output: the disk is full. Free some " +
          "space on the disk, then run the same command again.\nexit 1\n",
      );
    }
  });
});

test(
  "a command continues and succeeds after its reader has closed the output",
  {
    ...needs("sh", "mkfifo"),
  },
  async () => {
    await withPlace((place) => {
      place.write({ good: "good", bad: "bad bad" });
      const { repository, id } = place.json(["snapshot"]);
      const [program, ...args] = COMMAND;
      // The reader ends before the command prints anything.
      const unheard = (words: string[]) =>
        runText("env", [
          ...Object.entries(place.env).map(([key, value]) => `${key}=${value}`),
          "sh",
          "-c",
          'mkfifo ../gone; sh -c "exec <../gone" & { wait; "$@"; ' +
          "echo $? >../code; } >../gone 2>&1; rm ../gone; cat ../code",
          "sh",
          program,
          ...args,
          ...words,
        ], { cwd: place.root }).trim();
      place.write({ later: "later" });
      const config = join(place.folder, "config.json");
      const backup = { directory: "root", repo: repository };
      fs.writeFileSync(
        config,
        JSON.stringify({ backups: { none: { directory: "none" }, backup } }),
      );
      assert.equal(unheard(["backup", "--config", config]), "1");
      assert.equal(place.json(["list"]).snapshots.length, 2);
      fs.rmSync(join(repository, `volumes/${id}.vol0.tar.zst`));
      assert.equal(unheard(["verify"]), "1");
      assert.equal(unheard(["restore", "latest", "--to", "../to"]), "3");
      assert.deepEqual(fs.readdirSync(join(place.folder, "to")), ["later"]);
      assert.equal(unheard(["list", "--repo", "../none"]), "1");
    });
  },
);

test("a missing temporary folder is reported in one line", {
  skip: process.platform === "win32" && "needs POSIX",
}, async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    place.run(["snapshot"]);
    const env = { TMPDIR: join(place.folder, "none") };
    const { code, err } = place.run(["drill"], { env });
    assert.equal(code, 1);
    assert.match(err, /^deltar: ENOENT: .*\n$/);
  });
});

test("an empty argument, such as an unset variable, is refused", async () => {
  await withPlace((place) => {
    place.write({ kept: "kept" });
    place.run(["snapshot"]);
    place.write({ other: "other" });
    for (
      const words of [
        ["restore", "latest", "--to", "", "--delete"],
        ["restore", "latest", "", "--to", "."],
        ["snapshot", ""],
        ["snapshot", "--label", ""],
        ["snapshot", "--repo", ""],
        ["forget", ""],
        ["undo", ""],
      ]
    ) {
      const { code, out, err } = place.run(words);
      assert.equal(code, 2, words.join(" "));
      assert.match(err, /^error: '.*' is empty/);
      assert.equal(out, "");
    }
    assert.deepEqual(fs.readdirSync(place.root).sort(), ["kept", "other"]);
    assert.equal(place.json(["list"]).snapshots.length, 1);
    assert.equal(place.run(["label", "latest", ""]).code, 0);
  });
});

test("a file that changes while it is read is stored, and reported", async () => {
  await withPlace(async (place) => {
    const growing = join(place.root, "growing");
    fs.writeFileSync(growing, new Uint8Array(16 << 20));
    const stop = new AbortController();
    const writer = spawn(process.execPath, [
      ...COMMAND.length > 2 ? ["eval"] : ["-e"],
      `const fs = await import("node:fs");
      for (;;) fs.appendFileSync(${JSON.stringify(growing)}, "more");`,
    ], { stdio: "ignore", signal: stop.signal });
    writer.on("error", () => {});
    try {
      const begun = fs.statSync(growing).size;
      while (fs.statSync(growing).size === begun) {
        await new Promise((done) => setTimeout(done, 20));
      }
      const { code, out, err } = place.run(["snapshot"]);
      assert.equal(code, 3, out + err);
      assert.match(err, /^deltar: growing: not stored exactly: /);
      assert.match(
        out,
        /changing {4}1 file \(named above\) changed while being read; what was read was stored/,
      );
      assert.doesNotMatch(out, /skipped {5}/);
    } finally {
      stop.abort();
    }
  });
});

test("an interrupt ends a snapshot with 130, and the snapshot does not exist", {
  skip: process.platform === "win32" && "needs POSIX",
}, async () => {
  await withPlace(async (place) => {
    const random = new Uint8Array(65536);
    for (let at = 0; at < 6; at++) {
      const fd = fs.openSync(join(place.root, `${at}`), "w");
      for (let part = 0; part < 800; part++) {
        fs.writeSync(fd, crypto.getRandomValues(random));
      }
      fs.closeSync(fd);
    }
    const repository = join(place.folder, "repository");
    const [program, ...args] = [
      ...COMMAND,
      "snapshot",
      "--repo",
      repository,
    ];
    const child = spawn(program, args, { cwd: place.root, env: place.env });
    let said = "";
    child.stderr.on("data", (data) => said += data);
    child.stdout.on("data", (data) => said += data);
    const ended = new Promise<number | null>((resolve) =>
      child.on("close", (code) => resolve(code))
    );
    while (!fs.existsSync(join(repository, "volumes"))) {
      assert.equal(child.exitCode, null, said);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // Deno's `kill` returns no exit code of a child process.
    process.kill(child.pid!, "SIGINT");
    assert.equal(await ended, 130, said);
    assert.match(
      said,
      /^(?:deltar: .* will be reused .*\n)?deltar: interrupted; no snapshot was made\n$/,
    );
    const left = fs.readdirSync(repository, { recursive: true }) as string[];
    const folders = /^(?:checkpoints|running|volumes)$/;
    for (const name of left.filter((name) => !folders.test(name))) {
      // Nothing is half-written, and there is no snapshot: only finished
      // volumes remain.
      assert.match(name, /^deltar\.json$|^(?:volumes|checkpoints).\d{8}T/);
    }
  });
});
