import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needsOtherDisk, withOtherDisk } from "../support/other_disk.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Tests that work only below the system's temporary folder, and whose trees
 * have no two names that are equal on APFS.
 */
const FILES = [
  "tests/archive/dir.test.ts",
  "tests/cli/undo.test.ts",
  ...process.env.SLOW ? ["tests/repository/restore_killed.test.ts"] : [],
  "tests/repository/snapshots.test.ts",
  "tests/tree/index_tree.test.ts",
  "tests/tree/walker.test.ts",
];

test(
  "the tests of trees, restores and undo pass on apfs",
  needsOtherDisk(),
  async () => {
    await withOtherDisk("apfs", (disk) => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ["--test", "--test-reporter=tap", ...FILES],
        {
          cwd: ROOT,
          env: { ...process.env, TMPDIR: disk, NODE_TEST_CONTEXT: undefined },
          encoding: "utf8",
          maxBuffer: 1 << 26,
        },
      );
      assert.equal(status, 0, stdout + stderr);
      const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1]);
      assert.ok(passed > 30, `${passed} tests passed`);
      return Promise.resolve();
    });
  },
);
