import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { needs, runText } from "../support/peer.ts";
import { needsSymlinks } from "../support/system.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { withPlace } from "./helpers.ts";

test("snapshot, list, diff and restore work together", async () => {
  await withPlace((place) => {
    place.write({ "a.txt": "one\n", "sub/b": "b", "sub/gone": "gone" });
    roundTimes(place.root);
    const first = place.run(["snapshot"]);
    assert.equal(first.code, 0, first.err);
    // Node on Linux prints once that it cannot read extended attributes.
    const withoutXattrs =
      /^(deltar: extended attributes and ACLs are not.*\n)?$/;
    assert.match(first.err, withoutXattrs);
    assert.match(first.out, /^Snapshot \d{8}T\d{6}Z-[0-9a-f]{6} of /);
    assert.match(first.out, /found {7}3 files, 1 directory, 9 B/);
    assert.match(first.out, /created {5}3 files and 1 directory/);
    const before = stateOf(place.root);

    place.write({ "a.txt": "two\n", "new": "new" });
    fs.rmSync(join(place.root, "sub/gone"));
    fs.renameSync(join(place.root, "sub/b"), join(place.root, "sub/moved"));
    const second = place.json(["snapshot", ".", "--label", "after"]);
    assert.equal(second.code, 0);
    assert.equal(second.type, "snapshot");
    assert.equal(second.version, 1);
    assert.equal(second.label, "after");
    assert.equal(second.isNew, true);
    assert.equal(second.directory, place.root);
    assert.deepEqual(second.skipped, []);
    const { created, updated, deleted, renamed } = second.counts;
    assert.deepEqual([created, updated, deleted, renamed], [1, 1, 1, 1]);
    assert.ok(second.repository.startsWith(place.data));
    const same = place.run(["snapshot"]);
    assert.equal(same.code, 0);
    assert.match(same.out, /^Nothing changed since snapshot /);

    const list = place.json(["list"]);
    assert.equal(list.repository, second.repository);
    assert.deepEqual(
      list.snapshots.map(({ label }: { label?: string }) => label),
      [undefined, "after"],
    );
    const id = list.snapshots[0].id;
    assert.equal(list.snapshots[1].id, second.id);
    assert.equal(list.snapshots[1].parent, id);
    const shown = place.run(["list"]);
    assert.match(
      shown.out,
      new RegExp(
        `^Snapshot .*\n${id.slice(-6)} .*\n${second.id.slice(-6)} .*after\n`,
      ),
    );
    assert.match(
      place.run(["list", "--long"]).out,
      new RegExp(`^Snapshot .*\n${id} .*\n${second.id} .*after\n`),
    );
    assert.match(shown.out, /2 snapshots of .*root added .* to /);

    const diff = place.run(["diff", "latest~1", "latest"]);
    assert.equal(
      diff.out,
      "~ a.txt\n+ new\nt sub/: time\n- sub/gone\n> sub/b -> sub/moved\n",
    );
    const part = place.json(["diff", id, second.id, "./sub/"]);
    assert.deepEqual(
      part.changes.map((change: { change: string }) => change.change),
      ["touched", "deleted", "renamed"],
    );
    assert.equal(part.changes[2].from, "sub/b");

    const files = place.run(["files", "latest", "sub/"]);
    assert.match(files.out, /^drwx.* sub\/\n-rw.* 1 .* sub\/moved\n$/);
    const all = place.json(["files", id]);
    assert.deepEqual(
      all.entries.map(({ path }: { path: string }) => path),
      ["a.txt", "sub", "sub/b", "sub/gone"],
    );
    assert.match(all.entries[0].mode, /^0[0-7]{3}$/);

    assert.equal(place.run(["cat", "latest~1", "./a.txt"]).out, "one\n");
    assert.equal(place.run(["cat", "latest", "a.txt"]).out, "two\n");

    const to = join(place.folder, "restored");
    const restored = place.json(["restore", id, "--to", to]);
    assert.deepEqual(restored.failed, []);
    assert.equal(restored.files, 3);
    assert.equal(restored.target, to);
    assert.deepEqual(stateOf(to), before);
    const one = place.run([
      "restore",
      id,
      "sub/b",
      "./a.txt",
      "--to",
      "../two",
    ]);
    assert.equal(one.code, 0, one.err);
    assert.match(one.out, /^Restored 2 files, 1 directory and 0 links, 5 B/);
    assert.deepEqual(
      Object.keys(stateOf(join(place.folder, "two"))),
      ["a.txt", "sub", "sub/b"],
    );
    const dot = place.run(["restore", id, ".", "--to", "../dot/"]);
    assert.equal(dot.code, 0, dot.err);
    assert.deepEqual(stateOf(join(place.folder, "dot")), before);
  });
});

test(
  "snapshot prints a line that restores the snapshot when it is typed",
  needs("sh"),
  async () => {
    await withPlace((place) => {
      place.write({ a: "a" });
      const odd = 'it\'s a "place" $HOME';
      const ways: [string[], object][] = [
        [[], {}],
        [["--repo", join(place.folder, odd)], {}],
        [[], { DELTAR_REPOSITORY: join(place.folder, "by env") }],
      ];
      for (const [words, env] of ways) {
        for (const from of [place.root, place.folder]) {
          const { out, err } = place.run(["snapshot", place.root, ...words], {
            cwd: from,
            env,
          });
          const line = out.split("Restore it with:\n")[1];
          assert.ok(line, `${out}${err}`);
          runText("env", [
            ...Object.entries(place.env).map(([key, value]) =>
              `${key}=${value}`
            ),
            "sh",
            "-c",
            line,
          ], { cwd: from });
          // The line restores next to the project, because a restore into the
          // project would fill it with copies [T4].
          const restored = `${place.root}-restored`;
          assert.equal(fs.readFileSync(join(restored, "a"), "utf8"), "a");
          assert.deepEqual(fs.readdirSync(place.root), ["a"]);
          fs.rmSync(restored, { recursive: true });
        }
      }
    });
  },
);

test("snapshot excludes the paths that options and ignore files name, and nothing else", async () => {
  await withPlace((place) => {
    place.write({
      ".deltarignore": "*.tmp\n",
      ".gitignore": "*.log\n",
      ".git/config": "",
      ".svn/x": "",
      "a.tmp": "",
      "b.log": "",
      "c.one": "",
      "d.two": "",
      "node_modules/x": "",
    });
    const repo = join(place.root, "backups/of this");
    const seen = (...words: string[]) => {
      const result = place.json(["snapshot", ...words, "--repo", repo]);
      assert.equal(result.code, 0);
      const { entries } = place.json(["files", result.id, "--repo", repo]);
      return entries.map(({ path }: { path: string }) => path)
        .filter((path: string) => !path.startsWith(".deltar"));
    };
    const plain = [
      ".git",
      ".git/config",
      ".gitignore",
      ".svn",
      ".svn/x",
      "b.log",
      "backups",
      "c.one",
      "d.two",
      "node_modules",
      "node_modules/x",
    ];
    assert.deepEqual(seen(), plain);
    assert.deepEqual(
      seen("--exclude", "*.one", "--exclude", "/node_modules"),
      plain.filter((path) => !/one$|node_modules/.test(path)),
    );
    assert.deepEqual(
      seen("--gitignore", "--exclude-vcs"),
      plain.filter((path) => !/log$|^\.git($|\/)|\.svn/.test(path)),
    );
    const { skipped } = place.json(["snapshot", "--repo", repo]);
    assert.deepEqual(skipped, [
      { path: "a.tmp", reason: "excluded", detail: ".deltarignore:1: *.tmp" },
      {
        path: "backups/of this",
        reason: "excluded",
        detail: "deltar writes here",
      },
    ]);
  });
});

test("the repository is at the given location, or a default one for each directory", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    const env = { DELTAR_REPOSITORY: join(place.folder, "env") };
    const byEnv = place.json(["snapshot"], { env });
    assert.equal(byEnv.repository, env.DELTAR_REPOSITORY);
    const byFlag = place.json(["snapshot", "--repo", "../flag"], { env });
    assert.equal(byFlag.repository, join(place.folder, "flag"));
    const own = place.json(["snapshot"]);
    const repositories = join(place.data, "repositories/root-");
    assert.ok(own.repository.startsWith(repositories), own.repository);
    assert.equal(
      place.json(["list"]).repository,
      place.json(["snapshot", "root/"], { cwd: place.folder }).repository,
    );
    if (needsSymlinks.skip === undefined) {
      fs.symlinkSync(place.root, join(place.folder, "link"));
      const linked = place.json(["snapshot", "../link"]);
      assert.equal(linked.repository, own.repository);
    }
    assert.ok(fs.existsSync(place.cache));
    // A relative path would refer to another folder in each current directory.
    const relative = { XDG_DATA_HOME: "data", XDG_CACHE_HOME: "cache" };
    const { repository } = place.json(["snapshot"], { env: relative });
    if (process.platform === "linux") {
      const data = join(place.env.HOME, ".local/share/deltar/repositories");
      assert.equal(dirname(repository), data);
    }
    for (const folder of ["data", "cache"]) {
      assert.ok(!fs.existsSync(join(place.root, folder, "deltar")));
    }
  });
});

test(
  "the printed line restores the snapshot even if the path has special characters",
  {
    skip: process.platform === "win32" && "needs POSIX",
  },
  async () => {
    await withPlace((place) => {
      const { execPath } = process;
      const name = basename(execPath).replace(/\.exe$/, "");
      const [own, other] = ["own", "other"].map((bin) => {
        fs.mkdirSync(join(place.folder, bin));
        return join(place.folder, bin);
      });
      fs.symlinkSync(execPath, join(own, name));
      const script = "#!/bin/sh\nexit 9\n";
      fs.writeFileSync(join(other, name), script, { mode: 0o755 });
      place.write({ a: "a" });
      const cases = [
        { path: [own, other], program: name },
        { path: [other, own], program: execPath },
        { path: [place.root], program: execPath },
      ];
      for (const { path, program } of cases) {
        const PATH = path.join(":");
        const { out, err } = place.run(["snapshot"], { env: { PATH } });
        const [, line] = /^Restore it with:\n {2}(.*)$/m.exec(out)!;
        assert.ok(line.startsWith(`${program} `), `${line}${err}`);
        const { status, stderr } = spawnSync("/bin/sh", ["-c", line], {
          cwd: place.root,
          env: { ...place.env, PATH },
          encoding: "utf8",
        });
        assert.equal(status, 0, stderr);
        const restored = `${place.root}-restored`;
        assert.deepEqual(fs.readdirSync(restored), ["a"]);
        fs.rmSync(restored, { recursive: true });
      }
    });
  },
);

test("diff does not show paths that a snapshot skipped as deleted", {
  skip: process.platform === "win32" && "needs POSIX",
}, async () => {
  await withPlace(async (place) => {
    place.write({
      gone: "1",
      "kept out": "2",
      "sub/socket": "3",
      "dir/in": "4",
    });
    place.run(["snapshot"]);
    for (const path of ["gone", "sub/socket"]) {
      fs.rmSync(join(place.root, path));
    }
    const server = createServer();
    await new Promise<void>((resolve) =>
      server.listen(join(place.root, "sub/socket"), resolve)
    );
    place.write({ ".deltarignore": "kept*\ndir/\n" });
    assert.equal(place.run(["snapshot"]).code, 0);
    const words = ["diff", "latest~1", "latest"];
    assert.equal(
      place.run(words).out,
      "+ .deltarignore\n" +
        "? dir/ was excluded: .deltarignore:2: dir/\n" +
        "? dir/in was excluded: .deltarignore:2: dir/\n" +
        "- gone\n" +
        "? kept out was excluded: .deltarignore:1: kept*\n" +
        "t sub/: time\n" +
        "? sub/socket was excluded: a socket\n",
    );
    const { changes } = place.json(words);
    assert.deepEqual(
      // deno-lint-ignore no-explicit-any
      changes.map(({ path, skipped }: any) => `${path}: ${skipped}`),
      [
        ".deltarignore: undefined",
        "dir: excluded",
        "dir/in: excluded",
        "gone: undefined",
        "kept out: excluded",
        "sub: undefined",
        "sub/socket: special",
      ],
    );
    server.close();
  });
});
