// A test runs this script as a user for whom the modes of files apply.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { everything } from "./helpers.ts";
import { takeBoth } from "./paged.ts";

const [folder] = process.argv.slice(2);
const root = join(folder, "root");
const results = await takeBoth(() => everything(root), folder, [
  () => {
    for (const path of ["a", "b", "c"]) {
      fs.mkdirSync(join(root, path, "d"), { recursive: true });
      fs.writeFileSync(join(root, path, "file"), path);
      fs.writeFileSync(join(root, path, "d/file"), path);
    }
    fs.chmodSync(join(root, "a/d"), 0);
    fs.chmodSync(join(root, "b/file"), 0);
  },
  () => {},
  () => {},
  () => {
    fs.chmodSync(join(root, "a/d"), 0o755);
    fs.chmodSync(join(root, "b/file"), 0o644);
    fs.chmodSync(join(root, "b/d"), 0);
  },
  () => fs.chmodSync(join(root, "c"), 0),
]);
assert.deepEqual(
  results.map(({ skipped }) => skipped.map(({ path }) => path)),
  [["a/d", "b/file"], ["a/d", "b/file"], ["a/d", "b/file"], ["b/d"], [
    "b/d",
    "c",
  ]],
);
for (const path of ["c", "b/d"]) fs.chmodSync(join(root, path), 0o755);
