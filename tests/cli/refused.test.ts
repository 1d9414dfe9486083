import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { needsMount, runApart } from "../support/apart.ts";
import { needs } from "../support/peer.ts";
import { COMMAND, NO_XATTRS, withPlace } from "./helpers.ts";

/**
 * Matches internal names: names of objects and temporary files, and error
 * codes.
 */
const INTERNAL =
  /\.deltar-|running\/|lease\/|removed\/|labels\/|\bE[A-Z]{3,}\b|syscall/;

test(
  "a repository on a read-only file system is reported, with advice [T10]",
  needsMount(),
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      const program = COMMAND.join(" ");
      runApart(
        `mkdir disk; mount -t tmpfs none disk
      run() { ${program} "$@" >>out 2>>err; echo $? >>codes; }
      run snapshot root --repo disk/r
      echo more >>root/a
      mount -o remount,ro disk
      run snapshot root --repo disk/r
      run prune --repo disk/r
      run forget latest --repo disk/r
      run label latest x --repo disk/r
      run list --repo disk/r
      run drill --repo disk/r
      run snapshot root --repo disk/other`,
        { cwd: place.folder, env: place.env },
      );
      const read = (name: string) =>
        fs.readFileSync(join(place.folder, name), "utf8");
      const err = read("err").replace(NO_XATTRS, "");
      assert.equal(read("codes"), "0\n1\n1\n1\n1\n0\n3\n1\n", err);
      assert.doesNotMatch(err, INTERNAL);
      const refused = (name: string) =>
        `deltar: cannot write to ${place.folder}/disk/${name}: the file system ` +
        "is read-only. Remount the file system as writable, or choose another " +
        "repository with --repo.";
      const lines = err.trimEnd().split("\n");
      assert.deepEqual(lines.slice(0, 4), Array(4).fill(refused("r")));
      assert.match(
        lines[4],
        /could not be recorded.*: cannot write to \S+disk\/r:/,
      );
      assert.deepEqual(lines.slice(5), [refused("other")]);
    });
  },
);

const asRoot = process.getuid?.() === 0
  ? needs("setpriv")
  : { skip: "not root" };

test(
  "missing permissions of a user are reported, with advice [T10]",
  asRoot,
  async () => {
    await withPlace((place) => {
      place.write({ a: "1" });
      assert.equal(place.run(["snapshot", "--repo", "../r"]).code, 0);
      place.write({ a: "2" });
      for (const path of ["", "home", "r", "root"]) {
        fs.chmodSync(join(place.folder, path), 0o755);
      }
      fs.chmodSync(join(place.folder, "r"), 0o755);
      fs.mkdirSync(join(place.folder, "mine"));
      fs.chownSync(join(place.folder, "mine"), 65534, 65534);
      const run = (words: string[]) => {
        const ids = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        const { status, stdout, stderr } = spawnSync(
          "setpriv",
          [...ids, ...COMMAND, ...words],
          {
            cwd: place.root,
            encoding: "utf8",
            env: {
              ...place.env,
              HOME: join(place.folder, "mine"),
              XDG_DATA_HOME: "",
              XDG_CACHE_HOME: "",
              NODE_COMPILE_CACHE: "",
            },
          },
        );
        assert.equal(status, 1, `${words}: ${stdout}${stderr}`);
        assert.doesNotMatch(stderr, INTERNAL, words.join(" "));
        return stderr;
      };
      const r = join(place.folder, "r");
      const open = (folder: string) => {
        for (
          const path of fs.readdirSync(folder, {
            recursive: true,
            encoding: "utf8",
          })
        ) {
          const file = join(folder, path);
          fs.chmodSync(file, fs.statSync(file).isDirectory() ? 0o755 : 0o644);
        }
      };
      open(r);
      const denied = (what: string, where: string, other: string) =>
        `deltar: cannot ${what} ${where}: permission denied. Check the owner ` +
        `and mode, or choose another ${other}\n`;
      const repository = "repository with --repo.";
      assert.equal(
        run(["prune", "--repo", r]),
        denied("write to", r, repository),
      );
      const other = join(place.folder, "other");
      assert.equal(
        run(["snapshot", "--repo", other]),
        denied("write to", other, repository),
      );
      const { next, message } = JSON.parse(
        run(["forget", "latest", "--repo", r, "--json"]),
      );
      assert.equal(message, `cannot write to ${r}: permission denied`);
      assert.match(next, /^Check the owner and mode/);
      const to = join(place.folder, "to");
      assert.equal(
        run(["restore", "latest", "--repo", r, "--to", to]),
        denied("write to", to, "directory."),
      );
      fs.chmodSync(r, 0o700);
      assert.equal(run(["list", "--repo", r]), denied("read", r, repository));
    });
  },
);
