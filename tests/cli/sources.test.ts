import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { needs, runText } from "../support/peer.ts";
import { COMMAND, withPlace } from "./helpers.ts";

test("snapshot of a directory that is suddenly empty needs a confirmation [S4]", async () => {
  await withPlace((place) => {
    const fill = () => {
      for (let n = 0; n < 12; n++) place.write({ [`sub/${n}`]: `${n}` });
    };
    fill();
    const { id } = place.json(["snapshot"]);
    const empty = () => {
      fs.rmSync(place.root, { recursive: true });
      fs.mkdirSync(place.root);
    };
    const refused = (...words: string[]) => {
      const { code, err } = place.run(["snapshot", ...words]);
      assert.equal(code, 1, err);
      assert.ok(err.includes("is gone (12 files in "), err);
      assert.ok(err.includes(id) && err.includes("--allow-empty"), err);
    };
    empty();
    refused();
    refused("--label", "nightly");
    fs.mkdirSync(join(place.root, "sub"));
    refused();
    // A mount point may have this file of its own.
    place.write({ "NOT-MOUNTED": "" });
    refused();
    assert.equal(place.json(["list"]).snapshots.length, 1);
    // The hook prints this, and does not stop the agent.
    const hook = place.run(["hook"], { input: "{}" });
    assert.equal(hook.code, 0);
    assert.match(hook.err, /is gone \(12 files in /);

    // The disk is mounted again, or the directory was emptied on purpose.
    empty();
    fill();
    assert.equal(place.run(["snapshot"]).code, 0);
    empty();
    const taken = place.json(["snapshot", "--allow-empty"]);
    assert.equal(taken.counts.deleted, 12);
    assert.equal(place.run(["snapshot"]).code, 0);
    place.write({ a: "a" });
    assert.equal(place.run(["snapshot"]).code, 0);
    // It is not suspicious if a directory of few files gets another file
    // instead.
    fs.rmSync(join(place.root, "a"));
    place.write({ b: "b" });
    assert.equal(place.run(["snapshot"]).code, 0);
  });
});

test("snapshot recognizes a moved directory, and continues its snapshots if asked to [S6]", async () => {
  await withPlace((place) => {
    const [work, other] = ["work", "other"].map((name) => {
      fs.mkdirSync(join(place.folder, name));
      return join(place.folder, name, "proj");
    });
    place.write({ a: "a", b: "b" });
    const first = place.json(["snapshot"]);
    fs.renameSync(place.root, work);
    const said = place.run(["snapshot", "--continue-from", place.root], {
      cwd: work,
    });
    assert.equal(said.code, 0, said.err);
    const { repository, snapshots } = place.json(["list"], { cwd: work });
    assert.ok(!fs.existsSync(first.repository));
    assert.notEqual(repository, first.repository);
    assert.equal(snapshots.length, 2);
    assert.equal(snapshots[1].directory, work);
    assert.equal(snapshots[1].parent, first.id);
    assert.equal(snapshots[1].counts.created, 0);
    assert.equal(place.run(["cat", "latest", "a"], { cwd: work }).out, "a");

    // Without a terminal, the command cannot ask. It prints a note and begins a
    // new sequence.
    fs.renameSync(work, other);
    const anew = place.run(["snapshot"], { cwd: other });
    assert.equal(anew.code, 0);
    assert.ok(
      anew.err.includes(`${other} looks like ${work}, which was moved`),
    );
    assert.ok(anew.err.includes(`--continue-from ${work}`), anew.err);
    assert.ok(fs.existsSync(repository));
    assert.equal(place.run(["snapshot"], { cwd: other }).err, "");

    // A new directory that only has the same inode is not the moved directory.
    const late = place.run(["snapshot", "--continue-from", work], {
      cwd: other,
    });
    assert.equal(late.code, 1);
    assert.match(late.err, /already has snapshots/);
  });
});

test("snapshot continues a moved directory in a named repository [S6]", async () => {
  await withPlace((place) => {
    place.env.DELTAR_REPOSITORY = join(place.folder, "backups");
    place.write({ a: "a", b: "b" });
    const first = place.json(["snapshot"]);
    const moved = join(place.folder, "moved");
    fs.renameSync(place.root, moved);
    const words = ["snapshot", "--continue-from", place.root];
    const second = place.json(words, { cwd: moved });
    assert.equal(second.code, 0);
    assert.equal(second.parent, first.id);
    assert.equal(second.directory, moved);
    const other = join(moved, "other");
    fs.mkdirSync(other);
    const wrong = [...words.slice(0, 2), place.folder, other];
    const none = place.run(wrong, { cwd: moved });
    assert.match(none.err, /no snapshots of this directory/);
    assert.equal(none.code, 1);
  });
});

test("a restore into a directory is undone after the directory was moved [S6]", async () => {
  await withPlace((place) => {
    place.env.DELTAR_REPOSITORY = join(place.folder, "backups");
    place.write({ a: "first" });
    place.json(["snapshot"]);
    place.write({ a: "second!" });
    place.json(["restore", "latest", "--in-place"]);
    const [once, twice] = ["once", "twice"].map((name) =>
      join(place.folder, name)
    );
    const move = (from: string, to: string) => {
      fs.renameSync(from, to);
      place.json(["snapshot", "--continue-from", from], { cwd: to });
    };
    move(place.root, once);
    move(once, twice);
    const read = () => fs.readFileSync(join(twice, "a"), "utf8");
    assert.equal(read(), "first");
    const done = place.run(["undo"], { cwd: twice });
    assert.equal(done.code, 0, done.err);
    assert.equal(read(), "second!");
    assert.equal(place.run(["redo"], { cwd: twice }).code, 0);
    assert.equal(read(), "first");
    // Another directory at the old path has these restores.
    fs.mkdirSync(place.root);
    const other = place.run(["undo"], { cwd: twice });
    assert.equal(other.code, 0, other.err);
    assert.equal(read(), "second!");
    assert.notEqual(place.run(["undo"], { cwd: twice }).code, 0);
  });
});

test("undo in a moved directory reverts no restore into a later directory at the old path [S6]", async () => {
  await withPlace((place) => {
    place.env.DELTAR_REPOSITORY = join(place.folder, "backups");
    place.write({ a: "first" });
    place.json(["snapshot"]);
    const moved = join(place.folder, "moved");
    fs.renameSync(place.root, moved);
    place.json(["snapshot", "--continue-from", place.root], { cwd: moved });
    fs.mkdirSync(place.root);
    place.write({ other: "1" });
    place.json(["snapshot"]);
    place.write({ other: "2" });
    place.json(["restore", "latest", "--in-place"]);
    fs.rmSync(place.root, { recursive: true });
    assert.notEqual(place.run(["undo"], { cwd: moved }).code, 0);
    assert.deepEqual(fs.readdirSync(moved), ["a"]);
  });
});

test("a repository inside the directory is excluded by any path that leads to it [S7]", async () => {
  await withPlace((place) => {
    place.write({ a: "a", "sub/b": "b" });
    const link = join(place.folder, "link");
    fs.symlinkSync(place.root, link);
    const repo = join(link, "sub/../sub/repo");
    for (let n = 0; n < 2; n++) {
      place.write({ a: `${n}` });
      const { id, repository } = place.json(["snapshot", "--repo", repo]);
      const { entries } = place.json(["files", id, "--repo", repository]);
      assert.deepEqual(
        entries.map(({ path }: { path: string }) => path),
        ["a", "sub", "sub/b"],
      );
    }
    // The directory is the same by each path that leads to it.
    const linked = place.json(["snapshot", link, "--repo", repo]);
    assert.equal(linked.isNew, false);
    assert.equal(linked.directory, place.root);
  });
});

test(
  "a repository inside the directory is excluded through a mount, too [S7]",
  {
    skip: (process.platform !== "linux" || process.getuid?.() !== 0) &&
      "needs root on Linux",
  },
  async (context) => {
    await withPlace((place) => {
      place.write({ a: "a", "sub/b": "b" });
      const [elsewhere, inside] = [
        join(place.folder, "elsewhere"),
        join(place.root, "sub/inside"),
      ];
      fs.mkdirSync(elsewhere);
      fs.mkdirSync(inside);
      const { status } = spawnSync("mount", ["--bind", elsewhere, inside]);
      if (status !== 0) {
        assert.ok(!process.env.CI, "CI has to be able to mount");
        return context.skip("a container may forbid mounts");
      }
      try {
        const words = ["--repo", elsewhere];
        place.run(["snapshot", ...words]);
        place.write({ a: "2" });
        const { id } = place.json(["snapshot", ...words]);
        const { entries } = place.json(["files", id, ...words]);
        assert.deepEqual(
          entries.map(({ path }: { path: string }) => path),
          ["a", "sub", "sub/b"],
        );
      } finally {
        runText("umount", [inside]);
      }
    });
  },
);

test(
  "only commands that need the current directory fail after it was deleted [S12]",
  {
    ...needs("sh"),
    // Deno itself cannot start there, even before it runs a script.
    skip: COMMAND.includes("run"),
  },
  async () => {
    await withPlace((place) => {
      place.write({ a: "a" });
      const repo = join(place.folder, "backups");
      place.run(["snapshot", "--repo", repo]);
      const gone = join(place.folder, "gone");
      const run = (words: string[], input = "", pwd = "") => {
        fs.mkdirSync(gone);
        const script = `cd "$0" && rmdir "$0" && PWD=${pwd} && export PWD && ` +
          'exec "$@"';
        const line = ["-c", script, gone, ...COMMAND, ...words];
        const { status, stdout, stderr } = spawnSync("sh", line, {
          env: place.env,
          input,
          encoding: "utf8",
        });
        return { code: status, out: stdout, err: stderr };
      };
      for (const words of [["--version"], ["--help"], ["help", "list"]]) {
        assert.equal(run(words).code, 0, words[0]);
      }
      assert.equal(run(["list", "--repo", repo, "--dir", place.root]).code, 0);
      assert.equal(
        run(["cat", "latest", "a", "--repo", repo, "--dir", "/"]).out,
        "a",
      );
      assert.equal(run(["snapshot", place.root, "--repo", repo]).code, 0);
      for (const words of [["snapshot"], ["list"], ["undo"], ["why", "a"]]) {
        const { code, err } = run(words);
        assert.equal(code, 1, words[0]);
        assert.match(
          err,
          /^deltar: the current directory was deleted; change to/,
        );
      }
      const hook = run(["hook"], "{}");
      assert.equal(hook.code, 0);
      assert.match(hook.err, /no snapshot was made: the current directory was/);
      // The shell still knows the path of the deleted directory, and so the
      // project.
      const inside = run(
        ["cat", "latest", "a", "--repo", repo],
        "",
        `${place.root}/x`,
      );
      assert.equal(inside.out, "a");
    });
  },
);

test("a directory with the longest possible name has a default repository [S13]", async () => {
  await withPlace((place) => {
    const [one, other] = ["a", "b"].map((end) => {
      const directory = join(place.folder, "n".repeat(254) + end);
      fs.mkdirSync(directory);
      fs.writeFileSync(join(directory, "f"), end);
      return directory;
    });
    const { code, out, err } = place.run(["snapshot"], { cwd: one });
    assert.equal(code, 0, err);
    assert.equal(place.run(["snapshot"], { cwd: other }).code, 0);
    assert.equal(place.run(["cat", "latest", "f"], { cwd: one }).out, "a");
    assert.equal(place.run(["cat", "latest", "f"], { cwd: other }).out, "b");
    const to = / --to (\S+)/.exec(out)![1];
    assert.equal(
      place.run(["restore", "latest", "--to", to], { cwd: one }).code,
      0,
    );
  });
});

test("why describes the next snapshot with its options [S14]", async () => {
  await withPlace((place) => {
    place.write({ "node_modules/m": "m", a: "a" });
    fs.symlinkSync("node_modules", join(place.root, "link"));
    place.run(["snapshot", "--exclude", "node_modules/"]);
    const said = place.run(["why", "node_modules/m"]).out;
    assert.match(
      said,
      /^node_modules\/m is included\nWith the options of the last /,
    );
    assert.match(
      said,
      /\(--exclude node_modules\/\), node_modules\/m is excluded: exclude: n/,
    );
    assert.equal(
      place.run(["why", "node_modules/m", "--exclude", "m"]).out.split("\n")[0],
      "node_modules/m is excluded with --exclude m: exclude: m",
    );
    const dot = place.json(["why", "."]);
    assert.deepEqual([dot.path, dot.kept], [".", true]);
    assert.equal(place.json(["why", ".", "latest"]).kept, true);
    const under = place.json(["why", "link/m"]);
    assert.equal(under.kept, false);
    assert.equal(under.why, "link: a symlink, which is not followed");
    assert.equal(place.json(["why", "link"]).kept, true);
    assert.equal(place.json(["why", join(place.root, "a")]).path, "a");
    assert.equal(place.run(["why", "../elsewhere"]).code, 1);
    const below = place.run(["why", "a/b"]);
    assert.equal(below.code, 1);
    assert.match(below.err, /a\/b: no such file or folder/);
  });
});

test("snapshot --exclude accepts typed paths, and names patterns that exclude nothing [S15]", async () => {
  await withPlace((place) => {
    place.write({
      "cache/a": "a",
      "sub/cache/b": "b",
      "logs/x.log": "x",
      y: "y",
    });
    const paths = (...patterns: string[]) => {
      const words = patterns.flatMap((pattern) => ["--exclude", pattern]);
      const { id, unmatched } = place.json([
        "snapshot",
        "--label",
        "x",
        ...words,
      ]);
      const { entries } = place.json(["files", id]);
      const found = entries.map(({ path }: { path: string }) => path);
      return { found, unmatched };
    };
    for (
      const pattern of [
        join(place.root, "cache"),
        `${place.root}/sub/../cache`,
        `${place.root}//cache/`,
        "./cache",
        "/cache",
      ]
    ) {
      const { found, unmatched } = paths(pattern);
      assert.ok(!found.includes("cache"), pattern);
      assert.ok(found.includes("sub/cache/b"), pattern);
      assert.deepEqual(unmatched, []);
    }
    const idle = paths(
      "cach",
      "/srv/cache",
      "*.log",
      "x.log",
      "logs/",
      "logs/x.log",
    );
    // In an excluded folder, no further path is excluded.
    assert.deepEqual(idle.unmatched, ["cach", "/srv/cache", "*.log", "x.log"]);
    assert.deepEqual(paths("*.log", "x.log").unmatched, []);
    // The patterns are named as they were typed.
    const own = ["./none", join(place.root, "sub/none"), "../y"];
    assert.deepEqual(paths(...own).unmatched, own);
    const { err, code } = place.run([
      "snapshot",
      "--exclude",
      "node_modules\\",
    ]);
    assert.equal(code, 0, err);
    assert.match(err, /--exclude node_modules.: this pattern excludes nothing/);
    const quiet = place.run(["snapshot", "-q", "--exclude", "none"]);
    assert.equal(quiet.err, "");
  });
});

test("a configuration error is explained [S17]", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    const config = join(place.folder, "config.json");
    const backups = { root: { directory: "root", repo: "backups" } };
    const list = (text: string) => {
      fs.writeFileSync(config, text);
      return place.run(["backup", "--list", "--config", config]);
    };
    assert.equal(list(`\uFEFF${JSON.stringify({ backups })}`).out, "root\n");
    const unknown = list(JSON.stringify({ backups, Backups: {} }));
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.err,
      /unknown key "Backups"; the keys are "backups" and "\$schema"/,
    );
    fs.rmSync(config);
    fs.mkdirSync(config);
    const unread = place.run(["backup", "--config", config]);
    assert.equal(unread.code, 1);
    assert.match(unread.err, /config\.json: cannot read the configuration: /);
    assert.doesNotMatch(unread.err, /missing configuration/);
  });
});

test("label prints, sets and removes a label [T5]", async () => {
  await withPlace((place) => {
    place.write({ a: "a" });
    place.run(["snapshot", "--label", "first"]);
    const label = (...words: string[]) =>
      place.run(["label", "latest", ...words]).out.replace(/^\S+ /, "");
    assert.equal(label(), 'has the label "first"\n');
    assert.equal(label(), 'has the label "first"\n');
    assert.equal(label("second"), 'has the label "second" (before: "first")\n');
    assert.equal(label("--remove"), 'has no label (before: "second")\n');
    assert.equal(label(), "has no label\n");
    assert.equal(place.run(["label", "latest", "x", "--remove"]).code, 2);
    assert.equal(place.run(["snapshot", "--label", ""]).code, 2);
    assert.equal(place.json(["list"]).snapshots.length, 1);
  });
});
