import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Dir } from "../../lib/archive/dir.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { LocalStorage } from "../../lib/storage/local.ts";
import { type Place, withPlace } from "./helpers.ts";

/**
 * Makes two directories with snapshots in one repository. The snapshots of the
 * photos are the newest.
 */
function shared(place: Place) {
  const [docs, photos] = ["docs", "photos"].map((name) => {
    const directory = join(place.folder, name);
    fs.mkdirSync(join(directory, "sub"), { recursive: true });
    return directory;
  });
  place.env.DELTAR_REPOSITORY = join(place.folder, "backups");
  const ids: string[] = [];
  for (const text of ["1", "2"]) {
    for (const directory of [docs, photos]) {
      fs.writeFileSync(join(directory, "n"), `${directory} ${text}`);
      ids.push(place.json(["snapshot"], { cwd: directory }).id);
    }
  }
  return { docs, photos, ids };
}

test("latest names the newest snapshot of the current directory [R9]", async () => {
  await withPlace((place) => {
    const { docs, photos, ids } = shared(place);
    const inDocs = { cwd: docs };
    const run = (...words: string[]) => {
      const { code, out, err } = place.run(words, inDocs);
      assert.equal(code, 0, err);
      return out;
    };
    assert.equal(run("cat", "latest", "n"), `${docs} 2`);
    assert.equal(run("cat", "latest~1", "n"), `${docs} 1`);
    assert.equal(run("diff", "latest~1", "latest"), "~ n\n");
    assert.equal(place.json(["files", "latest"], inDocs).snapshot, ids[2]);
    assert.match(run("label", "latest", "mine"), new RegExp(`^${ids[2]} `));
    assert.equal(place.json(["stats"], inDocs).snapshot, ids[2]);
    assert.equal(place.json(["stats", "latest"], inDocs).snapshot, ids[2]);
    assert.equal(place.json(["drill", "latest"], inDocs).snapshot, ids[2]);
    assert.equal(place.json(["why", "n", "latest"], inDocs).kept, true);
    const to = join(place.folder, "copy");
    const { copied } = place.json(["copy", "latest", "--to", to], inDocs);
    assert.deepEqual(copied, [ids[2]]);

    fs.writeFileSync(join(docs, "n"), "broken");
    fs.writeFileSync(join(photos, "n"), "untouched");
    run("restore", "latest", "n", "--in-place");
    assert.equal(fs.readFileSync(join(docs, "n"), "utf8"), `${docs} 2`);
    assert.equal(fs.readFileSync(join(photos, "n"), "utf8"), "untouched");
    const forgotten = place.json(["forget", "latest"], inDocs).removed;
    assert.deepEqual(forgotten, [ids[2]]);

    // A snapshot of another directory is named by its id, or with `--dir`.
    assert.equal(run("cat", ids[3], "n"), `${photos} 2`);
    assert.equal(
      run("cat", "latest", "n", "--dir", "../photos"),
      `${photos} 2`,
    );
    const listed = place.json(["list", "--dir", photos], inDocs).snapshots;
    assert.deepEqual(listed.map(({ id }: { id: string }) => id), [
      ids[1],
      ids[3],
    ]);
  });
});

test("latest in a directory without snapshots does not name a snapshot of another directory [R9]", async () => {
  await withPlace((place) => {
    const { docs, photos } = shared(place);
    for (const name of ["latest", "latest~1", "today", "yesterday"]) {
      const { code, err } = place.run(["cat", name, "n"]);
      assert.equal(code, 1, name);
      assert.ok(err.includes(`no snapshots of ${place.root}`), err);
      assert.ok(err.includes(docs) && err.includes(photos), err);
      assert.match(err, /`deltar list`.*`--dir`/);
    }
    const dry = ["restore", "latest", "--in-place", "--dry-run"];
    assert.equal(place.run(dry).code, 1);
    assert.equal(place.run(["stats"]).code, 0);

    // The repository has only one directory, so `latest` is not ambiguous.
    place.env.DELTAR_REPOSITORY = join(place.folder, "one");
    assert.equal(place.run(["snapshot"], { cwd: docs }).code, 0);
    assert.equal(place.run(["cat", "latest", "n"]).out, `${docs} 2`);
  });
});

test("a snapshot can be named by a label, a date, or the end of its id", async () => {
  await withPlace((place) => {
    const { docs, ids } = shared(place);
    const inDocs = { cwd: docs };
    const idOf = (name: string) => {
      const found = place.json(["label", name], inDocs);
      assert.equal(found.code, 0, name);
      return found.id;
    };
    place.run(["label", "latest~1", "before: it broke"], inDocs);
    assert.equal(idOf("before: it broke"), ids[0]);
    assert.equal(idOf(ids[0].slice(-6)), ids[0]);
    assert.equal(idOf(ids[1].slice(-6)), ids[1]);
    assert.equal(idOf(ids[0].slice(0, -1)), ids[0]);
    const now = new Date();
    const day = `${now.getFullYear()}-${
      String(now.getMonth() + 1).padStart(2, "0")
    }-${String(now.getDate()).padStart(2, "0")}`;
    for (const name of [day, `${day} 23:59`, "today", "0 days ago"]) {
      assert.equal(idOf(name), ids[2], name);
    }
    const { time } = place.json(["list"], inDocs).snapshots[0];
    assert.equal(idOf(time), ids[0]);
    const early = place.run(["label", "yesterday"], inDocs);
    assert.equal(early.code, 1);
    assert.match(
      early.err,
      /no snapshot was taken before the end of yesterday/,
    );

    place.run(["label", "latest", "before: it broke"], inDocs);
    const both = place.run(["label", "before: it broke"], inDocs);
    assert.equal(both.code, 1);
    assert.ok(both.err.includes(`is the label of 2 snapshots: ${ids[0]}`));
    assert.ok(both.err.includes(ids[2]));
    const wrong = place.run(["label", "2026-02-30"], inDocs);
    assert.match(
      wrong.err,
      /no snapshot has "2026-02-30" as its label, or as .* end of its id\. /,
    );
    // The error says that the label belongs to another directory.
    place.run(["label", ids[1], "elsewhere"], inDocs);
    const other = place.run(["cat", "elsewhere", "n"], inDocs);
    assert.ok(
      other.err.includes(`other directories with the label: ${ids[1]}`),
    );
  });
});

test("SNAPSHOT:FOLDER uses a folder of the snapshot as the root", async () => {
  await withPlace((place) => {
    place.write({ "a/b/c": "one", "a/b/d": "d", "a/e": "e", top: "t" });
    fs.linkSync(join(place.root, "a/e"), join(place.root, "a/b/link"));
    place.run(["snapshot", "--label", "x: y"]);
    assert.equal(place.run(["cat", "latest:a/b", "c"]).out, "one");
    assert.equal(place.run(["cat", "x: y:a", "b/c"]).out, "one");
    const { entries } = place.json(["files", "latest:a/b/"]);
    assert.deepEqual(
      entries.map(({ path }: { path: string }) => path),
      ["a/b", "a/b/c", "a/b/d", "a/b/link"],
    );
    const to = join(place.folder, "to");
    const { code, err } = place.run(["restore", "latest:a/b", "--to", to]);
    assert.equal(code, 0, err);
    assert.deepEqual(fs.readdirSync(to).sort(), ["c", "d", "link"]);
    assert.equal(fs.readFileSync(join(to, "link"), "utf8"), "e");
    const one = join(place.folder, "one");
    assert.equal(
      place.run(["restore", "latest:a", "b/c", "--to", one]).code,
      0,
    );
    assert.deepEqual(fs.readdirSync(one), ["b"]);
    place.write({ "a/b/c": "changed", top: "changed" });
    assert.equal(place.run(["restore", "latest:a/b", "--in-place"]).code, 0);
    assert.equal(fs.readFileSync(join(place.root, "a/b/c"), "utf8"), "one");
    assert.equal(fs.readFileSync(join(place.root, "top"), "utf8"), "changed");
    assert.equal(place.run(["undo"], { cwd: join(place.root, "a/b") }).code, 0);
    assert.equal(fs.readFileSync(join(place.root, "a/b/c"), "utf8"), "changed");

    const refused = place.run(["restore", "latest:a", "--to", to, "--delete"]);
    assert.equal(refused.code, 1);
    assert.deepEqual(fs.readdirSync(to).sort(), ["c", "d", "link"]);
    place.write({ "a/b/d": "dd" });
    place.run(["snapshot"]);
    assert.equal(
      place.run(["diff", "latest~1:a", "latest:a"]).out,
      "~ b/c\n~ b/d\n",
    );
    assert.match(
      place.run(["files", "latest:nope"]).err,
      /not in this snapshot/,
    );
  });
});

test("commands in a subfolder find the project and its repository [T7]", async () => {
  await withPlace((place) => {
    place.write({ top: "1", "sub/in": "1", "sub/deep/x": "1" });
    const first = place.json(["snapshot"]);
    const sub = { cwd: join(place.root, "sub") };
    place.write({ top: "2", "sub/in": "2", "sub/deep/x": "2" });
    const second = place.json(["snapshot"], sub);
    assert.equal(second.directory, place.root);
    assert.equal(second.repository, first.repository);
    assert.equal(second.counts.updated, 3);
    const repositories = join(place.data, "repositories");
    assert.equal(fs.readdirSync(repositories).length, 1);
    assert.equal(place.json(["list"], sub).snapshots.length, 2);
    assert.equal(
      place.run(["diff", "latest~1", "latest"], sub).out,
      "~ sub/deep/x\n~ sub/in\n~ top\n",
    );
    assert.equal(
      place.run(["diff", "latest~1", "latest", "deep"], sub).out,
      "~ sub/deep/x\n",
    );
    // A path is relative to the current directory or, if it does not exist
    // there, to the root.
    assert.equal(place.run(["cat", "latest~1", "in"], sub).out, "1");
    assert.equal(place.run(["cat", "latest~1", "sub/in"], sub).out, "1");
    assert.equal(place.run(["cat", "latest~1", "../top"], sub).out, "1");
    assert.equal(place.json(["why", "in"], sub).path, "sub/in");

    const read = () =>
      ["top", "sub/in", "sub/deep/x"].map((path) =>
        fs.readFileSync(join(place.root, path), "utf8")
      ).join("");
    const run = (...words: string[]) => {
      const { code, err } = place.run(words, sub);
      assert.equal(code, 0, err);
      return read();
    };
    assert.equal(run("restore", "latest~1", "--in-place"), "211");
    assert.equal(run("undo"), "222");
    assert.equal(run("restore", "latest~1", "deep/x", "--in-place"), "221");
    assert.equal(run("undo"), "222");
    assert.equal(run("restore", "latest~1", "--in-place", "--all"), "111");
    // The first restore changes only the current directory. The second one
    // restores the rest.
    assert.equal(run("undo"), "122");
    assert.equal(run("redo"), "111");
    assert.equal(run("undo"), "122");
    assert.equal(run("undo", "--all"), "222");
    // A path that exists above the current directory is not changed.
    const above = place.run(["restore", "latest~1", "top", "--in-place"], sub);
    assert.equal(above.code, 1);
    assert.equal(read(), "222");
    // A named folder is a directory with its own snapshots.
    assert.equal(place.json(["snapshot", "."], sub).directory, sub.cwd);
  });
});

test("commands in a subfolder find a project whose repository was named [T7]", async () => {
  await withPlace((place) => {
    place.write({ "sub/in": "1" });
    place.env.DELTAR_REPOSITORY = join(place.folder, "backups");
    place.run(["snapshot"]);
    const sub = { cwd: join(place.root, "sub") };
    place.write({ "sub/in": "2" });
    assert.equal(place.json(["snapshot"], sub).directory, place.root);
    assert.equal(place.run(["cat", "latest~1", "in"], sub).out, "1");
    const input = JSON.stringify({ cwd: sub.cwd });
    place.write({ "sub/in": "3" });
    assert.equal(place.run(["hook"], { cwd: place.folder, input }).code, 0);
    const { snapshots } = place.json(["list"]);
    assert.equal(snapshots.at(-1).directory, place.root);
    assert.equal(snapshots.length, 3);
  });
});

test("restore --in-place refuses a directory of another system [R13]", async () => {
  await withPlace(async (place) => {
    place.write({ "a": "a" });
    const repo = join(place.folder, "repo");
    const repository = await Repository.create(new LocalStorage(repo));
    const source = process.platform === "win32" ? "/work" : "C:\\work";
    const { record } = await repository.snapshot(new Dir(place.root), {
      source,
    });
    const words = ["restore", record.id, "--in-place", "--repo", repo];
    const { code, err } = place.run(words);
    assert.equal(code, 1);
    assert.ok(
      err.includes(`is not an absolute path on this system: ${source}`),
    );
    assert.deepEqual(fs.readdirSync(place.root), ["a"]);
  });
});
