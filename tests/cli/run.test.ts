import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { needsPosix } from "../support/system.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

/** Returns the printed command that restores the state before the command. */
function restoreLine(err: string): string {
  const [, line] =
    /^Restore the state before the command with:\n {2}(.*)$/m.exec(err) ??
      [];
  assert.ok(line, err);
  return line;
}

/** Types a line in a shell. */
function type(place: Place, line: string, cwd = place.root): string {
  const { status, stderr } = spawnSync("sh", ["-c", line], {
    cwd,
    env: place.env,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return stderr;
}

test(
  "run passes output and exit code on, and shows the changes",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1", "sub/b": "2" });
      const cwd = join(place.root, "sub");
      place.run(["snapshot"]);
      const script = "echo out; echo 22 > b; rm ../a; exit 7";
      const ran = place.run(["run", "--", "sh", "-c", script], { cwd });
      assert.equal(ran.code, 7, ran.err);
      assert.equal(ran.out, "out\n");
      assert.match(ran.err, /exited with 7 after .* and changed 2 paths:\n/);
      assert.match(ran.err, /^ {2}- a\n {2}~ sub\/b\nRestore/m);
      // The line restores the whole directory, and can be undone.
      type(place, restoreLine(ran.err), cwd);
      assert.equal(fs.readFileSync(join(place.root, "a"), "utf8"), "1");
      assert.equal(fs.readFileSync(join(place.root, "sub/b"), "utf8"), "2");
      assert.equal(place.run(["undo"]).code, 0);
      assert.ok(!fs.existsSync(join(place.root, "a")));
    });
  },
);

test(
  "run takes no snapshot if nothing has changed",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const ran = place.run(["run", "true"]);
      assert.equal(ran.code, 0, ran.err);
      assert.match(
        ran.err,
        /^`true` exited with 0 .* and changed nothing\.\n$/,
      );
      assert.equal(place.json(["list"]).snapshots.length, 1);
      const quiet = place.run(["run", "-q", "--", "rm", "a"]);
      assert.deepEqual(quiet, { code: 0, out: "", err: "" });
    });
  },
);

test(
  "run passes the words after the command on",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const words = ["printf", "%s,", "", "--json", "-q", "--repo", "a b"];
      for (const before of [["run"], ["run", "--"]]) {
        const { out } = place.run([...before, ...words]);
        assert.equal(out, ",--json,-q,--repo,a b,");
      }
      assert.equal(place.run(["run"]).code, 2);
      assert.equal(place.run(["run", "--", ""]).code, 2);
    });
  },
);

test("run labels both snapshots", needsPosix("a POSIX shell"), async () => {
  await withPlace((place) => {
    place.write({ a: "1" });
    place.run(["snapshot"]);
    const words = ["run", "--label", "upgrade", "--", "touch", "b"];
    assert.equal(place.run(words).code, 0);
    const { snapshots } = place.json(["list"]);
    assert.deepEqual(
      snapshots.map(({ label }: { label?: string }) => label),
      [undefined, "before upgrade", "after upgrade"],
    );
    assert.equal(
      place.run(["diff", "before upgrade", "after upgrade"]).out,
      "+ b\n",
    );
    const long = place.run(["run", "--label", "x".repeat(1_000), "--", "true"]);
    assert.equal(long.code, 2, long.err);
  });
});

test(
  "run --json prints only the result on standard output",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const script = "echo told; echo 2 > b; kill -TERM $$";
      const ran = place.run(["run", "--json", "--", "sh", "-c", script]);
      assert.equal(ran.code, 143, ran.err);
      assert.equal(ran.err, "told\n");
      const result = JSON.parse(ran.out);
      assert.deepEqual(result.command, ["sh", "-c", script]);
      assert.deepEqual([result.type, result.signal], ["run", "SIGTERM"]);
      assert.deepEqual(
        result.changes.map(({ change, path }: Record<string, string>) => [
          change,
          path,
        ]),
        [["created", "b"]],
      );
      const { snapshots } = place.json(["list"]);
      assert.deepEqual(
        snapshots.map(({ id }: { id: string }) => id),
        [result.before, result.after],
      );
    });
  },
);

test(
  "run does not run the command if the first snapshot fails",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const repo = join(place.root, "a/repo");
      const ran = place.run(["run", "--repo", repo, "--", "touch", "ran"]);
      assert.equal(ran.code, 125, ran.err);
      assert.match(ran.err, /^deltar: .*inside a file/);
      assert.ok(!fs.existsSync(join(place.root, "ran")));
    });
  },
);

test(
  "run reports that the second snapshot failed",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const repo = join(place.folder, "repo");
      const words = ["run", "--repo", repo, "--", "sh", "-c"];
      const broken = `mv ${repo} ${repo}-moved; touch ${repo} b`;
      for (const [end, wanted] of [[0, 125], [4, 4]]) {
        const ran = place.run([...words, `${broken}; exit ${end}`]);
        assert.equal(ran.code, wanted, ran.err);
        assert.match(ran.err, /restore the state before the command with: /);
        fs.rmSync(repo);
        fs.renameSync(`${repo}-moved`, repo);
      }
    });
  },
);

test(
  "run names a program that does not exist or cannot be run",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const missing = place.run(["run", "--", "no-such-program"]);
      assert.equal(missing.code, 127);
      assert.match(missing.err, /cannot run no-such-program: no such program/);
      const denied = place.run(["run", "--", "./a"]);
      assert.equal(denied.code, 126);
      assert.match(denied.err, /cannot run .\/a: permission denied/);
    });
  },
);

test(
  "run shows the first changes of many, and the command for all",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const script = "for n in $(seq 25); do echo $n > n$n; done";
      const { err } = place.run(["run", "--", "sh", "-c", script]);
      assert.equal(err.match(/^ {2}\+ /gm)?.length, 20);
      const [, line] = /and 5 more changes\..*\n {2}(.*)$/m.exec(err)!;
      type(place, line);
    });
  },
);

test(
  "run stores the state after a command that deleted everything [S4]",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const { code, err } = place.run(["run", "--", "rm", "a"]);
      assert.equal(code, 0, err);
      type(place, restoreLine(err));
      assert.equal(fs.readFileSync(join(place.root, "a"), "utf8"), "1");
    });
  },
);

test(
  "run passes a signal on, and takes the second snapshot",
  needsPosix("a POSIX shell"),
  async () => {
    await withPlace(async (place) => {
      place.write({ a: "1" });
      const script = "trap 'touch b; exit 5' TERM; echo up; sleep 60 & wait";
      const [program, ...args] = [...COMMAND, "run", "--", "sh", "-c", script];
      const child = spawn(program, args, {
        cwd: place.root,
        env: place.env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let err = "";
      child.stderr.setEncoding("utf8").on("data", (text) => err += text);
      child.stdout.once("data", () => {
        // An interrupt is for the command, which gets it from the terminal.
        process.kill(child.pid!, "SIGINT");
        process.kill(child.pid!, "SIGTERM");
      });
      // `sleep` still has the pipes open.
      const code = await new Promise((resolve) => child.once("exit", resolve));
      child.stdout.destroy();
      child.stderr.destroy();
      assert.equal(code, 5, err);
      assert.equal(
        place.run(["diff", "latest~1", "latest"]).out,
        "+ b\n",
      );
    });
  },
);
