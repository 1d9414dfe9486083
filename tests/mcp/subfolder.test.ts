import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "../cli/helpers.ts";
import { withServer } from "./server.ts";

/** Returns the `path` of each item. */
function pathsOf(items: { path: string }[]): string[] {
  return items.map(({ path }) => path);
}

test("deltar_status applies the server's own options to the next snapshot", async () => {
  await withPlace(async (place) => {
    place.write({ "a.txt": "one\n", "a.tmp": "", "a.log": "" });
    place.run(["snapshot", "--exclude", "*.log"]);
    await withServer(place, async (host) => {
      const isIncluded = async (path: string) =>
        (await host.call("status", { path })).data.path.isIncluded;
      assert.equal(await isIncluded("a.tmp"), false);
      assert.equal(await isIncluded("a.log"), true);
      await host.call("snapshot");
      const { data } = await host.call("status");
      assert.deepEqual(pathsOf(data.notProtected), ["a.tmp"]);
    }, { words: ["--exclude", "*.tmp"] });
  });
});

test("the tools of a server of a subfolder accept the paths that other tools return", async () => {
  await withPlace(async (place) => {
    place.write({
      ".deltarignore": "*.log\n",
      "outside.ts": "outside\n",
      "x.log": "",
      "sub/a.ts": "one\n",
      "sub/src/b.ts": "b\n",
      "sub/src/b.log": "",
      "sub/gone.ts": "gone\n",
    });
    place.run(["snapshot"]);
    const sub = join(place.root, "sub");
    fs.rmSync(join(sub, "gone.ts"));
    fs.rmSync(join(place.root, "outside.ts"));
    place.write({ "sub/a.ts": "two\n", "sub/new.ts": "new\n" });
    await withServer(place, async (host) => {
      const find = async (pattern: string, more: object = {}) => {
        const { data, text } = await host.call("find", { pattern, ...more });
        assert.doesNotMatch(text, /outside\.ts|sub\//);
        return pathsOf(data.paths);
      };
      assert.deepEqual(await find("*.ts"), ["a.ts", "gone.ts", "src/b.ts"]);
      assert.deepEqual(await find("*.ts", { deleted: true }), ["gone.ts"]);
      assert.deepEqual(await find("src/*.ts"), ["src/b.ts"]);
      assert.deepEqual(await find("/*.ts"), ["a.ts", "gone.ts"]);
      assert.deepEqual(await find(`${sub}/src/*`), ["src/b.ts"]);
      assert.deepEqual(await find("sub"), []);
      for (const path of await find("*.ts")) {
        const read = await host.call("read", { path });
        assert.equal(read.data?.path, path, read.text);
        assert.match(read.text, new RegExp(`^${path} in snapshot`));
        const history = await host.call("history", { path });
        assert.equal(history.data?.path, path, history.text);
        assert.deepEqual(pathsOf(history.data.versions), [path]);
        assert.doesNotMatch(history.text, /sub\//);
      }

      const diff = await host.call("diff");
      assert.deepEqual(pathsOf(diff.data.changes), [
        "a.ts",
        "gone.ts",
        "new.ts",
      ]);
      assert.match(diff.data.patch, /^--- a\/a\.ts$/m);
      assert.match(diff.data.patch, /^\+two$/m);
      assert.match(diff.data.patch, /^\+new$/m);
      assert.doesNotMatch(diff.text, /outside|sub\//);
      const one = await host.call("diff", { paths: ["a.ts"] });
      assert.deepEqual(pathsOf(one.data.changes), ["a.ts"]);
      const both = await host.call("diff", { to: "latest" });
      assert.equal(both.data.count, 0);

      const status = await host.call("status", { path: "src/b.log" });
      assert.deepEqual(pathsOf(status.data.notProtected), ["src/b.log"]);
      assert.equal(status.data.path.path, "src/b.log");
      assert.match(status.text, /^src\/b\.log is excluded/m);

      const plan = await host.call("restore", {
        snapshot: "latest",
        delete: true,
      });
      assert.deepEqual(
        pathsOf(plan.data.steps).filter((path) => path !== ""),
        ["a.ts", "gone.ts", "new.ts"],
      );
      assert.equal(plan.data.target, sub);
      const { token } = plan.data;
      const done = await host.call("restore", { token });
      assert.equal(done.data.isDone, true, done.text);
      const undo = await host.call("undo");
      assert.deepEqual(
        pathsOf(undo.data.steps).filter((path) => path !== ""),
        ["a.ts", "gone.ts", "new.ts"],
      );
    }, { cwd: sub });
    assert.equal(fs.readFileSync(join(sub, "a.ts"), "utf8"), "one\n");
    assert.equal(fs.existsSync(join(place.root, "outside.ts")), false);
  });
});

test("a server of a subfolder suggests no path outside of it", async () => {
  await withPlace(async (place) => {
    place.write({ "sud/hidden.ts": "", "hidden.ts": "", "sub/notes.ts": "" });
    place.run(["snapshot"]);
    await withServer(place, async (host) => {
      const inputs = (path: string): [string, object][] => [
        ["read", { path }],
        ["diff", { paths: [path] }],
        ["restore", { snapshot: "latest", paths: [path] }],
      ];
      for (const [tool, input] of inputs("hidden.ts")) {
        const { text, isError } = await host.call(tool, input);
        assert.ok(isError, text);
        assert.doesNotMatch(text, /did you mean|su[bd]\//, tool);
      }
      for (const [tool, input] of inputs("note.ts")) {
        const { text, isError } = await host.call(tool, input);
        assert.ok(isError, text);
        assert.match(text, /did you mean notes\.ts\?/, tool);
        assert.match(text, /: note\.ts|^note\.ts/, tool);
      }
    }, { cwd: join(place.root, "sub") });
  });
});

test("a file that moved into or out of a subfolder has no path outside of it", async () => {
  await withPlace(async (place) => {
    const content = "a line of a file that is moved\n".repeat(50);
    place.write({ "sub/b.ts": "", "before.ts": content });
    place.run(["snapshot"]);
    const rename = (from: string, to: string) => {
      fs.renameSync(join(place.root, from), join(place.root, to));
      place.run(["snapshot"]);
    };
    rename("before.ts", "sub/moved.ts");
    rename("sub/moved.ts", "after.ts");
    await withServer(place, async (host) => {
      const { data, text } = await host.call("history", { path: "moved.ts" });
      assert.doesNotMatch(text + JSON.stringify(data), /before|after|sub\//);
      assert.deepEqual(
        data.versions.map(({ path, change }: Record<string, string>) => [
          path,
          change,
        ]),
        [["moved.ts", "deleted"], ["moved.ts", "created"]],
      );
      const diff = await host.call("diff", {
        from: "latest~2",
        to: "latest~1",
      });
      assert.doesNotMatch(diff.text, /before|after/);
      assert.deepEqual(
        diff.data.changes.map((one: Record<string, string>) => one.change),
        ["created"],
      );
    }, { cwd: join(place.root, "sub") });
  });
});

test("snapshots of a folder and of the folder above it are compared", async () => {
  await withPlace(async (place) => {
    const sub = join(place.root, "sub");
    const repo = join(place.folder, "repo");
    const take = (dir: string) =>
      place.json(["snapshot", "--repo", repo], { cwd: dir }).id;
    place.write({ "a.ts": "a\n", "sub/a.ts": "one\n", "sub/b.ts": "b\n" });
    const from = take(place.root);
    place.write({ "sub/a.ts": "two\n" });
    const to = take(sub);
    await withServer(place, async (host) => {
      for (const input of [{ from, to }, { from: to, to: from }]) {
        const diff = await host.call("diff", input);
        assert.equal(diff.isError, false, diff.text);
        assert.deepEqual(pathsOf(diff.data.changes), ["a.ts"]);
      }
    }, { words: [sub, "--repo", repo] });
  });
});

test("a server serves a folder that is newer than the snapshots", async () => {
  await withPlace(async (place) => {
    place.write({ "a.ts": "a\n" });
    place.run(["snapshot"]);
    place.write({ "new/b.ts": "b\n" });
    await withServer(place, async (host) => {
      const diff = await host.call("diff");
      assert.deepEqual(pathsOf(diff.data?.changes ?? []), ["b.ts"], diff.text);
      const found = await host.call("find", { pattern: "*" });
      assert.deepEqual(found.data.paths, []);
    }, { cwd: join(place.root, "new") });
  });
});

test("a server of a directory without snapshots does not show those of other directories", async () => {
  await withPlace(async (place) => {
    place.write({ "a.ts": "a" });
    const repo = join(place.folder, "repo");
    await withServer(place, async (host) => {
      for (const name of ["other1", "other2"]) {
        const other = join(place.folder, name);
        fs.mkdirSync(other);
        fs.writeFileSync(join(other, "secret.ts"), "secret");
        const words = ["snapshot", "--repo", repo, "--label", "theirs"];
        place.run(words, { cwd: other });
        fs.rmSync(join(other, "secret.ts"));
        const inputs: [tool: string, input: object][] = [
          ["find", { pattern: "*.ts" }],
          ["find", { pattern: "*.ts", deleted: true }],
          ["read", { path: "secret.ts" }],
          ["read", { path: "secret.ts", snapshot: "theirs" }],
        ];
        for (const [tool, input] of inputs) {
          const { text, isError } = await host.call(tool, input);
          assert.ok(isError, text);
          assert.match(text, /Call deltar_list/);
          assert.doesNotMatch(text, /other\d/, text);
        }
      }
      await host.call("snapshot");
      const { text } = await host.call("diff", { from: "theirs" });
      assert.match(text, /no snapshot of this directory has this name/);
      assert.doesNotMatch(text, /other\d/, text);
    }, { words: ["--repo", repo] });
  });
});
