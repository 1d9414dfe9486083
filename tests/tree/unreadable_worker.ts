// Tests run this script as a user for whom the modes of files apply.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DirIndex } from "../../lib/tree/dir_index.ts";
import { Walker } from "../../lib/tree/walker.ts";
import { isUnchanged, stateOf } from "./states.ts";

const [kind, root] = process.argv.slice(2);
const walker = new Walker(root, { excludes: [] });
if (kind === "file") {
  fs.writeFileSync(join(root, "a"), "a");
  fs.chmodSync(join(root, "a"), 0);
  const { skipped } = await DirIndex.of(walker);
  assert.deepEqual(
    skipped.map(({ path, reason }) => [path, reason]),
    [["a", "unreadable"]],
  );
} else {
  fs.mkdirSync(join(root, "closed"));
  fs.chmodSync(join(root, "closed"), 0);
  const state = stateOf(root, { excludes: [] });
  assert.equal(await isUnchanged(walker, state), true);
  fs.chmodSync(join(root, "closed"), 0o755);
  assert.equal(await isUnchanged(walker, state), false);
}
