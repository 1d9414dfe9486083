import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  give,
  needsOtherUser,
  NOBODY_ID,
  OtherUser,
  type Outcome,
} from "../support/other_user.ts";
import { whyNotMade } from "../../lib/tree/open_folder.ts";
import { runText } from "../support/peer.ts";
import { CLI, type Place, withPlace } from "./helpers.ts";

/** Runs work in a new place as another user. */
function withUserPlace(
  work: (place: Place, run: (...words: string[]) => Outcome) => void,
): Promise<void> {
  return withPlace((place) => {
    const user = new OtherUser(place.folder);
    const { root: cwd, env } = place;
    work(place, (...words) => user.run([CLI, ...words], { cwd, env }));
  });
}

function journals(folder: string): string[] {
  return fs.readdirSync(folder).filter((name) => name.includes("journal"));
}

test(
  "restore and undo name paths in the folder of another user, and restore the rest [R5]",
  needsOtherUser,
  async () => {
    await withUserPlace((place, run) => {
      place.write({ "a": "a", "made/x": "x", "made/y": "y", "z": "z" });
      give(place.root);
      const taken = run("snapshot");
      assert.equal(taken.code, 0, taken.err);
      place.write({ "a": "A", "made/x": "X", "z": "Z" });
      fs.rmSync(join(place.root, "made/y"));
      give(place.root);
      // A container created these folders as root.
      for (const name of ["made", "made/x"]) {
        fs.chownSync(join(place.root, name), 0, 0);
      }
      const restore = ["restore", "latest", "--in-place"];
      const plan = run(...restore, "--dry-run");
      const done = run(...restore);
      for (const { code, err } of [plan, done]) {
        assert.equal(code, 3, err);
        for (const path of ["made/x", "made/y"]) {
          assert.match(err, new RegExp(`${path} .*permission denied`));
        }
        assert.doesNotMatch(err, /^ +at /m);
      }
      assert.match(done.out, /^Restored 2 files/m);
      const read = (path: string) =>
        fs.readFileSync(join(place.root, path), "utf8");
      assert.deepEqual(["a", "made/x", "z"].map(read), ["a", "X", "z"]);
      assert.deepEqual(journals(place.root), []);
      const undone = run("undo");
      assert.ok(undone.code === 0 || undone.code === 3, undone.err);
      assert.deepEqual(["a", "made/x", "z"].map(read), ["A", "X", "Z"]);
      assert.deepEqual(journals(place.root), []);
    });
  },
);

test(
  "restore puts a file into a sticky folder of root [R5]",
  needsOtherUser,
  async () => {
    await withUserPlace((place, run) => {
      place.write({ "a": "a", "b": "b" });
      give(place.root);
      const taken = run("snapshot");
      assert.equal(taken.code, 0, taken.err);
      const target = join(place.folder, "shared");
      fs.mkdirSync(target);
      fs.chmodSync(target, 0o1777);
      // A file of another user must not be replaced in this folder.
      fs.writeFileSync(join(target, "b"), "root's");
      const one = run("restore", "latest", "a", "--to", target);
      assert.equal(one.code, 0, one.err);
      assert.equal(fs.readFileSync(join(target, "a"), "utf8"), "a");
      const all = run("restore", "latest", "--to", target);
      assert.equal(all.code, 3, all.err);
      assert.match(all.err, /^deltar: b .*permission denied/m);
      assert.equal(fs.readFileSync(join(target, "b"), "utf8"), "root's");
      assert.deepEqual(journals(target), []);
      assert.equal(fs.statSync(target).mode & 0o7777, 0o1777);
    });
  },
);

test(
  "restore does not need permission to write to the target folder itself [R5]",
  needsOtherUser,
  async () => {
    await withUserPlace((place, run) => {
      place.write({ "sub/a": "a", "top": "top" });
      give(place.root);
      const taken = run("snapshot");
      assert.equal(taken.code, 0, taken.err);
      place.write({ "sub/a": "A", "top": "TOP" });
      give(place.root);
      fs.chownSync(place.root, 0, 0);
      const { code, err } = run(
        "restore",
        "latest",
        "--in-place",
        "--repo",
        repositoryOf(place),
      );
      assert.equal(code, 3, err);
      assert.equal(fs.readFileSync(join(place.root, "sub/a"), "utf8"), "a");
      assert.equal(fs.readFileSync(join(place.root, "top"), "utf8"), "TOP");
    });
  },
);

/** Returns the repository that the first snapshot created. */
function repositoryOf(place: Place): string {
  const data = join(place.folder, "home/data");
  const settings = fs.readdirSync(data, { recursive: true }).map(String)
    .find((name) => name.endsWith("deltar.json"))!;
  return join(data, settings, "..");
}

test(
  "restore without root creates named pipes and names devices",
  needsOtherUser,
  async () => {
    await withUserPlace((place, run) => {
      place.write({ "file": "content" });
      const mknod = (...words: string[]) =>
        runText("mknod", [join(place.root, words[0]), ...words.slice(1)]);
      mknod("pipe", "p");
      mknod("null", "c", "1", "3");
      give(place.root);
      const taken = run("snapshot");
      assert.equal(taken.code, 0, taken.err);
      assert.match(taken.out, /found {7}1 file, .*, 2 pipes and devices, /);
      const done = run("restore", "latest", "--to", "../home/target");
      assert.equal(done.code, 3, done.out);
      const target = join(place.folder, "home/target");
      const canMake = whyNotMade("fifo") === undefined;
      assert.match(
        done.err,
        canMake
          ? /^deltar: null was not restored: a device, which only root can /m
          : /^deltar: null was not restored: a device, which this runtime /m,
      );
      assert.deepEqual(
        fs.readdirSync(target),
        canMake ? ["file", "pipe"] : ["file"],
      );
      assert.equal(/1 pipe or device created/.test(done.out), canMake);
      const { out } = run("files", "latest");
      assert.match(out, /^crw-r--r-- nobody +\S+ +1, 3 .* null$/m);
      assert.match(out, /^prw-r--r-- nobody +\S+ +0 .* pipe$/m);
    });
  },
);

test(
  "restore without root says once that owners were not restored",
  needsOtherUser,
  async () => {
    await withUserPlace((place, run) => {
      place.write({ "mine": "1", "yours": "2", "theirs": "3" });
      fs.chownSync(join(place.root, "theirs"), 4_000_001, 4_000_001);
      give(place.root);
      fs.chownSync(join(place.root, "yours"), 0, 0);
      fs.chownSync(join(place.root, "theirs"), 4_000_001, 4_000_001);
      assert.equal(run("snapshot").code, 0);
      const words = ["restore", "latest", "--to", "../home/target"];
      const plan = run(...words, "--dry-run");
      const done = run(...words);
      for (const { code, out } of [plan, done]) {
        assert.equal(code, 0);
        assert.match(
          out,
          /The owners of 2 paths .* restored, because only root can set them/,
        );
      }
      const { uid } = fs.statSync(join(place.folder, "home/target/yours"));
      assert.equal(uid, NOBODY_ID);
    });
  },
);

test("files shows names of owners, and restore takes --numeric-owner", {
  ...needsOtherUser,
}, async () => {
  await withPlace((place) => {
    place.write({ "file": "content" });
    fs.chownSync(join(place.root, "file"), 1, 8);
    assert.equal(place.run(["snapshot"]).code, 0);
    const { entries } = place.json(["files", "latest"]);
    const { uid, gid, uname, gname } = entries[0];
    assert.deepEqual([uid, gid, uname, gname], [1, 8, "daemon", "mail"]);
    const restored = place.json(
      ["restore", "latest", "--to", "../target", "--numeric-owner"],
    );
    assert.equal(restored.ownersUnset, 0);
    assert.equal(fs.statSync(join(place.folder, "target/file")).uid, 1);
  });
});

test(
  "diff and log name the old and the new owner, even of the directory itself",
  {
    ...needsOtherUser,
  },
  async () => {
    await withPlace((place) => {
      place.write({ file: "file" });
      const give = (uid: number) => {
        fs.chownSync(place.root, uid, 0);
        fs.chownSync(join(place.root, "file"), uid, 0);
      };
      give(0);
      assert.equal(place.run(["snapshot"]).code, 0);
      give(1);
      const { out } = place.run(["diff", "latest"]);
      assert.match(out, /^t \.\/: owner root -> daemon$/m);
      assert.match(out, /^t file: owner root -> daemon$/m);
      assert.equal(place.run(["snapshot"]).code, 0);
      assert.match(place.run(["log", "file"]).out, /owner root -> daemon/);
    });
  },
);
