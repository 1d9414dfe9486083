import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs } from "../support/peer.ts";
import { needsXattrsOfRoot, setXattr } from "../support/xattrs.ts";
import { withPlace } from "./helpers.ts";

const needsEverything = needsXattrsOfRoot.skip
  ? needsXattrsOfRoot
  : needs("mkfifo", "mknod");

test(
  "files, diff, verify and drill show all metadata of a file",
  needsEverything,
  async () => {
    await withPlace((place) => {
      const { root } = place;
      const run = (program: string, ...args: string[]) =>
        execFileSync(program, args, { cwd: root });
      const at = (path: string) => join(root, path);
      place.write({
        "attributes": "a",
        "acl": "b",
        "program": "c",
        "sub/x": "",
      });
      setXattr(at("attributes"), "user.note", "1");
      setXattr(at("attributes"), "user.other", "1");
      run("setfacl", "-m", "u:12345:r", "acl");
      run("mkfifo", "-m", "640", "pipe");
      run("mknod", "-m", "600", "device", "c", "1", "3");
      fs.writeFileSync(at("holes"), "");
      fs.truncateSync(at("holes"), 10_000_000);
      fs.chmodSync(at("program"), 0o6711);
      fs.chmodSync(at("sub"), 0o1777);
      fs.symlinkSync("pipe", at("link"));
      for (const name of fs.readdirSync(root)) {
        fs.lchownSync(at(name), 4_000_001, 4_000_002);
      }
      // Changing the owner clears these bits.
      fs.chmodSync(at("program"), 0o6711);
      fs.lutimesSync(at("link"), 0, 0);
      assert.equal(place.run(["snapshot"]).code, 0);

      const shown = place.run(["files", "latest"]).out;
      const date = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g;
      assert.equal(
        shown.replaceAll(date, "DATE"),
        `-rw-r--r--+ 4000001 4000002        1 DATE acl
-rw-r--r--+ 4000001 4000002        1 DATE attributes
crw-------  4000001 4000002     1, 3 DATE device
-rw-r--r--  4000001 4000002 10000000 DATE holes (sparse, 512 B without holes)
lrwxrwxrwx  4000001 4000002        0 DATE link -> pipe
prw-r-----  4000001 4000002        0 DATE pipe
-rws--s--x  4000001 4000002        1 DATE program
drwxrwxrwt  4000001 4000002        0 DATE sub/
-rw-r--r--  root    root           0 DATE sub/x
`,
      );
      const verified = place.run(["verify"]).out;
      assert.match(verified, /with 5 files \(1 sparse\) in/);
      assert.match(
        verified,
        /^Also verified: 2 pipes and devices, extended attributes of 2 paths$/m,
      );
      const drilled = place.run(["drill"]).out;
      assert.match(
        drilled,
        /^The extended attributes user\.\* of 1 file match/m,
      );
      assert.match(drilled, /^Read, but not created: 2 pipes and devices\.$/m);

      setXattr(at("attributes"), "user.note", "2");
      setXattr(at("attributes"), "user.new", "1");
      run("setfattr", "-x", "user.other", "attributes");
      run("setfacl", "-b", "acl");
      fs.chownSync(at("program"), 0, 4_000_003);
      fs.chmodSync(at("program"), 0o4711);
      fs.rmSync(at("device"));
      run("mknod", "-m", "600", "device", "c", "1", "5");
      fs.chownSync(at("device"), 4_000_001, 4_000_002);
      fs.rmSync(at("link"));
      fs.symlinkSync("acl", at("link"));
      fs.lchownSync(at("link"), 4_000_001, 4_000_002);
      fs.rmSync(at("pipe"));
      fs.writeFileSync(at("pipe"), "a file");
      fs.utimesSync(at("sub/x"), 0, 0);
      assert.equal(place.run(["snapshot"]).code, 0);
      assert.equal(
        place.run(["diff", "latest~1", "latest"]).out,
        `t acl: attributes -system.posix_acl_access
t attributes: attributes +user.new ~user.note -user.other
~ device: device 1, 3 -> 1, 5
~ link: target pipe -> acl
~ pipe: named pipe -> file
t program: mode 6711 -> 4711, owner 4000001 -> root, group 4000002 -> 4000003
t sub/x: time
`,
      );
      const { changes } = place.json(["diff", "latest~1", "latest"]);
      assert.deepEqual(
        changes.map(({ fields }: { fields: string[] }) => fields.join()),
        [
          "xattrs",
          "xattrs",
          "device,mtime",
          "target,mtime",
          "kind,content,mode,uid,gid,mtime",
          "mode,uid,gid",
          "mtime",
        ],
      );
    });
  },
);
