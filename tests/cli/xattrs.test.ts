import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { canUseXattrs } from "../../lib/tree/open_folder.ts";
import { needs, run } from "../support/peer.ts";
import { needsXattrs, setXattr, shownXattrs } from "../support/xattrs.ts";
import { COMMAND, type Place, withPlace } from "./helpers.ts";

test(
  "commands store, show, compare and restore attributes",
  needsXattrs,
  async () => {
    await withPlace((place) => {
      place.write({ "a.txt": "one\n", "b.txt": "two\n" });
      setXattr(join(place.root, "a.txt"), "user.note", "first");
      setXattr(join(place.root, "a.txt"), "user.other", "1");
      const first = place.json(["snapshot"]);
      assert.deepEqual([first.code, first.xattrs], [0, true]);
      setXattr(join(place.root, "a.txt"), "user.note", "second");
      const second = place.run(["snapshot"]);
      assert.deepEqual([second.code, second.err], [0, ""]);
      assert.equal(
        place.run(["diff", "latest~1", "latest"]).out,
        "t a.txt: attributes ~user.note\n",
      );
      assert.match(place.run(["files", first.id]).out, /^-rw\S+\+ .* a\.txt$/m);
      const { entries } = place.json(["files", first.id]);
      assert.deepEqual(
        entries.map(({ xattrs }: { xattrs: unknown }) => xattrs),
        [{ "user.note": "Zmlyc3Q=", "user.other": "MQ==" }, {}],
      );
      const restored = (name: string, ...words: string[]) => {
        const target = join(place.folder, name);
        const done = place.run(["restore", first.id, "--to", target, ...words]);
        assert.equal(done.code, 0, done.err);
        return shownXattrs(target).replaceAll("\n", " ").trim();
      };
      assert.equal(
        restored("all"),
        "# file: a.txt user.note=0sZmlyc3Q= user.other=0sMQ==",
      );
      assert.equal(restored("none", "--no-xattrs"), "");
      assert.equal(
        restored("some", "--include-xattr", "user.n*"),
        "# file: a.txt user.note=0sZmlyc3Q=",
      );
      assert.equal(
        restored("others", "--exclude-xattr", "user.n*"),
        "# file: a.txt user.other=0sMQ==",
      );
      const both = ["--include-xattr", "a", "--exclude-xattr", "b"];
      const refused = place.run(["restore", first.id, "--to", "x", ...both]);
      assert.equal(refused.code, 2);
      const without = place.json([
        "snapshot",
        "--no-xattrs",
        "--label",
        "bare",
      ]);
      assert.deepEqual([without.code, without.xattrs], [0, false]);
    });
  },
);

test(
  "restore names an attribute that the disk refuses, and exits with 3",
  needsXattrs,
  async () => {
    await withPlace((place) => {
      place.write({ "a.txt": "one\n" });
      const large = "y".repeat(60_000);
      // /dev/shm accepts large values, and most disks do not.
      const shm = fs.mkdtempSync("/dev/shm/deltar-test-");
      try {
        const file = join(shm, "a.txt");
        fs.writeFileSync(file, "one\n");
        try {
          setXattr(file, "user.large", large);
          setXattr(file, "user.small", "1");
        } catch {
          return;
        }
        const { id, code } = place.json(["snapshot", shm, "--repo", "../r"]);
        assert.equal(code, 0);
        const target = join(place.folder, "target");
        const done = place.run([
          "restore",
          id,
          "--repo",
          "../r",
          "--to",
          target,
        ]);
        if (done.code === 0) {
          // This disk accepts the large value.
          assert.match(shownXattrs(target), /user\.large/);
          return;
        }
        assert.equal(done.code, 3);
        assert.match(done.err, /a\.txt: .*extended attribute user\.large: /);
        assert.match(shownXattrs(target), /user\.small=0sMQ==/);
        assert.equal(fs.readFileSync(join(target, "a.txt"), "utf8"), "one\n");
      } finally {
        fs.rmSync(shm, { recursive: true });
      }
    });
  },
);

/** Takes a snapshot, and returns the attribute calls that it made. */
function callsOf(place: Place): string[] {
  const log = join(place.folder, "calls");
  const calls = "trace=flistxattr,llistxattr,fgetxattr,lgetxattr";
  const args = ["-f", "-e", calls, "-o", log, ...COMMAND, "snapshot"];
  run("strace", args, { cwd: place.root, env: place.env });
  return fs.readFileSync(log, "utf8").split("\n")
    .filter((line) => /xattr\(/.test(line));
}

const needsStrace = needsXattrs.skip ? needsXattrs : needs("strace");

test(
  "snapshot makes no attribute call for files that are unchanged by the remembered state",
  needsStrace,
  async () => {
    await withPlace((place) => {
      const names = Array.from({ length: 50 }, (_, at) => `sub/${at}`);
      place.write(Object.fromEntries(names.map((name) => [name, name])));
      setXattr(join(place.root, "sub/7"), "user.a", "1");
      // A file that changed just before it was read is read again.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
      const first = callsOf(place);
      // There is one call for each file, the folder and the root, and one for a
      // value.
      assert.ok(first.length >= 53, `${first.length} calls`);
      assert.ok(first.length <= 56, first.join("\n"));
      const same = callsOf(place);
      assert.ok(same.length <= 3, same.join("\n"));
      setXattr(join(place.root, "sub/9"), "user.a", "1");
      const changed = callsOf(place);
      assert.ok(changed.length <= 8, changed.join("\n"));
      assert.equal(
        place.run(["diff", "latest~1", "latest"]).out,
        "t sub/9: attributes +user.a\n",
      );
    });
  },
);

const isUnable = process.platform === "linux" && !canUseXattrs();
const needsNone = isUnable
  ? needs("tar")
  : { skip: "this runtime has calls for extended attributes" };

test(
  "snapshot without the calls says once that attributes are not stored",
  needsNone,
  async () => {
    await withPlace((place) => {
      place.write({ "a.txt": "one\n" });
      const first = place.run(["snapshot"], { keepsNotes: true });
      assert.equal(first.code, 0);
      assert.match(first.err, /attributes and ACLs are not read/);
      place.write({ "a.txt": "three\n" });
      const second = place.run(["snapshot"], { keepsNotes: true });
      assert.deepEqual([second.code, second.err], [0, ""]);
      const other = join(place.folder, "other");
      fs.mkdirSync(other);
      const quiet = place.run(["snapshot", other, "--no-xattrs"], {
        keepsNotes: true,
      });
      assert.deepEqual([quiet.code, quiet.err], [0, ""]);
    });
  },
);
