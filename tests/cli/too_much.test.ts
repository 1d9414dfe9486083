import assert from "node:assert/strict";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join, parse } from "node:path";
import { test } from "node:test";
import { isTooMuch } from "../../shared/too_much.ts";
import { needsSymlinks } from "../support/system.ts";
import { withTemp } from "../support/temp.ts";

test(
  "isTooMuch() recognizes the home folder and whole disks",
  needsSymlinks,
  () =>
    withTemp((folder) => {
      assert.equal(isTooMuch(folder), undefined);
      assert.equal(isTooMuch(join(folder, "absent")), undefined);
      assert.equal(isTooMuch(homedir()), "a home folder");
      const { root } = parse(folder);
      assert.equal(isTooMuch(root), "a whole disk");
      // A link is another spelling of the same path, like a drive in lower case
      // on Windows.
      for (const [name, target] of [["home", homedir()], ["disk", root]]) {
        fs.symlinkSync(target, join(folder, name));
      }
      assert.equal(isTooMuch(join(folder, "home")), "a home folder");
      assert.equal(isTooMuch(join(folder, "disk")), "a whole disk");
    }),
);
