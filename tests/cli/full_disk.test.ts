import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needsMount, runApart } from "../support/apart.ts";
import { noise } from "../support/noise.ts";
import { roundTimes, stateOf } from "../support/trees.ts";
import { COMMAND, NO_XATTRS, withPlace } from "./helpers.ts";

test(
  "a full disk is reported with advice, and the command can be repeated afterwards",
  needsMount(),
  async () => {
    await withPlace((place) => {
      const names = ["1", "2", "3", "4", "5", "6"];
      for (const name of names) {
        fs.writeFileSync(join(place.root, name), noise(50_000, Number(name)));
      }
      roundTimes(place.root);
      const [program, ...words] = [...COMMAND, '"$@"'];
      const script = `
      set -u
      run() { ${[program, ...words].join(" ")} >>out 2>>err; echo $? >>codes; }
      mkdir small; mount -t tmpfs -o size=200k none small
      run snapshot root --repo small/repository
      mount -o remount,size=1m small
      run snapshot root --repo small/repository
      run verify --data --repo small/repository
      cp -r small/repository repository
      umount small; mount -t tmpfs -o size=120k none small; mkdir small/to
      run restore latest --repo repository --to small/to
      mount -o remount,size=1m small
      run restore latest --repo repository --to small/to
      cp -a small/to to; umount small`;
      runApart(script, { cwd: place.folder, env: place.env });
      const read = (name: string) =>
        fs.readFileSync(join(place.folder, name), "utf8");
      const said = read("err").replace(NO_XATTRS, "");
      assert.equal(read("codes"), "1\n0\n0\n1\n0\n", said);
      const next =
        "the disk is full\\. Free some space on the disk, then run " +
        "the same command again\\.";
      assert.match(
        said,
        new RegExp(
          `^deltar: cannot write to \\S+/small/repository: ${next}\n` +
            `deltar: cannot write \\d: ${next}\n$`,
        ),
      );
      assert.match(read("out"), /Found no damage\./);
      assert.deepEqual(
        stateOf(join(place.folder, "to")),
        stateOf(place.root),
      );
      // Files that were written before the disk was full are not written again.
      const [, files] = /Restored (\d) files/.exec(read("out"))!;
      assert.ok(Number(files) < names.length, files);
    });
  },
);

test(
  "prune and forget work on a full disk, or say which command does [S11]",
  needsMount(),
  async () => {
    await withPlace((place) => {
      const [program, ...words] = [...COMMAND, '"$@"'];
      const script = `
      set -u
      run() { ${
        [program, ...words].join(" ")
      } --repo small/repository >>out 2>>err; echo $? >>codes; }
      fill() {
        cat /dev/zero >small/fill 2>/dev/null
        for i in 1 2 3 4 5 6 7 8; do cat /dev/zero >small/fill$i 2>/dev/null; done
        df --output=avail small | tail -1 >>codes
      }
      mkdir small; mount -t tmpfs -o size=2m none small
      for i in 1 2 3 4 5 6; do
        head -c 50000 /dev/urandom >root/file
        run snapshot root -q
      done
      run forget latest~5
      echo "full:" >>codes
      fill
      run forget latest~4
      run prune --keep-last 2
      run prune --grace 0
      rm small/fill1; fill
      run prune --keep-last 2 --grace 0
      rm -f small/fill*
      run verify --data
      run list
      run restore latest --to to
      umount small`;
      runApart(script, { cwd: place.folder, env: place.env });
      const read = (name: string) =>
        fs.readFileSync(join(place.folder, name), "utf8");
      const said = read("err").replace(NO_XATTRS, "");
      assert.equal(
        read("codes").replaceAll(/ +/g, ""),
        "0\n".repeat(7) +
          // The disk is full: two commands fail, and one succeeds.
          "full:\n0\n1\n1\n0\n" +
          // The disk is full again, and snapshots are removed without a grace
          // period.
          "0\n0\n" + "0\n0\n0\n",
        said,
      );
      const advice = said.match(/the disk is full: there is no space .*/g) ??
        [];
      assert.equal(advice.length, 2, said);
      for (const line of advice) {
        assert.match(line, /`deltar prune --keep-last 3 --grace 0 --dry-run`/);
      }
      assert.doesNotMatch(said, /make room/);
      const out = read("out");
      assert.match(out, /Purged 1 removed snapshot\. /);
      assert.match(out, /Found no damage\./);
      assert.match(out, /^2 snapshots of /m);
      assert.ok(
        fs.readFileSync(join(place.folder, "to/file"))
          .equals(fs.readFileSync(join(place.root, "file"))),
      );
    });
  },
);
