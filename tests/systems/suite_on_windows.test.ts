import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { copySuite } from "../support/suite_copy.ts";
import { needsWine, Windows } from "../support/windows.ts";

const TESTS = fileURLToPath(new URL("../", import.meta.url));
/** The folders whose tests run with `SLOW=1`. */
const FOLDERS = [
  "age",
  "archive",
  "bytes",
  "delta",
  "frozen",
  "ssh",
  "storage",
  "tree",
];
/** The tests of `tests/repository` that run with `SLOW=1`. */
const REPOSITORY = [
  "aborted",
  "attacked_restore",
  "attacked_snapshot",
  "clocks",
  "copy",
  "crash_prune",
  "damage",
  "directory_sets",
  "drill",
  "elsewhere",
  "encrypted",
  "encrypted_damage",
  "encrypted_leaks",
  "exact_deltas",
  "faults",
  "fresh_restore",
  "history",
  "hostile",
  "interrupted",
  "json",
  "key_changes",
  "keyring",
  "labels",
  "machines",
  "manifests",
  "named_time",
  "note_manifests",
  "options",
  "owners",
  "prune",
  "remembered",
  "repair",
  "repository_name",
  "restore_faults",
  "restore_interrupted",
  "restore_links",
  "restore_over",
  "retention",
  "shared_contents",
  "signed_notes",
  "snapshots",
  "special_files",
  "stats",
  "threaded_restore",
  "tree_layers",
  "trust",
  "verify",
  "write_only",
  "xattrs",
  "xattrs_kinds",
].map((name) => `tests/repository/${name}.test.ts`);
/** The tests that run without `SLOW=1`, which take less than a minute. */
const SAMPLE = [
  "tests/archive/apply_hostile.test.ts",
  "tests/archive/dir.test.ts",
  "tests/repository/restore_over.test.ts",
  "tests/repository/snapshots.test.ts",
  "tests/storage/local.test.ts",
  "tests/tree/folder.test.ts",
  "tests/tree/index_files.test.ts",
  "tests/tree/name.test.ts",
  "tests/tree/tree_state.test.ts",
  "tests/tree/walker.test.ts",
];
/** The minimum numbers of tests that pass, with `SLOW=1` and without it. */
const MIN_PASSED = process.env.SLOW ? 750 : 60;

/** Returns the test files in a folder. */
function filesIn(folder: string): string[] {
  return fs.readdirSync(join(TESTS, folder))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `tests/${folder}/${name}`);
}

test("the suite passes on Windows", needsWine(), (context) => {
  const windows = new Windows();
  try {
    const home = windows.folder();
    copySuite(join(windows.drive, home));
    let passed = 0;
    const skipped = new Map<string, number>();
    const parts = process.env.SLOW
      ? [...FOLDERS.map(filesIn), REPOSITORY]
      : [SAMPLE];
    for (const files of parts) {
      const { code, out, err } = windows.node(
        home,
        "--test",
        "--test-concurrency=2",
        "--test-reporter=tap",
        ...files,
      );
      assert.equal(code, 0, failuresIn(out) + err);
      passed += Number(/^# pass (\d+)$/m.exec(out)?.[1]);
      for (const [, reason] of out.matchAll(/^ok .* # SKIP ?(.*)$/gm)) {
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
      }
    }
    context.diagnostic(`passed: ${passed}`);
    for (const [reason, count] of [...skipped].sort()) {
      context.diagnostic(`skipped: ${count} ${reason}`);
    }
    assert.ok(passed >= MIN_PASSED, `${passed} tests passed`);
    // Each skipped test names the feature that Windows lacks.
    assert.equal(skipped.get(""), undefined, "tests skipped without a reason");
  } finally {
    windows.end();
  }
});

/** Returns the reports of the tests that failed. */
function failuresIn(report: string): string {
  return report.split(/^# Subtest: /m)
    .filter((part) => /^not ok /m.test(part))
    .join("\n");
}
